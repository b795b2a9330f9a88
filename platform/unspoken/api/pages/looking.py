"""Who looks at a page, at which project, and with what in the address: every page of the dashboard asks for `Looking`.

The project stands in the address (`?project=name`), so that a link shows somebody else the same. Whoever looks from
elsewhere sees the one project of their key; at this machine all are there to be looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Request
from sqlalchemy import select

from unspoken.api.deps import COOKIE, Database, page_viewer, signed_in
from unspoken.errors import NotFound, NotSignedIn
from unspoken.store.database import reading
from unspoken.store.keys import Principal
from unspoken.store.tables import Project

PASSING = ("done", "after")  # what a link to the same page does not keep: it was true once


@dataclass(frozen=True)
class Seen:
    """A project that the caller may look at. `number` stands for it in events and messages."""

    id: str
    name: str
    number: int
    simulated: bool


@dataclass(frozen=True)
class Look:
    """`projects`: those the caller may look at. `chosen`: the one that the address names.

    `principal`: who signed in, with an admin key of one project. None at this machine, where one may look without.
    """

    request: Request
    projects: Sequence[Seen]
    chosen: Seen | None
    principal: Principal | None

    @property
    def project(self) -> Seen | None:
        """The one that a page about one project shows: the chosen one, else the caller's own, else the first."""
        own = [each for each in self.projects if self.principal and each.id == self.principal.project_id]
        return self.chosen or next(iter([*own, *self.projects]), None)

    @property
    def one(self) -> Seen:
        """As `project`, for pages that are about nothing without one. NotFound."""
        if self.project is None:
            raise NotFound("There is no project yet: `unspoken keys create --project NAME --role admin` makes one.")
        return self.project

    @property
    def shown(self) -> list[str]:
        """Ids for a page that can show several: the chosen project, or all of them."""
        return [each.id for each in ([self.chosen] if self.chosen else self.projects)]

    @property
    def may_act(self) -> bool:
        """Whether who looks has signed in for the project that is shown."""
        return self.principal is not None and self.project is not None and self.principal.project_id == self.project.id

    @property
    def partial(self) -> bool:
        """Whether htmx asks, and wants the part of the page that changes."""
        return self.request.headers.get("hx-request") == "true"

    def name(self, project_id: str | None) -> str:
        """What a project is called; "–" for none, or one that is not the caller's to see."""
        return next((each.name for each in self.projects if each.id == project_id), "–")

    def to(self, path: str, **query: object) -> str:
        """The address of another page, about the same project."""
        kept = {"project": self.chosen.name} if self.chosen else {}
        return address(path, {**kept, **query})

    def here(self, **changes: object) -> str:
        """The address of this page with some of its query changed; None or "" takes one out. "/" after a POST."""
        if self.request.method != "GET":
            return "/"
        kept = {name: value for name, value in self.request.query_params.items() if name not in PASSING}
        return address(self.request.url.path, {**kept, **changes})

    def asked(self, name: str) -> str:
        """What the address says of a filter; "" when nothing."""
        return self.request.query_params.get(name, "")


def address(path: str, query: dict[str, object]) -> str:
    """A path with a query, of which empty values are left out."""
    said = urlencode({name: value for name, value in query.items() if value not in (None, "")}, errors="replace")
    return f"{path}?{said}" if said else path


def look(request: Request, engine: Database, only: Annotated[str | None, Depends(page_viewer)]) -> Look:
    """Who looks at what. NotSignedIn, NotAllowed; NotFound for a project that is not there, or not the caller's."""
    principal = _principal(request, engine)
    chosen = select(Project.id, Project.name, Project.number, Project.simulated).order_by(Project.name)
    with reading(engine) as session:
        projects = [Seen(*row) for row in session.execute(chosen if only is None else chosen.where(Project.id == only))]
    name = request.query_params.get("project")
    named = next((each for each in projects if each.name == name), None)
    made = request.state.look = Look(request, projects, named, principal)
    if name and named is None:
        raise NotFound(f"There is no project {name[:200]!r} here that you may look at. Choose one of those above.")
    return made


def _principal(request: Request, engine: Database) -> Principal | None:
    """Who signed in; an old session at this machine is as good as none."""
    if COOKIE not in request.cookies:
        return None
    try:
        return signed_in(request, engine)
    except NotSignedIn:
        return None


Looking = Annotated[Look, Depends(look)]
