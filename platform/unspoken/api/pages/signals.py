"""What people said and did, day by day: a small picture for each kind of event."""

from dataclasses import dataclass

from fastapi.responses import HTMLResponse

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.families import GROUPS
from unspoken.api.pages.looking import Looking
from unspoken.events import KINDS
from unspoken.store import daily
from unspoken.store.columns import now
from unspoken.store.database import reading

WINDOWS = (7, 30, 90)
router = frame.router()


@dataclass(frozen=True)
class Picture:
    """One row of bars. `bars`: x, width and height in per cent, how many, and the place of the day in the window."""

    name: str
    family: str
    total: int
    most: int
    rate: float | None
    bars: list[tuple[float, float, float, int, int]]


@router.get("/signals")
def signals(engine: Database, look: Looking) -> HTMLResponse:
    """The last 7, 30 or 90 days."""
    days = next((each for each in WINDOWS if look.asked("days") == str(each)), 30)
    with reading(engine) as session:
        found = daily.daily(session, look.one.number, days, now().date())
    answers = sum(found.answers)
    groups = {
        family: [_picture(kind, family, found.kinds[kind], answers) for kind in kinds if kind in found.kinds]
        for family, kinds in GROUPS.items()
    }
    totals = [
        _picture("Answers", "answers", found.answers, 0),
        *(_picture(f"All {name}", name, _sum(found, GROUPS[name]), answers) for name in ("stated", "revealed")),
    ]
    known = [kind for kind in KINDS if kind in found.kinds]
    return frame.page(
        "signals.html",
        look=look,
        days=days,
        windows=WINDOWS,
        found=found,
        totals=totals,
        groups=groups,
        answers=answers,
        known=known,
        table=[
            (day, found.answers[place], [found.kinds[kind][place] for kind in known])
            for place, day in reversed(list(enumerate(found.dates)))
        ],
    )


def _sum(found: daily.Daily, kinds: tuple[str, ...]) -> list[int]:
    of = [found.kinds[kind] for kind in kinds if kind in found.kinds]
    return [sum(numbers) for numbers in zip(*of, strict=True)] if of else [0] * len(found.answers)


def _picture(name: str, family: str, numbers: list[int], answers: int) -> Picture:
    """`answers`: what the rate is taken of; 0 takes none."""
    most = max(numbers, default=0)
    step = 100 / len(numbers)
    gap = 0.12 if len(numbers) <= 31 else 0.06
    bars = [
        (
            round((place + gap) * step, 2),
            round((1 - 2 * gap) * step, 2),
            round(max(100 * number / most, 3), 1),
            number,
            place,
        )
        for place, number in enumerate(numbers)
        if number
    ]
    total = sum(numbers)
    return Picture(name, family, total, most, 100 * total / answers if answers else None, bars)
