"""The page at `/`: what came in, jobs, models, reports. Rendered here, no script, looks again every five seconds."""

from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader

import unspoken
from unspoken.api.deps import Database, page_viewer
from unspoken.errors import NotAllowed, NotSignedIn
from unspoken.events import REVEALED, STATED
from unspoken.store import models, overview, reports
from unspoken.store.columns import now
from unspoken.store.database import reading

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STATIC = {"unspoken.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
FAMILIES = {"message": "messages", **dict.fromkeys(STATED, "stated"), **dict.fromkeys(REVEALED, "revealed")}
router = APIRouter(include_in_schema=False)


@router.get("/")
def front(request: Request, engine: Database) -> HTMLResponse:
    """Everything at a glance, or a page that says which key is needed."""
    try:
        only = page_viewer(request, engine)
    except (NotSignedIn, NotAllowed) as error:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotSignedIn) else {}
        return _page("closed.html", error.status, headers, title=error.title, detail=error.detail)
    with reading(engine) as session:
        projects = overview.overviews(session, only)
        return _page(
            "front.html",
            projects=projects,
            names={project.id: project.name for project in projects},
            jobs=overview.recent_jobs(session, only, 12),
            models=[model for each in projects for model in models.listed(session, each.id)[:4]],
            reports={each.id: reports.listed(session, each.id)[:3] for each in projects},
        )


@router.get("/static/{name}")
def static(name: str) -> Response:
    """The style sheet and the icon."""
    if name not in STATIC:
        return Response(status_code=404)
    content = resources.files("unspoken.web").joinpath(name).read_bytes()
    return Response(content, media_type=STATIC[name], headers={"Cache-Control": "max-age=300"})


def _page(template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    said = _environment().get_template(template).render(**values, version=unspoken.__version__, families=FAMILIES)
    return HTMLResponse(said, status, {"Content-Security-Policy": POLICY, **(headers or {})})


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("unspoken.web", "."), autoescape=True, trim_blocks=True)
    environment.filters |= {"count": _count, "ago": _ago}
    return environment


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _ago(moment: datetime | None) -> str:
    if moment is None:
        return "never"
    seconds = max(0, int((now() - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
