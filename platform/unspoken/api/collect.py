"""POST /v1/events: whatever fits is stored and committed, and only then answered."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from unspoken.api import bodies
from unspoken.api.bodies import Malformed
from unspoken.api.deps import Appender, Database
from unspoken.api.problems import RefusedEvents, problem_type
from unspoken.errors import BadEvent, Conflict, MalformedBody, NotAllowed, UnspokenError
from unspoken.events import Event, Message, parse
from unspoken.store import projects
from unspoken.store.database import reading, transaction
from unspoken.store.ingest import Receipt, ingest
from unspoken.store.tables import Project

PATH = "/v1/events"
router = APIRouter()


@router.options(PATH, include_in_schema=False)
def preflight() -> Response:
    """Any page may send events: the key says which project they are of, and no cookie goes along."""
    allowed = {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "authorization, content-type, content-encoding",
        "Access-Control-Max-Age": "86400",
    }
    return Response(status_code=204, headers=allowed)


@router.post(PATH)
def collect(
    request: Request, principal: Appender, engine: Database, body: Annotated[bodies.Body, Depends(bodies.read)]
) -> JSONResponse:
    """200 when all is stored, 207 when some was refused, else a problem. A second time changes nothing."""
    batch = bodies.decode(body, request.query_params.get("sent_at"))
    with reading(engine) as session:
        project = projects.get(session, principal.project_id)
    trusted = principal.role != "write" or project.settings.get("write_key_may_append_assistant") is True
    good: list[tuple[int, Event]] = []
    refused: list[dict[str, Any]] = []
    for place, item in enumerate(batch.items):
        try:
            good.append((place, _event(item, trusted)))
        except UnspokenError as error:
            refused.append(_refusal(place, item.get("id") if isinstance(item, dict) else None, error))
    receipt = Receipt(0, 0)
    if good:
        receipt = _store(engine, project, [event for _, event in good], batch, body)
    # Not "does the id stand in conflicts": a second event of the same id would be named as well, and was repeated.
    conflicts = set(receipt.conflicts)
    for place, event in good:
        if event.id in conflicts:
            conflicts.discard(event.id)
            refused.append(_refusal(place, event.id, Conflict(_contradiction(event))))
    counts = {"stored": receipt.stored, "repeated": receipt.repeated}
    if not refused:
        return JSONResponse(counts)
    refused.sort(key=lambda item: int(item["item"]))
    if not receipt.stored and not receipt.repeated:
        raise RefusedEvents(refused)
    return JSONResponse({**counts, "items": refused}, 207)


def _store(engine: Any, project: Project, events: list[Event], batch: bodies.Batch, body: bodies.Body) -> Receipt:
    with transaction(engine) as session:
        return ingest(session, project, events, sent_at=batch.sent_at, received_at=body.received_at)


def _event(item: object, trusted: bool) -> Event:
    if isinstance(item, Malformed):
        raise MalformedBody(item.detail)
    event = parse(item)
    if isinstance(event, Message) and event.role == "assistant" and not trusted:
        raise NotAllowed(
            "A write key is public and may not append an assistant's messages; send them from the server with a "
            "secret key, or set the project's `write_key_may_append_assistant`."
        )
    return event


def _refusal(place: int, event: object, error: UnspokenError) -> dict[str, Any]:
    return {
        "item": place,
        "id": event if isinstance(event, str) and len(event) <= 36 else None,
        "status": error.status,
        "type": problem_type(error.slug),
        "field": error.field if isinstance(error, BadEvent) else None,
        "detail": error.detail,
    }


def _contradiction(event: Event) -> str:
    return (
        f"The message {event.message!r} is stored already with another text, role, conversation or parent, and the "
        "first one stays. Message ids are unique within a project; an edited message is a new message."
    )
