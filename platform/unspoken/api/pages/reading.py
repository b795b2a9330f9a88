"""A conversation made ready to be read: which acts are about which answer, and where in a text its reader left."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unspoken.api.pages.threads import Place
from unspoken.api.pages.timeline import Timeline, timeline
from unspoken.api.pages.wording import brief, detail
from unspoken.store.tables import Label
from unspoken.store.talk import Act, Text

SHOWN = 4_000  # characters of one message; the whole stands on a page of its own
LEAVING = {"stop": "stopped here", "close": "left here", "regenerate": "asked for another here"}
QUIET = frozenset({"message", "expose", "heartbeat", "view"})  # every answer has them
FACTS = ("model", "finish", "tokens", "ttft_ms", "duration_ms", "device", "page", "session", "consent", "arm", "meta")


@dataclass(frozen=True)
class Said:
    """A text in pieces: what was seen, what the mark says, and what came after it. `more`: characters not shown."""

    before: str
    mark: str = ""
    after: str = ""
    dim: bool = False
    more: int = 0


@dataclass(frozen=True)
class Absent:
    """What was done about a message that is not there. `earlier`: it is kept, but the page does not read that far."""

    message: str
    earlier: bool
    chips: list[tuple[str, int, str]]
    timeline: Timeline | None


@dataclass(frozen=True)
class Told:
    """One message of the page. `acts` stand in a list where there is no timeline to draw them in."""

    place: Place
    said: Said
    chips: list[tuple[str, int, str]]
    timeline: Timeline | None
    acts: list[tuple[Act, str]]
    facts: list[tuple[str, object]]
    labels: list[tuple[Label, str]]


def about(acts: Iterable[Act], roles: Mapping[str, str]) -> dict[str | None, list[Act]]:
    """Acts by the message they are about, also one that is not there; None for what is about the conversation.

    An act that names none (a tab that hides, or is closed) is about the answer which that page last showed.
    """
    found: dict[str | None, list[Act]] = {}
    shown: dict[str | None, str] = {}
    for act in acts:
        if act.kind == "message":
            if act.fields.get("role") == "assistant" and act.message:
                shown.setdefault(act.page, act.message)
            continue
        if act.kind == "choice":
            of = [each for each in (act.fields.get("chosen"), *(act.fields.get("rejected") or ())) if each]
            targets = [each for each in of if each in roles] or of
        elif act.message is not None:
            targets = [act.message]
            # Only answers are exposed, so one whose message is not there is an answer too.
            if roles.get(act.message, "assistant" if act.kind == "expose" else "") == "assistant":
                shown[act.page] = act.message
        else:
            targets = [shown[act.page]] if act.page in shown and act.kind not in ("rating", "share") else []
        for target in targets or [None]:
            found.setdefault(target, []).append(act)
    return found


def told(
    places: Sequence[Place],
    texts: Mapping[str, Text],
    acts: Mapping[str | None, Sequence[Act]],
    labels: Mapping[str, Sequence[Label]],
    kinds: Mapping[str, str],
) -> list[Told]:
    """Each message of a page, with what was done about it. `kinds`: of every event of the conversation, by its id."""
    found = []
    for place in places:
        mine = acts.get(place.node.id, ())
        text = texts.get(place.node.id, Text("", 0))
        line = timeline(mine) if place.node.role == "assistant" else None
        found.append(
            Told(
                place,
                said(text, mine),
                chips(mine),
                line,
                [] if line else [(act, detail(act)) for act in mine[:50]],
                [(name, value) for name in FACTS if (value := place.node.said(name)) is not None],
                [(label, _evidence(label, kinds)) for label in labels.get(place.node.id, ())],
            )
        )
    return found


def absent(message: str, acts: Sequence[Act], earlier: bool) -> Absent:
    """A message that events speak of and that was not read."""
    return Absent(message, earlier, chips(acts), timeline(acts))


def chips(acts: Iterable[Act]) -> list[tuple[str, int, str]]:
    """(kind, how often, what the last one said in a word) of what was done, but for what every answer has."""
    counts: Counter[str] = Counter()
    words: dict[str, str] = {}
    for act in acts:
        if act.kind not in QUIET:
            counts[act.kind] += 1
            words[act.kind] = brief(act)
    return [(kind, number, words[kind]) for kind, number in counts.items()]


def said(text: Text, acts: Sequence[Act]) -> Said:
    """The text up to where its reader left, and the rest; all of it where nothing says so."""
    shown = text.said[:SHOWN]
    more = text.length - len(shown)
    seen = [(act, act.fields["seen_chars"]) for act in acts if isinstance(act.fields.get("seen_chars"), int)]
    if not seen or not shown:
        return Said(shown, more=more)
    units = _units(text, acts)
    most = max(number for _, number in seen)
    left = [(LEAVING[act.kind], number) for act, number in seen if act.kind in LEAVING]
    # What was inferred long afterwards says no more than the first that left there.
    word, number = next((each for each in left if each[1] == left[-1][1]), ("seen to here", most))
    cut = _characters(shown, number) if units else number
    if cut >= text.length or (cut >= len(shown) and more):
        return Said(shown, more=more)
    return Said(shown[:cut], word, shown[cut:], number >= most, more)


def _units(text: Text, acts: Sequence[Act]) -> bool:
    """Whether the page counted in units of UTF-16, as JavaScript does: a character beyond them is two."""
    if text.said.isascii() or text.length > len(text.said):
        return False
    totals = [total for act in acts if isinstance(total := act.fields.get("total_chars"), int)]
    return bool(totals) and max(totals) > text.length


def _characters(text: str, units: int) -> int:
    return len(text.encode("utf-16-le", "replace")[: 2 * units].decode("utf-16-le", "ignore"))


def _evidence(label: Label, kinds: Mapping[str, str]) -> str:
    named = Counter(kinds.get(each, "other") for each in label.evidence)
    return ", ".join(kind if number == 1 else f"{kind} × {number}" for kind, number in named.items())
