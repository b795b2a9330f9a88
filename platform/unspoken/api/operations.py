"""For whoever runs the server: does it live, can it work, what has it done."""

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine

import unspoken
from unspoken import migrate
from unspoken.api.deps import Database, page_viewer
from unspoken.api.problems import Unready
from unspoken.errors import UnspokenError
from unspoken.jobs import broker

log = logging.getLogger(__name__)
router = APIRouter()


@router.get("/healthz")
def alive() -> dict[str, str]:
    """The process answers; nothing else is said."""
    return {"status": "ok", "version": unspoken.__version__}


@router.get("/readyz")
def ready(engine: Database) -> dict[str, str]:
    """The database answers, has the tables of this version, and the broker takes hints; a 503 names what is not so."""
    checks: dict[str, str] = {}
    sentences: list[str] = []
    for name, check in (("database", _tables), ("broker", _broker)):
        try:
            checks |= check(engine)
        except Unready as error:
            checks |= error.checks
            sentences.append(error.public)
        except UnspokenError as error:
            log.warning("not ready: %s", error.detail)
            checks[name] = "unavailable"
            sentences.append(error.public)
    if sentences:
        raise Unready(" ".join(sentences), checks)
    return {"status": "ready", **checks}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, _viewer: Annotated[str | None, Depends(page_viewer)]) -> Response:
    """What this process has done, for Prometheus: to this machine, or with an admin key."""
    return Response(request.app.state.tally.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _tables(engine: Engine) -> dict[str, str]:
    found, needed = migrate.current(engine), migrate.head()
    if found != needed:
        sentence = f"The database is at revision {found or 'none'}, not {needed}; run `unspoken migrate`."
        raise Unready(sentence, {"database": "ok", "migrations": found or "none"})
    return {"database": "ok", "migrations": needed}


def _broker(_engine: Engine) -> dict[str, str]:
    broker.check()
    return {"broker": "ok"}
