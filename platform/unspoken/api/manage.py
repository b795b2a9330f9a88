"""What came in, jobs, models and reports as JSON; and asking for jobs."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import unspoken
from unspoken import jobs
from unspoken.api import bodies
from unspoken.api.deps import Admin, Database, Holder, Viewer
from unspoken.errors import BadInput, NotFound
from unspoken.events.plain import flaw
from unspoken.store import audit, models, overview, promotions, reports
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Base, Job, Report

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
Row = TypeVar("Row", Job, Report)
# What a caller may say of a job; everything else a chain passes on by itself.
ARGUMENTS = {"dataset": str, "family": str, "recipe": str, "seed": int}
router = APIRouter()


class Asked(BaseModel):
    """A job to be queued; `arguments` are the job's own."""

    model_config = ConfigDict(extra="forbid")
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


@router.get("/v1/status")
def status(engine: Database, only: Viewer) -> dict[str, Any]:
    """What came in, by project."""
    with reading(engine) as session:
        found = overview.overviews(session, only)
    return {"version": unspoken.__version__, "projects": [asdict(project) for project in found]}


@router.get("/v1/jobs")
def list_jobs(
    engine: Database, only: Viewer, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> dict[str, list[dict[str, Any]]]:
    """Newest first."""
    with reading(engine) as session:
        return {"jobs": [_row(job) for job in overview.recent_jobs(session, only, limit)]}


@router.get("/v1/jobs/{job_id}")
def one_job(engine: Database, only: Viewer, job_id: str) -> dict[str, Any]:
    """State, progress (0 … 1), and the error or the result."""
    with reading(engine) as session:
        return _row(_one(session, Job, job_id, None if only is None else [only]))


@router.post("/v1/jobs", status_code=202)
def ask(engine: Database, principal: Holder, body: Annotated[bodies.Body, Depends(bodies.read)]) -> JSONResponse:
    """Queues a job; asked for twice without arguments while it runs, it is the same one."""
    try:
        asked = Asked.model_validate(bodies.document(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise BadInput(f'`{where}`: {first["msg"]}. Send {{"name": "project.refresh"}}, say.') from error
    if "then" in asked.arguments:
        raise BadInput("`arguments.then` is not for callers: ask for project.refresh, which runs every step.")
    strange = [key for key, value in asked.arguments.items() if not _fits(key, value)]
    if strange:
        raise BadInput(f"`arguments.{strange[0][:64]}` is not one of {', '.join(ARGUMENTS)}, or is no plain value.")
    with transaction(engine) as session:
        job = jobs.enqueue(
            session,
            asked.name,
            project_id=principal.project_id,
            arguments=asked.arguments,
            dedupe=None if asked.arguments else f"{asked.name}:{principal.project_id}",
        )
    return JSONResponse({"id": job, "name": asked.name}, 202, {"Location": f"/v1/jobs/{job}"})


def _fits(key: str, value: object) -> bool:
    wanted = ARGUMENTS.get(key)
    return wanted is not None and type(value) is wanted and len(str(value)) <= 200 and not flaw(value)


@router.get("/v1/models")
def list_models(engine: Database, only: Viewer) -> dict[str, list[dict[str, Any]]]:
    """Every reward model, newest first within its project."""
    with reading(engine) as session:
        shown = overview.overviews(session, only)
        found = [model for each in shown for model in models.listed(session, each.id)]
        in_force = {model for each in shown for model in promotions.promoted(session, each.id).values()}
        return {"models": [{**_row(model), "promoted": model.id in in_force} for model in found]}


@router.post("/v1/models/{model_id}/promote")
def promote_model(engine: Database, admin: Admin, model_id: str) -> dict[str, Any]:
    """Puts a model in force for its family; a withdrawn one cannot be (409)."""
    with transaction(engine) as session:
        actor = audit.by_key(admin.key_id)
        model = promotions.promote(session, admin.project_id, model_id, actor=actor)
        return {**_row(model), "promoted": True}


@router.post("/v1/models/{family}/rollback")
def roll_back_model(engine: Database, admin: Admin, family: str) -> dict[str, Any]:
    """Puts the model in force that was so before, and was not withdrawn; 409 when there is none."""
    with transaction(engine) as session:
        actor = audit.by_key(admin.key_id)
        model = promotions.roll_back(session, admin.project_id, family, actor=actor)
        return {**_row(model), "promoted": True}


@router.get("/v1/reports")
def list_reports(engine: Database, only: Viewer) -> dict[str, list[dict[str, Any]]]:
    """Every report, newest first within its project, with the address of its page."""
    with reading(engine) as session:
        found = [report for each in overview.overviews(session, only) for report in reports.listed(session, each.id)]
        return {"reports": [{**_row(report), "page": f"/v1/reports/{report.id}/page"} for report in found]}


@router.get("/v1/reports/{report_id}/page")
def report_page(engine: Database, only: Viewer, report_id: str) -> HTMLResponse:
    """The report itself, one self-contained page in which no script may run."""
    return report_document(engine, report_id, None if only is None else [only])


def report_document(engine: Engine, report_id: str, projects: Collection[str] | None) -> HTMLResponse:
    """The page of a report of one of these projects, or of any. NotFound."""
    with reading(engine) as session:
        report = _one(session, Report, report_id, projects)
    if report.withdrawn_at is not None:
        raise NotFound(f"Report {report_id} was withdrawn, because a user in it was erased; a new one is being made.")
    page = Path(report.folder) / "index.html"
    if not page.is_file():
        raise NotFound(f"The page of report {report_id} is no longer in its folder; compare again to make a new one.")
    return HTMLResponse(page.read_bytes(), headers={"Content-Security-Policy": REPORT_POLICY})


def _one(session: Session, table: type[Row], key: str, projects: Collection[str] | None) -> Row:
    row = None if flaw(key) else session.get(table, key)
    if row is None or (projects is not None and row.project_id not in projects):
        raise NotFound(f"There is no {table.__name__.lower()} with the id {key[:64]!r}.")
    return row


def _row(row: Base) -> dict[str, Any]:
    """Every column; a folder is a path on the server and stays there."""
    return {column.key: getattr(row, column.key) for column in row.__table__.columns if column.key != "folder"}
