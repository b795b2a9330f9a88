"""What an event says, in words: what comes out of it is text of strangers, and is escaped where it is shown."""

from collections.abc import Callable, Mapping
from typing import Any

from unspoken.store.talk import Act

VOTES = {1: "+1", -1: "\u22121", 0: "withdrawn"}
TIMES = ("visible_ms", "active_ms", "idle_ms", "hidden_ms")
COMMENT = 500  # characters of what somebody wrote
Fields = Mapping[str, Any]


def detail(act: Act) -> str:
    """What an act says beyond its kind."""
    of = act.fields
    own = _OF_KIND.get(act.kind)
    said = [own(of) if own else ""]
    said += [f"while {of['phase']}"] if of.get("phase") else []
    said += [f"cause: {of['cause']}"] if of.get("cause") else []
    said += [f"for {seconds(of['ms'] / 1000)}"] if of.get("ms") else []
    said += [f"away {seconds(of['away_ms'] / 1000)}"] if of.get("away_ms") else []
    said += [f"{of['chars']} characters"] if of.get("chars") else []
    said += [str(of["part"])] if of.get("part") else []
    said += [_seen(of)]
    said += [f"“{_cut(of['comment'])}”"] if of.get("comment") else []
    return ", ".join(each for each in said if each)


def brief(act: Act) -> str:
    """The one word that its kind alone does not say; "" for most."""
    if act.kind == "vote":
        return VOTES.get(act.fields.get("value", 0), "")
    if act.kind == "rating":
        return _plain(act.fields.get("value"))
    if act.kind == "solicit":
        return {None: "", True: "asked", False: "nobody asked"}[act.fields.get("shown")]
    return f"while {act.fields['phase']}" if act.kind == "close" and act.fields.get("phase") else ""


def seconds(value: float) -> str:
    """A duration."""
    sign, value = ("\u2212" if value < 0 else ""), abs(value)
    if value < 10:
        return f"{sign}{value:.1f} s".replace(".0 s", " s")
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if value >= 2 * size:
            return f"{sign}{value / size:.1f} {unit}".replace(f".0 {unit}", f" {unit}")
    return f"{sign}{value:.0f} s"


def _vote(of: Fields) -> str:
    reasons = _cut(", ".join(map(str, of.get("reasons") or ())))
    return VOTES.get(of.get("value", 0), "") + (f" ({reasons})" if reasons else "")


def _rating(of: Fields) -> str:
    value, lowest, highest = (_plain(of.get(name)) for name in ("value", "lowest", "highest"))
    return f"{of.get('scale')}: {value} of {lowest} to {highest}"


def _choice(of: Fields) -> str:
    rejected = _cut(", ".join(map(str, of.get("rejected") or ())))
    return f"a tie of {rejected}" if of.get("chosen") is None else f"{of['chosen']} rather than {rejected}"


def _solicit(of: Fields) -> str:
    answered = {None: "", True: ", answered", False: ", not answered"}[of.get("answered")]
    asked = {None: "", True: ", asked", False: ", nobody was asked"}[of.get("shown")]
    return f"{of.get('level')}{asked}{answered}"


def _view(of: Fields) -> str:
    return ", ".join(f"{name.removesuffix('_ms')} {seconds(of[name] / 1000)}" for name in TIMES if of.get(name))


def _select(of: Fields) -> str:
    return f"instead of {of['previous']}" if of.get("previous") else ""


def _edit(of: Fields) -> str:
    return f"to {of.get('to')}"


def _seen(of: Fields) -> str:
    for name in ("seen_chars", "sent_chars"):
        if of.get(name) is not None:
            whole = f" of {of['total_chars']}" if of.get("total_chars") is not None else ""
            return f"{name.removesuffix('_chars')} {of[name]}{whole} characters"
    return ""


def _plain(number: Any) -> str:
    return f"{number:g}" if isinstance(number, int | float) else str(number)


def _cut(text: str) -> str:
    return text if len(text) <= COMMENT else f"{text[:COMMENT]}…"


_OF_KIND: dict[str, Callable[[Fields], str]] = {
    "vote": _vote,
    "rating": _rating,
    "choice": _choice,
    "solicit": _solicit,
    "view": _view,
    "select": _select,
    "edit": _edit,
}
