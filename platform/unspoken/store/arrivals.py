"""What a request brings to be stored, and what it is told afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from unspoken.events import Event
from unspoken.store.keys import Principal
from unspoken.store.tables import Project


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one request brought. `principal` is None for the platform itself; `size` is its bytes, for the bounds."""

    project: Project
    principal: Principal | None
    events: Sequence[Event]
    sent_at: datetime | None
    received_at: datetime
    size: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """`stored` + `repeated` + `erased` + the number of `conflicts` (event ids) is the number of events given.

    `erased` were of a user whose data was erased since they happened, and are not stored again.
    """

    stored: int
    repeated: int
    conflicts: tuple[str, ...] = ()
    erased: int = 0
