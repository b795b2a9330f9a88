"""When a page fell silent without a word: the rule, on the events of one conversation. Knows no database.

A page may hide and never return, or its heartbeats may stop without a view, a stop or a close. When nothing shows the
user to be there within the grace period after such an event, they left with it. A page that is hidden may go on
beating, and what it was showing may be put away (`view`): neither is a return. What the same person does in the
conversation on another page, or on none (a message that the server reports), shows that they are there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from unspoken.events import PRESENT

SILENT = ("hide", "expose", "heartbeat")  # after these something has to follow
HEARD = (*SILENT, "view", "close", *PRESENT)  # and of the messages those of users


@dataclass(frozen=True, slots=True)
class Act:
    """What an event says about being there. `settled`: whatever was sent with it has had time to come as well."""

    id: str
    kind: str
    at: datetime
    page: str | None = None
    n: int | None = None
    user: str | None = None
    message: str | None = None
    phase: str | None = None
    seen_chars: int | None = None
    total_chars: int | None = None
    settled: bool = True


@dataclass(frozen=True, slots=True)
class Silence:
    """The user left with `event`: of which message, in which phase, having seen how much, as far as is known."""

    event: str
    message: str | None
    phase: str | None
    seen_chars: int | None
    total_chars: int | None


@dataclass(slots=True)
class _Page:
    """One page view, while its events are gone through in the order of their times."""

    last: Act | None = None  # what has to be followed by something
    exposed: Act | None = None  # the last sign of what it shows
    phase: Act | None = None  # the last that named one
    user: str | None = None
    hidden: bool = False
    closed: bool = False

    def lapse(self, at: datetime, grace: timedelta) -> Silence | None:
        """The silence that has lasted longer than the grace period by then; the page is closed with it."""
        last = self.last
        if last is None or at - last.at <= grace:
            return None
        self.last, self.closed = None, True
        if not last.settled:
            return None
        message = last.message or (self.exposed.message if self.exposed else None)
        seen = self.exposed if self.exposed and self.exposed.message == message else None
        phase = last.phase or (self.phase.phase if self.phase and self.phase.message in (None, message) else None)
        return Silence(last.id, message, phase, seen.seen_chars if seen else None, seen.total_chars if seen else None)

    def take(self, act: Act) -> None:
        """An event of this very page."""
        self.user = act.user or self.user
        self.phase = act if act.phase else self.phase
        if act.kind == "hide":
            if not self.closed and not self.hidden:
                self.last = act
            self.hidden = True
        elif act.kind in ("expose", "heartbeat"):
            if not self.hidden:
                self.last, self.closed = act, False
            if self.exposed is None or act.kind == "heartbeat" or act.message != self.exposed.message:
                self.exposed = act
        elif act.kind == "view":
            self.last = self.last if self.hidden else None
        elif act.kind == "close":
            self.last, self.closed = None, True
        else:
            self.last, self.hidden, self.closed = None, False, False

    def notice(self, act: Act) -> None:
        """Something that was done elsewhere in the conversation, by this page's user as far as anyone knows."""
        if act.user is None or self.user is None or act.user == self.user:
            self.last = None


def silences(acts: Iterable[Act], grace: timedelta, until: datetime) -> list[Silence]:
    """Every silence of one conversation that had lasted longer than `grace` at `until`, or when it was broken.

    Any order of arrival, and any repetition, gives the same.
    """
    pages: dict[str | None, _Page] = {}
    found: list[Silence] = []

    def lapse(at: datetime) -> None:
        found.extend(silence for page in pages.values() if (silence := page.lapse(at, grace)))

    known = {act for act in acts if act.at <= until}  # a clock that is ahead says nothing about now
    for act in sorted(known, key=lambda act: (act.at, -1 if act.n is None else act.n, act.id)):
        lapse(act.at)
        pages.setdefault(act.page, _Page()).take(act)
        if act.kind in PRESENT or act.kind == "message":
            for name, page in pages.items():
                if name != act.page:
                    page.notice(act)
    lapse(until)
    return found
