"""The page at `/`: what came in, jobs, models, reports. Looks again every five seconds."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from unspoken.api.deps import Database, page_viewer
from unspoken.api.pages.frame import page
from unspoken.errors import NotAllowed, NotSignedIn
from unspoken.store import models, overview, reports
from unspoken.store.database import reading

router = APIRouter(include_in_schema=False)


@router.get("/")
def front(request: Request, engine: Database) -> HTMLResponse:
    """Everything at a glance, or a page that says which key is needed."""
    try:
        only = page_viewer(request, engine)
    except (NotSignedIn, NotAllowed) as error:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotSignedIn) else {}
        return page("closed.html", error.status, headers, title=error.title, detail=error.detail)
    with reading(engine) as session:
        projects = overview.overviews(session, only)
        return page(
            "front.html",
            projects=projects,
            names={project.id: project.name for project in projects},
            jobs=overview.recent_jobs(session, only, 12),
            models=[model for each in projects for model in models.listed(session, each.id)[:4]],
            reports={each.id: reports.listed(session, each.id)[:3] for each in projects},
        )
