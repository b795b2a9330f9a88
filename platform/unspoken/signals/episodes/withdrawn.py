"""Closes that were inferred from a silence which a late event broke after all, and so are to be ignored.

An inferred close stands at the time of the last event that was heard, and says for how long nothing had come. Whatever
shows the same person (as far as is known) to be in the conversation within that time withdraws it: after a hide an act
or a real close, after the sign of a page in sight anything that such a page sends.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.events import KINDS, PRESENT
from unspoken.signals.episodes.rows import numbered
from unspoken.signals.tree import Rows

ACTS = (*PRESENT, "close")
IN_SIGHT = ("expose", "heartbeat", "view", "hide")
COLUMNS = ("user", "role", "silent_ms")
NOBODY = 0  # whoever is not known, and so may be anybody
NEVER, NONE = np.iinfo(np.int64).max, -1


def withdrawn(events: pl.DataFrame, kind: Rows, inferred: NDArray[np.bool_], talk: Rows, at: Rows) -> Rows:
    """Where in `events` (COLUMNS of frames.EVENTS, in any order) the withdrawn closes stand.

    `kind`, `talk`, `at`: of each the numbers of its kind among KINDS and of its conversation, and its time in
    microseconds; `inferred`: whether it is an inferred close.
    """

    def any_of(*kinds: str) -> NDArray[np.bool_]:
        wanted = np.zeros(len(KINDS) + 1, dtype=np.bool_)  # one more, for those of an unknown kind
        wanted[[KINDS.index(each) for each in kinds]] = True
        found: NDArray[np.bool_] = wanted[kind]
        return found

    written = any_of("message") & (events["role"] == "user").fill_null(False).to_numpy()
    act = any_of(*ACTS) & ~inferred | written
    sight, hide = act | any_of(*IN_SIGHT), any_of("hide")
    who = numbered(events["user"]) + 1  # NOBODY where it is null
    close: Rows = np.flatnonzero(inferred)
    if not len(close):
        return close
    times, when = np.unique(at, return_inverse=True)
    until = at[close] + events["silent_ms"].fill_null(0).to_numpy()[close] * 1000
    hid = np.isin((talk * len(times) + when)[close], (talk * len(times) + when)[hide])
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
