"""Projects: one per chatbot, each with the secret that keys the hashes of its users."""

import secrets
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.errors import BadInput, Conflict, NotFound
from unspoken.store.dialects import insert_or_skip
from unspoken.store.tables import Project, new_id, now


class Rules(BaseModel):
    """What a project's settings may hold, beside `about` (where its events come from, for the report).

    `consent`: "assumed" takes an event without a consent string as agreed to, "required" does not; an event that has
    one is used for the purposes it names. `retention_days`: events and texts older than this are removed (None:
    never). `redact`: what is blotted out of texts before they are stored. `grace_s`: overrules the setting.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: dict[str, Any] = Field(default_factory=dict)
    write_key_may_append_assistant: bool = False
    consent: Literal["assumed", "required"] = "assumed"
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    redact: tuple[Literal["email", "phone", "card", "ip"], ...] = ()
    grace_s: Annotated[float, Field(gt=0)] | None = None


def rules(project: Project) -> Rules:
    """The project's settings, checked."""
    return Rules.model_validate(project.settings)


def create(
    session: Session,
    name: str,
    *,
    simulated: bool = False,
    recipe: str = "chat",
    settings: dict[str, Any] | None = None,
) -> Project:
    """A new project; Conflict when the name is taken."""
    if not _add(session, name, simulated, recipe, settings):
        raise Conflict(f"There is a project {name!r} already; choose another name.")
    return get(session, name)


def ensure(
    session: Session,
    name: str,
    *,
    simulated: bool = False,
    recipe: str = "chat",
    settings: dict[str, Any] | None = None,
    user_secret: str | None = None,
) -> Project:
    """The project of that name, made when it is not there; two callers at once get the same one.

    `user_secret` (hex) is random unless given; a given one makes hashes, and so splits, the same from run to run.
    """
    _add(session, name, simulated, recipe, settings, user_secret)
    return get(session, name)


def get(session: Session, name_or_id: str) -> Project:
    """The project of that name, else of that id; NotFound names those there are."""
    found = session.scalars(select(Project).where((Project.name == name_or_id) | (Project.id == name_or_id))).all()
    if found:
        return min(found, key=lambda project: project.name != name_or_id)
    names = session.scalars(select(Project.name).order_by(Project.name).limit(20)).all()
    there = f"There are: {', '.join(names)}." if names else "There are none yet: `unspoken import` makes one."
    raise NotFound(f"There is no project {name_or_id!r}. {there}")


def _add(
    session: Session,
    name: str,
    simulated: bool,
    recipe: str,
    settings: dict[str, Any] | None,
    user_secret: str | None = None,
) -> bool:
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise BadInput(f"A project's name has 1 to 200 printable characters; {name[:40]!r} does not fit.")
    row = {
        "id": new_id(),
        "name": name,
        "user_secret": user_secret or secrets.token_hex(32),
        "recipe": recipe,
        "simulated": simulated,
        "settings": settings or {},
        "created_at": now(),
    }
    return bool(session.execute(insert_or_skip(session, Project).returning(Project.id), [row]).all())
