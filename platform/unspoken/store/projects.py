"""Projects: one per chatbot, each with the secret that keys the hashes of its users, and the rules it goes by."""

import difflib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.errors import BadInput, Conflict, NotFound
from unspoken.store import audit
from unspoken.store.columns import new_id, now
from unspoken.store.dialects import insert_or_skip
from unspoken.store.horizon import stream
from unspoken.store.tables import Event, Project


class Rules(BaseModel):
    """What a project's settings may hold, beside `about` (where its events come from, for the report).

    `consent`: "assumed" takes an event without a consent string as agreed to, "required" does not; an event that has
    one is used for the purposes it names. `retention_days`: events and texts older than this are removed (None:
    never). `redact`: what is blotted out of texts before they are stored. `grace_s`: overrules the setting.
    """

    # What else stands there (a mark of the demo, a setting of a newer version) is not ours to refuse.
    model_config = ConfigDict(extra="ignore", frozen=True)

    about: dict[str, Any] = Field(default_factory=dict)
    write_key_may_append_assistant: bool = False
    consent: Literal["assumed", "required"] = "assumed"
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    redact: tuple[Literal["email", "phone", "card", "ip"], ...] = ()
    grace_s: Annotated[float, Field(gt=0, le=30 * 86_400, allow_inf_nan=False)] | None = None


# What a person may set; `about` comes with the events, from their importer.
SETTABLE = tuple(name for name in Rules.model_fields if name != "about")


def rules(project: Project) -> Rules:
    """The project's settings, checked."""
    return Rules.model_validate(project.settings)


def schema() -> dict[str, Any]:
    """JSON Schema of the changes that `change` takes."""
    whole = Rules.model_json_schema()
    known = {name: {"anyOf": [whole["properties"][name], {"type": "null"}]} for name in SETTABLE}
    return {"type": "object", "properties": known, "additionalProperties": False}


def change(session: Session, project_id: str, changes: Mapping[str, Any], *, actor: str = audit.HERE) -> Project:
    """Sets what `changes` (JSON values) names and leaves the rest; null puts a setting back to its default.

    Raises BadInput for a name or a value that is none, and then changes nothing. What is so already is no change.
    """
    for name in changes:
        if name not in SETTABLE:
            near = difflib.get_close_matches(name[:64], SETTABLE, 1)
            meant = f" Did you mean `{near[0]}`?" if near else ""
            raise BadInput(f"There is no project setting {name[:64]!r}.{meant} The settings are {', '.join(SETTABLE)}.")
    project = session.scalars(
        select(Project).where(Project.id == project_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    kept = {name: value for name, value in project.settings.items() if name not in changes}
    chosen = {name: value for name, value in changes.items() if value is not None}
    try:
        # By way of JSON, where a list may be a tuple but "90" is no number and true is none either.
        checked = Rules.model_validate_json(json.dumps({**kept, **chosen}), strict=True)
    except ValidationError as error:
        raise _bad_setting(error, changes) from None
    before, after = (each.model_dump(mode="json", include=set(changes)) for each in (rules(project), checked))
    if before != after:
        project.settings = {**kept, **checked.model_dump(mode="json", include=set(chosen))}
        audit.write(session, project.id, actor, "project.set", project.id, {"before": before, "after": after})
    return project


def _bad_setting(error: ValidationError, changes: Mapping[str, Any]) -> BadInput:
    first = error.errors(include_url=False)[0]
    name, said = str(first["loc"][0]) if first["loc"] else next(iter(changes)), first["msg"]
    shown = json.dumps(changes.get(name))
    if first["type"] in ("bool_type", "bool_parsing"):
        return BadInput(f"`{name}` is {shown[:60]}: it is true or false.")
    return BadInput(f"`{name}` is {shown[:60]}: {said[0].lower()}{said[1:]}.")


def mark(session: Session, project_id: str, simulated: bool, *, actor: str = audit.HERE) -> Project:
    """Says whether the people of a project exist. What comes first decides: Conflict when it holds other events."""
    project = session.get_one(Project, project_id)
    if project.simulated == simulated:
        return project
    project = session.scalars(
        select(Project).where(Project.id == project_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    if project.simulated == simulated:  # somebody was faster
        return project
    if session.scalar(select(Event.seq).where(stream(project_id)).limit(1)):
        held, come = ("simulated", "recorded") if project.simulated else ("recorded", "simulated")
        raise Conflict(
            f"The project {project.name!r} holds {held} events, and these are {come}: people who exist and people who "
            "do not are never counted together. Give these a project of its own: --project NAME, or with --send the "
            "key of an empty project."
        )
    project.simulated = simulated
    audit.write(session, project.id, actor, "project.mark", project.id, {"simulated": simulated})
    return project


def about(project: Project) -> dict[str, Any]:
    """What a dataset says of where it comes from. Whether its people exist says the project's mark alone."""
    return {"project": project.name, **project.settings.get("about", {}), "simulated": project.simulated}


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


def known(session: Session, name_or_id: str) -> bool:
    """Whether there is a project of that name or id."""
    wanted = (Project.name == name_or_id) | (Project.id == name_or_id)
    return session.scalars(select(Project.id).where(wanted).limit(1)).first() is not None


def get(session: Session, name_or_id: str) -> Project:
    """The project of that name, else of that id; NotFound names those there are."""
    found = session.scalars(select(Project).where((Project.name == name_or_id) | (Project.id == name_or_id))).all()
    if found:
        return min(found, key=lambda project: project.name != name_or_id)
    names = session.scalars(select(Project.name).order_by(Project.name).limit(20)).all()
    there = f"There are: {', '.join(names)}." if names else "There are none yet: `unspoken import` makes one."
    raise NotFound(f"There is no project {name_or_id!r}. {there}")


def listed(session: Session) -> Sequence[Project]:
    """Every project, by name."""
    return session.scalars(select(Project).order_by(Project.name)).all()


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
