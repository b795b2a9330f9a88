"""The sentence that a client gets for what is no event: the field, what it holds, and what was needed."""

import difflib
import json
import re
from typing import Any, get_args

import msgspec
from msgspec import structs

from unspoken.errors import BadEvent
from unspoken.events.kinds import CLASSES, EXPRESSED, KINDS, LARGEST, identity, small_object
from unspoken.events.plain import flaw
from unspoken.events.times import instant

_WORDS = {
    "int": "integer", "str": "string", "float": "number", "array": "list", "object": "dictionary",
}  # fmt: skip
_BOUNDS = {">=": "greater than or equal to", "<=": "less than or equal to", ">": "greater than", "<": "less than"}


def refusal(item: object) -> BadEvent:
    """Why `item`, which is no event, is none."""
    if not isinstance(item, dict):
        return BadEvent(f"An event is a JSON object; this is {_shown(item)}.")
    kind = item.get("kind")
    if not isinstance(kind, str) or kind not in CLASSES:
        return _bad_kind(kind)
    article = f"{'an' if kind[0] in 'aeiou' else 'a'} `{kind}` event"
    fields = structs.fields(CLASSES[kind])
    known = [field.name for field in fields]
    for name in item:
        if name != "kind" and name not in known:
            field = str(name).encode(errors="replace").decode()[:200]
            return BadEvent(f"{article.capitalize()} has no field {_shown(name)}.{_close(name, known)}", field)
    for each in fields:
        if each.name not in item:
            if each.required:
                return BadEvent(f"`{each.name}` is missing; {article} needs it.", each.name)
        elif found := _off(each, item[each.name]):
            place, needed = found
            shown = _shown(_inner(item[each.name], place))
            field = each.name + place
            return BadEvent(f"`{field}` of {article} is {shown}: {needed}.", field)
    try:
        msgspec.convert(item, CLASSES[kind])
    except msgspec.ValidationError as error:
        return BadEvent(f"In {article}, {error}.", "")
    raise AssertionError("a reader refused what every check passes")


def _off(field: structs.FieldInfo, value: Any) -> tuple[str, str] | None:
    """Where in the field (`.0` in a list, or nothing) something is off, and what was needed; None for a good value."""
    try:
        if field.name == "at":
            instant(value)
            return None
        if field.name == "id":
            identity(value if isinstance(value, str) else "")
            return None
        msgspec.convert(value, field.type)
        if field.name in ("arm", "meta") and value is not None:
            small_object(value)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at ")
        inside = re.search(r"\[(\d+)\]", path)
        place = f".{inside[1]}" if inside else ""
        return place, _needed(said, field.type)
    except ValueError as error:
        return "", str(error)
    if needed := flaw(value):
        return "", needed
    return None


def _needed(said: str, annotation: Any) -> str:
    """msgspec's complaint in the words of the documentation."""
    if choices := _choices(annotation):
        return f"it should be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}"
    if length := re.search(r"of length (<=|>=) (\d+)", said):
        things = "items" if "array" in said else "characters"
        return f"it should have at {'most' if length[1] == '<=' else 'least'} {length[2]} {things}"
    if bound := re.search(r"(>=|<=|>|<) ([-\d.]+)$", said):
        return f"it should be {_BOUNDS[bound[1]]} {bound[2]}"
    if "out of range" in said:
        return "it should be a valid number, and not so large"
    if wanted := re.match(r"Expected `(\w+)", said):
        if wanted[1] == "bool":
            return "it should be true or false"
        return f"it should be a valid {_WORDS.get(wanted[1], wanted[1])}"
    return f"it does not fit: {said}"


def _choices(annotation: Any) -> list[str]:
    inner = get_args(annotation)
    return [value for each in inner for value in (get_args(each) or [each]) if isinstance(value, str)]


def _inner(value: Any, place: str) -> Any:
    return value[int(place[1:])] if place else value


def _bad_kind(kind: object) -> BadEvent:
    if isinstance(kind, str) and kind in EXPRESSED:
        return BadEvent(f"`{kind}` is derived by the platform from the next user message; send the message.", "kind")
    said = "`kind` is missing" if kind is None else f"There is no kind {_shown(kind)}"
    return BadEvent(f"{said}.{_close(kind, KINDS)} The kinds are {', '.join(KINDS)}.", "kind")


def _close(given: object, known: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(given[:64], known, 1) if isinstance(given, str) else []
    return f" Did you mean `{near[0]}`?" if near else ""


def _shown(value: object) -> str:
    """A short, printable form of what was sent; never more than a glimpse of it."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a number too large"
    said = json.dumps(value, default=str)
    return said if len(said) <= 60 else f"{said[:57]}…"
