"""Who did what: keys, settings, models, people's data."""

from typing import Annotated

from fastapi import Query
from fastapi.responses import HTMLResponse

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.looking import Looking
from unspoken.store import audit
from unspoken.store.database import reading

A_PAGE = 100
router = frame.router()


@router.get("/audit")
def audit_page(
    engine: Database, look: Looking, before: Annotated[int | None, Query(ge=1, lt=2**63)] = None
) -> HTMLResponse:
    """Newest first."""
    with reading(engine) as session:
        found = audit.listed(session, look.one.id, A_PAGE + 1, before)
    more = found[A_PAGE - 1].seq if len(found) > A_PAGE else None
    return frame.page("audit.html", look=look, rows=found[:A_PAGE], more=more, before=before)
