"""How the report writes numbers and shows text that somebody else wrote."""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
NONE = "–"
LONGEST = 4000  # characters of a text that the page shows


def visible(value: object, limit: int = LONGEST) -> str:
    """At most `limit` characters of `value`, with every character that acts instead of being seen spelt out.

    Controls, bidirectional overrides, invisible format characters, surrogates and noncharacters read ⟨U+202E⟩; line
    feeds, tabs and the joiners that emoji and Persian need stay.
    """
    if value is None:
        return ""
    raw = str(value)
    cut = raw[:limit].replace("\r\n", "\n")
    shown = "".join(f"⟨U+{ord(c):04X}⟩" if _acts(c) else c for c in cut)
    return shown + "…" if len(raw) > limit else shown


def number(value: object) -> float | None:
    """`value` if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def two(value: object) -> str:
    """.52, −.05, 1.30."""
    known = number(value)
    if known is None:
        return NONE
    words = f"{abs(known):.2f}"
    sign = "−" if known < 0 and float(words) else ""
    return sign + words.removeprefix("0")


def signed(value: object) -> str:
    """+1.84, −.30: for standard scores, where the sign is half of what they say."""
    words = two(value)
    return words if words == NONE or words.startswith("−") else f"+{words}"


def count(value: object) -> str:
    """12,300; fractions are rounded to whole things."""
    known = number(value)
    return NONE if known is None else f"{known:,.0f}".replace("-", "−")


def percent(part: object, whole: object = 1) -> str:
    """44 %, 0.4 %; a dash when the whole is unknown or zero."""
    top, bottom = number(part), number(whole)
    if top is None or not bottom:
        return NONE
    share = 100 * top / bottom
    return f"{share:.0f} %" if share == 0 or 1 <= share <= 99 or share == 100 else f"{share:.1f} %"


def interval(row: Row | None) -> str:
    """.52 [.48, .56] from estimate, low and high; the bracket only where both ends are known."""
    if row is None:
        return NONE
    estimate, low, high = (row.get(k) for k in ("estimate", "low", "high"))
    ends = f" [{two(low)}, {two(high)}]" if number(low) is not None and number(high) is not None else ""
    return two(estimate) + ends


def _acts(c: str) -> bool:
    if c in "\n\t\u200c\u200d":
        return False
    nowhere = ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF  # noncharacters
    return nowhere or unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
