"""Reports: what each found, and the report itself."""

from fastapi.responses import HTMLResponse

from unspoken.api.deps import Database
from unspoken.api.manage import report_document
from unspoken.api.pages import frame
from unspoken.api.pages.looking import Looking
from unspoken.store import reports
from unspoken.store.database import reading
from unspoken.store.tables import Dataset

router = frame.router()


@router.get("/reports")
def reports_page(engine: Database, look: Looking) -> HTMLResponse:
    """Newest first, with those that were withdrawn."""
    with reading(engine) as session:
        found = reports.listed(session, look.one.id)
        made_of = {each.dataset_id: session.get(Dataset, each.dataset_id) for each in found if each.dataset_id}
        return frame.page("reports.html", look=look, reports=found, datasets=made_of)


@router.get("/reports/{report_id}")
def report(engine: Database, look: Looking, report_id: str) -> HTMLResponse:
    """The document, in which no script may run."""
    return report_document(engine, report_id, [each.id for each in look.projects])
