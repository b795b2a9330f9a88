"""How many events of each kind happened on each day (UTC), as store/fold.py has counted them."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from unspoken.store.columns import EPOCH
from unspoken.store.tables import Tally


@dataclass(frozen=True)
class Daily:
    """`kinds` and `answers`: one number for each day, from `first` on. `past`: the window does not end today."""

    first: date
    kinds: dict[str, list[int]]
    answers: list[int]
    past: bool

    @property
    def dates(self) -> list[date]:
        """Each day of the window."""
        return [self.first + timedelta(days=number) for number in range(len(self.answers))]


def daily(session: Session, project: int, days: int, today: date) -> Daily:
    """The last so many days of a project (by number): up to today, or up to the latest there is when all is older."""
    end = (today - EPOCH.date()).days
    of = (Tally.project == project, Tally.day <= end)
    latest = session.scalar(select(func.max(Tally.day)).where(*of))
    past = latest is not None and latest <= end - days
    end = latest if latest is not None and past else end
    first = end - days + 1
    kinds: dict[str, list[int]] = {}
    answers = [0] * days
    for tally in session.scalars(select(Tally).where(*of, Tally.day >= first, Tally.day <= end)):
        kinds.setdefault(tally.kind, [0] * days)[tally.day - first] = tally.events
        answers[tally.day - first] += tally.answers
    return Daily(EPOCH.date() + timedelta(days=first), kinds, answers, past)
