"""Finishing what somebody asked for: a user erased, everywhere."""

from collections.abc import Mapping
from typing import Any

from unspoken import jobs
from unspoken.errors import BadInput
from unspoken.jobs import erasing
from unspoken.settings import settings
from unspoken.store import database
from unspoken.store.erasure import unfinished
from unspoken.store.tables import Erasure
from unspoken_workers.app import app
from unspoken_workers.lease import Lease, engine, perform


@app.task(name="user.erase")
def erase(job_id: str) -> None:
    """Carry out one erasure, or every unfinished one of the project when none is named."""
    perform(job_id, _erase)


def _erase(job: jobs.Job, lease: Lease) -> Mapping[str, Any]:
    if not job.project_id:
        raise BadInput("user.erase needs a project.")
    named = job.arguments.get("erasure")
    with database.reading(engine()) as session:
        if named is None:
            found = unfinished(session, job.project_id)
        else:
            one = session.get(Erasure, named)
            found = [one] if one and one.project_id == job.project_id else []
    removed: dict[str, int] = {}
    for erasure in found:
        for name, number in erasing.erase(engine(), erasure, settings().home, lease.progress).items():
            removed[name] = removed.get(name, 0) + number
    return {"erasures": [erasure.seq for erasure in found], "removed": removed}
