"""Shares with their intervals."""

from math import sqrt
from typing import Any

Z = 1.959963984540054  # 95 %


def share(hits: int, number: int) -> dict[str, Any]:
    """Hits of so many, with Wilson's interval, which is right where nearly all are hits."""
    if not number:
        raise ValueError("There is no share of nothing.")
    middle = (hits + Z * Z / 2) / (number + Z * Z)
    half = Z * sqrt(hits * (number - hits) / number + Z * Z / 4) / (number + Z * Z)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return {"hits": hits, "of": number, "share": round(hits / number, 4), "low": round(low, 4), "high": round(high, 4)}
