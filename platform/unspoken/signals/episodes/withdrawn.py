"""Closes that were inferred from a silence which a late event broke after all, and so are to be ignored.

An inferred close stands at the time of the last event that was heard, and says for how long nothing had come. Whatever
shows the same person (as far as is known) to be in the conversation within that time withdraws it: after a hide an act
or a real close, after the sign of a page in sight anything that such a page sends.
"""

import numpy as np
import polars as pl

from unspoken.events import PRESENT
from unspoken.signals.tree import Rows

ACTS = (*PRESENT, "close")
IN_SIGHT = ("expose", "heartbeat", "view", "hide")
COLUMNS = ("user", "kind", "role", "cause", "silent_ms")
NOBODY = 0  # whoever is not known, and so may be anybody
NEVER, NONE = np.iinfo(np.int64).max, -1
INFERRED = (pl.col("kind") == "close") & pl.col("cause").eq_missing("inferred")


def withdrawn(events: pl.DataFrame, talk: Rows, at: Rows) -> Rows:
    """Where in `events` (COLUMNS of frames.EVENTS, in any order) the withdrawn closes stand.

    `talk`, `at`: a number for each one's conversation, and its time in microseconds.
    """
    said = pl.col("kind").is_in(ACTS) & ~INFERRED | (pl.col("kind") == "message") & pl.col("role").eq_missing("user")
    inferred, act, sight, hide, user, silent_ms = events.select(
        INFERRED,
        said.alias("act"),
        (said | pl.col("kind").is_in(IN_SIGHT)).alias("sight"),
        (pl.col("kind") == "hide").alias("hide"),
        pl.col("user").rank("dense").fill_null(NOBODY).cast(pl.Int64),
        pl.col("silent_ms").fill_null(0),
    ).get_columns()
    close: Rows = np.flatnonzero(inferred)
    who = user.to_numpy()
    if not len(close):
        return close
    times, when = np.unique(at, return_inverse=True)
    until = at[close] + silent_ms.to_numpy()[close] * 1000
    hid = np.isin((talk * len(times) + when)[close], (talk * len(times) + when)[hide.to_numpy()])
    by_person = talk * (len(events) + 1) + who
    people = np.unique(np.append(by_person, (by_person - who + NOBODY)[close]), return_inverse=True)[1]
    person, nobody = people[: len(events)], people[len(events) :]

    def first(signs: Rows, group: Rows, asked: Rows) -> Rows:
        """For each close the time of the first of the signs after it that is of the group asked for; NEVER for none."""
        place = np.sort(group[signs] * len(times) + when[signs])
        then = np.append(place, NONE)[np.searchsorted(place, asked * len(times) + when[close], side="right")]
        return np.where(then // len(times) == asked, times[then % len(times)], NEVER)

    def heard(signs: Rows) -> Rows:
        """The same of the person who left, as far as is known."""
        known = np.minimum(first(signs, person, person[close]), first(signs, person, nobody))
        found: Rows = np.where(who[close] == NOBODY, first(signs, talk, talk[close]), known)
        return found

    gone: Rows = close[np.where(hid, heard(np.flatnonzero(act)), heard(np.flatnonzero(sight))) <= until]
    return gone
