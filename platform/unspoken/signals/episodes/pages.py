"""Events that never came: gaps in the running numbers of a page."""

import numpy as np
import polars as pl

from unspoken.signals.episodes.columns import Found
from unspoken.signals.episodes.rows import NULL, by_both, numbered
from unspoken.signals.episodes.told import Acts
from unspoken.signals.tree import Rows


def lost(acts: Acts, answers: Rows) -> Found:
    """lost: how many events are missing next to those of the answer; null where no page numbers them.

    A gap counts for the answer whose event stands before it and for the one whose event stands after it, since it may
    have been of either. A page is looked at within one conversation.
    """
    events = acts.events.select("page", "n")
    says = events.select(pl.col("page").is_not_null() & pl.col("n").is_not_null()).to_series().to_numpy()
    of = acts.order[says[acts.order]]
    page = np.zeros(len(events), dtype=np.int64)
    page[says] = numbered(events["page"].filter(pl.Series(says)))
    view = acts.talk[of] * len(events) + page[of]
    number = events["n"].fill_null(0).to_numpy()[of]
    row = acts.row[of]
    if (np.diff(view) < 0).any() or ((np.diff(view) == 0) & (np.diff(number) < 0)).any():
        order = by_both(view, number)
        view, number, row = view[order], number[order], row[order]

    is_answer = np.zeros(acts.messages + 1, dtype=np.bool_)  # one more, for events of no message, whose row is −1
    is_answer[answers] = True
    places = np.flatnonzero(is_answer[row])  # where events of answers stand
    missing = np.zeros(acts.messages, dtype=np.int64)
    gap = 1 + np.flatnonzero((view[1:] == view[:-1]) & (number[1:] > number[:-1] + 1))
    following = np.searchsorted(places, gap)
    beside = np.full((2, len(gap)), -1)
    for side, nearest in zip(beside, (following - 1, following), strict=True):
        there = (nearest >= 0) & (nearest < len(places))
        at = places[nearest[there]]
        side[there] = np.where(view[at] == view[gap[there]], row[at], -1)
    beside[1, beside[0] == beside[1]] = -1
    for side in beside:
        there = side >= 0
        np.add.at(missing, side[there], (number[gap] - number[gap - 1] - 1)[there])
    unknown = np.ones(acts.messages, dtype=np.bool_)
    unknown[row[places]] = False
    missing[unknown] = NULL
    return Found({"lost": missing})
