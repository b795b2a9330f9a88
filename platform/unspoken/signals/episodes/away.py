"""For how long the page was out of sight, as its `return`s say."""

import numpy as np

from unspoken.signals.episodes.told import Acts
from unspoken.signals.tree import Rows


def away_ms(acts: Acts, talk: Rows, since: Rows, until: Rows) -> Rows:
    """Milliseconds away in conversations `talk` after the times `since` and up to the times `until`."""
    returns = acts.all("return")
    away = returns.values("away_ms")
    number, away = returns.number[away > 0], away[away > 0]
    back = acts.at[number]
    times = np.unique(back)
    # A conversation and a time in one number, in whose order the returns stand already.
    place = acts.talk[number] * (len(times) + 1) + np.searchsorted(times, back)

    returned = np.zeros(1 + max(acts.talk.max(initial=0), talk.max(initial=0)), dtype=np.bool_)
    returned[acts.talk[number]] = True
    some = np.flatnonzero(returned[talk])
    before, after = (
        np.searchsorted(place, talk[some] * (len(times) + 1) + np.searchsorted(times, at[some], side="right"))
        for at in (since, until)
    )
    some, before, after = (each[after > before] for each in (some, before, after))
    total = np.append(0, np.cumsum(away))
    # The first return may end an absence that began before the time.
    already = np.maximum(away[before] - (back[before] - since[some]) // 1000, 0)
    found = np.zeros(len(talk), dtype=np.int64)
    found[some] = total[after] - total[before] - already
    return found
