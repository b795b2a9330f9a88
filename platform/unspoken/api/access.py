"""A project's keys, message tokens, settings and audit, for those who hold its admin key; tokens for its servers."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unspoken.api import bodies
from unspoken.api.deps import Admin, Database, Holder
from unspoken.errors import BadInput
from unspoken.store import audit, keys, projects, tokens
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Base, Key, Project

Form = TypeVar("Form", bound=BaseModel)
Body = Annotated[bodies.Body, Depends(bodies.read)]
router = APIRouter()


class NewKey(BaseModel):
    """What a new key is to be; `origins` for a write key only."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: keys.Role
    name: Annotated[str, Field(max_length=200)] = ""
    origins: Annotated[list[str], Field(max_length=100)] | None = None
    events_per_s: Annotated[float, Field(gt=0, lt=1e9, allow_inf_nan=False)] | None = None


class Bearer(BaseModel):
    """Who may speak of what, for how long. `user` is the chatbot's own id, which is hashed and not kept."""

    model_config = ConfigDict(extra="forbid", strict=True)
    message: Annotated[str, Field(min_length=1, max_length=200)]
    user: Annotated[str, Field(min_length=1, max_length=200)]
    ttl_s: Annotated[int, Field(ge=1, le=tokens.MOST_TTL_S)] = 3600


class Mark(BaseModel):
    """Whether the people of a project were made up."""

    model_config = ConfigDict(extra="forbid", strict=True)
    simulated: bool


def taking(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI words for a JSON body: it is read by hand, because it is bounded while it comes."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get("/v1/keys")
def list_keys(engine: Database, admin: Admin) -> dict[str, list[dict[str, Any]]]:
    """Every key of the project, the oldest first, by id and last characters; no key can be shown again."""
    with reading(engine) as session:
        return {"keys": [_shown(key) for key in keys.listed(session, admin.project_id)]}


@router.post("/v1/keys", status_code=201, openapi_extra=taking(NewKey.model_json_schema()))
def create_key(engine: Database, admin: Admin, body: Body) -> JSONResponse:
    """A new key of the project. `key` is the key itself, in this answer and never again."""
    asked = _form(NewKey, body)
    with transaction(engine) as session:
        key, plaintext = keys.create(
            session,
            admin.project_id,
            asked.role,
            name=asked.name,
            origins=asked.origins,
            events_per_s=asked.events_per_s,
            actor=audit.by_key(admin.key_id),
        )
    return _made(key, plaintext)


@router.post("/v1/keys/{key_id}/rotate", status_code=201)
def rotate_key(
    engine: Database,
    admin: Admin,
    key_id: str,
    overlap_s: Annotated[float, Query(ge=0, le=keys.MOST_OVERLAP_S, allow_inf_nan=False)] = 86_400,
) -> JSONResponse:
    """The key that follows this one; the old one works `overlap_s` longer, and says when it `expires_at`."""
    with transaction(engine) as session:
        actor = audit.by_key(admin.key_id)
        key, plaintext = keys.rotate(session, key_id, overlap_s, project_id=admin.project_id, actor=actor)
    return _made(key, plaintext)


@router.delete("/v1/keys/{key_id}")
def revoke_key(engine: Database, admin: Admin, key_id: str) -> dict[str, Any]:
    """Ends a key, and every token it issued, with this answer."""
    with transaction(engine) as session:
        actor = audit.by_key(admin.key_id)
        return _shown(keys.revoke(session, key_id, project_id=admin.project_id, actor=actor))


@router.post("/v1/tokens", status_code=201, openapi_extra=taking(Bearer.model_json_schema()))
def issue_token(engine: Database, holder: Holder, body: Body) -> JSONResponse:
    """A message token for a page: its user may vote on that message, and what they do with it is taken."""
    asked = _form(Bearer, body)
    with reading(engine) as session:
        project = projects.get(session, holder.project_id)
    token, ends = tokens.issue(project, holder.key_id, asked.message, asked.user, asked.ttl_s)
    return JSONResponse({"token": token, "expires_at": ends.isoformat()}, 201)


@router.get("/v1/project")
def show_project(engine: Database, admin: Admin) -> dict[str, Any]:
    """The project and all its settings, those at their defaults as well."""
    with reading(engine) as session:
        return _project(projects.get(session, admin.project_id))


@router.patch("/v1/project", openapi_extra=taking(projects.schema()))
def set_project(engine: Database, admin: Admin, body: Body) -> dict[str, Any]:
    """Sets the settings that are named; null puts one back to its default."""
    changes = bodies.document(body)
    if not isinstance(changes, dict):
        raise BadInput('Send the settings to change as an object, as in {"retention_days": 90}.')
    with transaction(engine) as session:
        actor = audit.by_key(admin.key_id)
        return _project(projects.change(session, admin.project_id, changes, actor=actor))


@router.put("/v1/project/simulated", openapi_extra=taking(Mark.model_json_schema()))
def mark_project(engine: Database, holder: Holder, body: Body) -> dict[str, Any]:
    """Says whether the project's people exist; 409 when it holds events of the other kind."""
    asked = _form(Mark, body)
    with transaction(engine) as session:
        marked = projects.mark(session, holder.project_id, asked.simulated, actor=audit.by_key(holder.key_id))
        return {"name": marked.name, "simulated": marked.simulated}


@router.get("/v1/audit")
def list_audit(
    engine: Database,
    admin: Admin,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> dict[str, list[dict[str, Any]]]:
    """Who changed what, newest first; for the next page, `before` is the last `seq` of this one."""
    with reading(engine) as session:
        return {"audit": [_row(row) for row in audit.listed(session, admin.project_id, limit, before)]}


def _form(form: type[Form], body: bodies.Body) -> Form:
    try:
        return form.model_validate(bodies.document(body))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100] or "the body"
        raise BadInput(f"`{where}`: {first['msg'][0].lower()}{first['msg'][1:]}.") from error


def _made(key: Key, plaintext: str) -> JSONResponse:
    return JSONResponse(jsonable_encoder({**_shown(key), "key": plaintext}), 201)


def _shown(key: Key) -> dict[str, Any]:
    return _row(key, "digest", "project_id")


def _project(project: Project) -> dict[str, Any]:
    return {**_row(project, "user_secret", "number"), "settings": projects.rules(project).model_dump(mode="json")}


def _row(row: Base, *without: str) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns if column.key not in without}
