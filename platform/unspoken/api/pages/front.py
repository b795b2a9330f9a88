"""The page at `/`: what came in, what was concluded, and what is being worked on."""

from fastapi.responses import HTMLResponse

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.looking import Looking
from unspoken.jobs.listing import listed
from unspoken.store import models, overview, promotions, reports
from unspoken.store.database import reading

router = frame.router()


@router.get("/")
def front(engine: Database, look: Looking) -> HTMLResponse:
    """Everything at a glance."""
    shown = look.shown
    with reading(engine) as session:
        found = [each for project in shown for each in overview.overviews(session, project)]
        return frame.page(
            "front_now.html" if look.partial else "front.html",
            look=look,
            every=True,
            projects=found,
            jobs=listed(session, shown, limit=8),
            reports={project: reports.listed(session, project)[:3] for project in shown},
            models={project: models.listed(session, project)[:4] for project in shown},
            promoted={each for project in shown for each in promotions.promoted(session, project).values()},
        )
