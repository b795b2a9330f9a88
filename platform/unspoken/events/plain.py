"""What Python values may hold that JSON or a database cannot."""

from math import isfinite
from typing import Any

_NUL = "it contains a NUL character, which cannot be stored"
_HALF = "it contains half of a surrogate pair, which is no unicode character"
_ENDLESS = "it should be a finite number"


def flaw(value: Any) -> str | None:
    """Why this value cannot be stored; None when it can. What is no JSON at all is for others to refuse."""
    nodes = [value]
    for node in nodes:  # grows while it is walked
        kind = type(node)
        if kind is str:
            if "\0" in node:
                return _NUL
            if not (node.isascii() or _whole(node)):
                return _HALF
        elif kind is float:
            if not isfinite(node):
                return _ENDLESS
        elif kind is dict:
            nodes += node.keys()
            nodes += node.values()
        elif kind is list:
            nodes += node
    return None


def _whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
