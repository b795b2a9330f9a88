"""What was done about an answer, on an axis of time: where each mark stands, in shares of the width, and what it says.

Long silences would press everything else together, so a gap of more than GAP_S is drawn short, and says how long it is.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from unspoken.api.pages.families import CONTEXT
from unspoken.api.pages.wording import detail, seconds
from unspoken.store.talk import Act

GAP_S, DRAWN_S = 60.0, 12.0
LEAST_S = 1.0
LEFT, RIGHT = 3.0, 97.0  # per cent of the width
STEPS_S = (0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120)
LABEL = 11.0  # per cent of the width that a mark's name takes
ROWS = (1, 2)  # of names above the axis
FIRST = ("vote", "rating", "choice", "close", "stop", "regenerate", "copy")  # their names matter most
MOST = 200  # marks drawn, heartbeats left out first; the list has as many
QUIET = frozenset({"expose", "heartbeat", "view", "hide", "return", "pause"})  # drawn otherwise than as a dot


@dataclass(frozen=True)
class Mark:
    """One act. `x` in per cent; `row` is where its name has room, 0 where it has none."""

    x: float
    kind: str
    at_s: float
    at: datetime
    detail: str
    row: int = 0


@dataclass(frozen=True)
class Stretch:
    """From here to there, in per cent. `kind`: visible, hidden, pause or gap."""

    x: float
    width: float
    kind: str
    detail: str


@dataclass(frozen=True)
class Timeline:
    """`acts`: every one, for the list; `left_out`: how many are in no mark."""

    marks: list[Mark]
    stretches: list[Stretch]
    ticks: list[tuple[float, str]]
    acts: list[Mark]
    left_out: int


class Axis:
    """From moments to per cent of the width."""

    def __init__(self, moments: Sequence[datetime], origin: datetime) -> None:
        self.origin = origin
        at = sorted({*((moment - origin).total_seconds() for moment in moments), 0.0})
        self._at, self._drawn, self.gaps = at, [0.0], []
        for before, after in pairwise(at):
            gap = after - before
            self._drawn.append(self._drawn[-1] + (DRAWN_S if gap > GAP_S else gap))
            if gap > GAP_S:
                self.gaps.append((before, after))
        self._whole = max(self._drawn[-1], LEAST_S)

    def x(self, at_s: float) -> float:
        """Where a moment stands, in per cent; what lies outside is put at the edge."""
        place = min(bisect_left(self._at, at_s), len(self._at) - 1)
        drawn = self._drawn[place]
        if place and self._at[place] > at_s:
            share = (self._at[place] - at_s) / (self._at[place] - self._at[place - 1])
            drawn -= share * (drawn - self._drawn[place - 1])
        return round(LEFT + (RIGHT - LEFT) * min(max(drawn / self._whole, 0.0), 1.0), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Where to write the time, and what."""
        first, last = self._at[0], self._at[-1]
        if last - first < STEPS_S[0]:
            return [(self.x(first), seconds(0))]
        if self.gaps:
            ends = [first, *(end for gap in self.gaps[:4] for end in gap), last]
            found: list[tuple[float, str]] = []
            for end in sorted(set(ends)):
                if not found or self.x(end) - found[-1][0] > LABEL:
                    found.append((self.x(end), seconds(end)))
            return found
        step = next((each for each in STEPS_S if (last - first) / each <= 6), 300)
        return [
            (self.x(n * step), seconds(n * step))
            for n in range(int(first // step), int(last // step) + 1)
            if n * step >= first
        ]


def timeline(acts: Sequence[Act]) -> Timeline | None:
    """Of the acts about one answer, in order of time; None where there are none."""
    if not acts:
        return None
    exposed = next((act.at for act in acts if act.kind == "expose"), acts[0].at)
    axis = Axis([act.at for act in acts], exposed)
    every = [_mark(axis, act) for act in acts]
    dots = [mark for mark in every if mark.kind not in QUIET]
    beats = [mark for mark in every if mark.kind == "heartbeat"]
    drawn = dots[:MOST] + beats[: max(0, MOST - len(dots))]
    stretches = [*_visible(axis, acts), *_pauses(axis, acts), *_gaps(axis)]
    return Timeline(
        _named(drawn),
        stretches[:MOST],
        axis.ticks(),
        every[:MOST],
        max(0, len(every) - MOST),
    )


def _mark(axis: Axis, act: Act) -> Mark:
    at_s = (act.at - axis.origin).total_seconds()
    return Mark(axis.x(at_s), act.kind, at_s, act.at, detail(act))


def _named(marks: Sequence[Mark]) -> list[Mark]:
    """With a place for each name, what says most first; the others say it when they are pointed at, and in the list."""
    taken: dict[int, list[float]] = {row: [] for row in ROWS}
    placed = []
    for mark in sorted(marks, key=lambda each: (FIRST.index(each.kind) if each.kind in FIRST else len(FIRST), each.x)):
        free = (row for row in ROWS if all(abs(mark.x - x) >= LABEL for x in taken[row]))
        row = 0 if mark.kind in CONTEXT else next(free, 0)
        if row:
            taken[row].append(mark.x)
        placed.append(replace(mark, row=row))
    # What was only shown or asked is drawn first, so that it lies beneath what was said at the same moment.
    return sorted(placed, key=lambda each: (each.kind not in CONTEXT, each.x))


def _visible(axis: Axis, acts: Sequence[Act]) -> list[Stretch]:
    """When the answer was on the screen: from the exposure on, but for the time between a hide and what came next."""
    found: list[Stretch] = []
    since: Act | None = None
    kind = ""
    for act in acts:
        if since is not None and act.kind in ("hide", "return", "close", "view", "expose"):
            found.append(_stretch(axis, since, act, kind))
            since = None
        if act.kind in ("expose", "return"):
            since, kind = act, "visible"
        elif act.kind == "hide":
            since, kind = act, "hidden"
    if since is not None and acts[-1] is not since:
        found.append(_stretch(axis, since, acts[-1], kind))
    return found


def _stretch(axis: Axis, first: Act, last: Act, kind: str) -> Stretch:
    start, end = ((act.at - axis.origin).total_seconds() for act in (first, last))
    words = "on the screen" if kind == "visible" else "hidden"
    return Stretch(axis.x(start), round(axis.x(end) - axis.x(start), 2), kind, f"{words} for {seconds(end - start)}")


def _pauses(axis: Axis, acts: Sequence[Act]) -> list[Stretch]:
    found = []
    for act in acts:
        if act.kind == "pause":
            end = (act.at - axis.origin).total_seconds()
            start = axis.x(end - act.fields.get("ms", 0) / 1000)
            found.append(Stretch(start, round(max(axis.x(end) - start, 0.4), 2), "pause", f"pause {detail(act)}"))
    return found


def _gaps(axis: Axis) -> list[Stretch]:
    found = []
    for first, last in axis.gaps:
        start = axis.x(first)
        found.append(Stretch(start, round(axis.x(last) - start, 2), "gap", f"{seconds(last - first)} without anything"))
    return found
