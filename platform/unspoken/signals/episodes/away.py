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

    def so_far(at: Rows) -> Rows:
        """How many returns there are of earlier conversations, or of this one up to then."""
        return np.searchsorted(place, talk * (len(times) + 1) + np.searchsorted(times, at, side="right"))

    before, after = so_far(since), so_far(until)
    some = np.flatnonzero(after > before)
    total = np.append(0, np.cumsum(away))
    found = np.zeros(len(talk), dtype=np.int64)
    # The first return may end an absence that began before the time.
    first = before[some]
    already = np.maximum(away[first] - (back[first] - since[some]) // 1000, 0)
    found[some] = total[after[some]] - total[first] - already
    return found
