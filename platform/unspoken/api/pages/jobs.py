"""Jobs: which there are and how far they have come, one of them in full, and asking for a refresh."""

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import HTMLResponse, RedirectResponse

from unspoken import jobs
from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.forms import Form
from unspoken.api.pages.looking import Looking
from unspoken.api.pages.session import Actor, done
from unspoken.errors import NotFound
from unspoken.events.plain import flaw
from unspoken.jobs.listing import STATES, listed, under_way
from unspoken.store import audit
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Job

A_PAGE = 50
REFRESH = "project.refresh"
router = frame.router()


@router.get("/jobs")
def jobs_page(engine: Database, look: Looking, page: Annotated[int, Query(ge=1, le=10_000)] = 1) -> HTMLResponse:
    """Newest first, of one state or name where the address says so."""
    state, name = look.asked("state"), look.asked("name")
    found = []
    if not (flaw(state) or flaw(name)):
        with reading(engine) as session:
            found = list(listed(session, look.shown, state, name, A_PAGE + 1, A_PAGE * (page - 1)))
    return frame.page(
        "jobs_now.html" if look.partial else "jobs.html",
        look=look,
        every=True,
        jobs=found[:A_PAGE],
        more=len(found) > A_PAGE,
        page=page,
        moving=any(job.state in ("queued", "running") for job in found),
        states=STATES,
        names=sorted(jobs.JOBS),
    )


@router.post("/jobs/refresh")
def refresh(engine: Database, look: Looking, actor: Actor, _fields: Form) -> RedirectResponse:
    """Labels, both models and the comparison, made anew."""
    with transaction(engine) as session:
        there = under_way(session, actor.project_id, REFRESH)
        job = jobs.enqueue(session, REFRESH, project_id=actor.project_id, dedupe=f"{REFRESH}:{actor.project_id}")
        if there is None:
            audit.write(session, actor.project_id, audit.by_key(actor.key_id), "project.refresh", job)
    return done(look.to("/jobs", done="asked" if there is None else "already"))


@router.get("/jobs/{job_id}")
def job_page(engine: Database, look: Looking, job_id: str) -> HTMLResponse:
    """One job: what it was asked with, how far it is, and how it ended."""
    with reading(engine) as session:
        job = None if flaw(job_id) else session.get(Job, job_id)
    if job is None or job.project_id not in {each.id for each in look.projects}:
        raise NotFound(f"There is no job with the id {job_id[:64]!r}.")
    steps = _in_words(job.arguments.get("then"))
    return frame.page("job_now.html" if look.partial else "job.html", look=look, every=True, job=job, steps=steps)


def _in_words(then: Any) -> str | None:
    """The steps that follow in a chain, `[[name, arguments], …]`, for people; None for anything else."""
    if not isinstance(then, list):
        return None
    said = []
    for step in then:
        match step:
            case [str(name), dict(own)]:
                said.append(" ".join([name, *map(str, own.values())]))
            case _:
                return None
    return ", then ".join(said) or "nothing more"
