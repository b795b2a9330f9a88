"""A user's data: given to them, or erased. `{user}` is the chatbot's own id of them, which is hashed here.

An id may hold slashes; it is percent-encoded in the address like any other character that has a meaning there.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import Engine

from unspoken.api.deps import Admin, Database
from unspoken.errors import BadInput
from unspoken.events import hash_user
from unspoken.jobs import erasing
from unspoken.store import audit, portability, projects
from unspoken.store.database import reading, transaction

LONGEST = 200  # as in the vocabulary
router = APIRouter()


@router.get("/v1/users/{user:path}/export", response_class=StreamingResponse)
def export(engine: Database, principal: Admin, user: str) -> StreamingResponse:
    """Everything the project holds of a user, one JSON object a line (JSONL); the last line counts the others."""
    with transaction(engine) as session:
        hashed = hashed_in(projects.get(session, principal.project_id).user_secret, user)
        audit.write(session, principal.project_id, audit.by_key(principal.key_id), "user.exported", hashed)
    lines = lines_of(engine, principal.project_id, hashed)
    whole = chain([next(lines)], lines)  # a database that is away says so before the answer begins
    return StreamingResponse(whole, media_type="application/jsonl")


@router.delete("/v1/users/{user:path}", status_code=202)
def erase(engine: Database, principal: Admin, user: str) -> JSONResponse:
    """Erases a user everywhere. From the answer on their events from before are refused; the job does the rest."""
    with transaction(engine) as session:
        hashed = hashed_in(projects.get(session, principal.project_id).user_secret, user)
        erasure, job = erasing.ask(session, principal.project_id, hashed, audit.by_key(principal.key_id))
        said: dict[str, Any] = {"erasure": erasure.seq, "job": job}
    return JSONResponse(said, 202, {"Location": f"/v1/jobs/{job}"})


def hashed_in(secret: str, user: str) -> str:
    """What stands for a user of the project with that secret. BadInput."""
    if not 1 <= len(user) <= LONGEST:
        raise BadInput(f"A user's id has 1 to {LONGEST} characters: /v1/users/ann, say; this one has {len(user)}.")
    return hash_user(secret, user)


def lines_of(engine: Engine, project_id: str, hashed: str) -> Iterator[bytes]:
    """Everything the project holds of them, as JSONL."""
    with reading(engine) as session:
        for line in portability.lines(session, project_id, hashed):
            yield msgspec.json.encode(line) + b"\n"
