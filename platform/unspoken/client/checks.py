"""Whether arguments fit a method's signature. Types and names only: what the values mean is the server's to judge."""

import difflib
from collections.abc import Callable, Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from unspoken.errors import BadEvent


class Fit(NamedTuple):
    """What one field takes: the test of a value, and the words for it."""

    test: Callable[[object], bool]
    needed: str


_PLAIN: dict[object, Fit] = {
    str: Fit(lambda value: isinstance(value, str), "a string"),
    bool: Fit(lambda value: isinstance(value, bool), "True or False"),
    int: Fit(lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    float: Fit(lambda value: isinstance(value, int | float) and not isinstance(value, bool), "a number"),
    datetime: Fit(lambda value: isinstance(value, datetime) and value.tzinfo is not None, "a datetime with a timezone"),
    list[str]: Fit(
        lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value), "a list of strings"
    ),
    dict[str, Any]: Fit(lambda value: isinstance(value, dict), "a dictionary"),
}


def fits(method: Callable[..., object]) -> dict[str, Fit]:
    """Field → what it takes, of a recorder's method: its own keywords and those of its `**envelope`."""
    hints = get_type_hints(method)
    hints.pop("return", None)
    (envelope,) = get_args(hints.pop("envelope"))
    return {name: fit(hint) for name, hint in {**get_type_hints(envelope), **hints}.items()}


def fit(hint: object) -> Fit:
    """The test that a type hint stands for. None is no case of its own: a field of None is left out before."""
    if get_origin(hint) is Literal:
        allowed = get_args(hint)  # True == 1, so the types are compared as well
        return Fit(
            lambda value: any(value == one and type(value) is type(one) for one in allowed),
            "one of " + ", ".join(map(repr, allowed)),
        )
    if get_origin(hint) in (Union, UnionType):
        cases = [fit(one) for one in get_args(hint) if one is not NoneType]
        if len(cases) == 1:
            return cases[0]
        return Fit(lambda value: any(case.test(value) for case in cases), " or ".join(case.needed for case in cases))
    return _PLAIN[hint]


def check(kind: str, event: Mapping[str, object], known: Mapping[str, Fit]) -> None:
    """BadEvent for the first field that is unknown or of another type."""
    for name, value in event.items():
        fit = known.get(name)
        if fit is None:
            near = difflib.get_close_matches(name, known, 1)
            raise BadEvent(f"A `{kind}` has no field `{name}`." + (f" Did you mean `{near[0]}`?" if near else ""), name)
        if not fit.test(value):
            shown = repr(value) if len(repr(value)) <= 60 else f"a {type(value).__name__}"
            raise BadEvent(f"`{name}` of a `{kind}` is {shown}: {fit.needed} is needed.", name)
