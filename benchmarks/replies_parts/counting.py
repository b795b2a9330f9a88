"""Right, flagged and there, per class; precision and recall with Wilson's intervals."""

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Any

from unspoken.signals.replies.rules import ORDER

Z = 1.96


def wilson(right: int, of: int) -> list[float] | None:
    """The share and its 95 % interval; null of nothing."""
    if not of:
        return None
    share, pull = right / of, Z * Z / of
    middle = (share + pull / 2) / (1 + pull)
    half = Z / (1 + pull) * sqrt(share * (1 - share) / of + pull / (4 * of))
    return [round(share, 3), round(max(middle - half, 0.0), 3), round(min(middle + half, 1.0), 3)]


def rates(said: Sequence[str], true: Sequence[str]) -> dict[str, Any]:
    """Per class and together: `flagged`, `right`, `there`, precision and recall as [share, low, high]."""
    flagged, there = Counter(said), Counter(true)
    right = Counter(a for a, b in zip(said, true, strict=True) if a == b)
    rows = {name: _row(right[name], flagged[name], there[name]) for name in ORDER}
    sums = [sum(counter[name] for name in ORDER) for counter in (right, flagged, there)]
    return rows | {"all": _row(*sums)}


def _row(right: int, flagged: int, there: int) -> dict[str, Any]:
    found = {"flagged": flagged, "right": right, "there": there}
    return found | {"precision": wilson(right, flagged), "recall": wilson(right, there)}


def confusion(said: Sequence[str], true: Sequence[str]) -> dict[str, dict[str, int]]:
    """True class → said class → turns."""
    pairs = Counter(zip(true, said, strict=True))
    names = (*ORDER, "none")
    return {a: {b: pairs[a, b] for b in names if pairs[a, b]} for a in names}
