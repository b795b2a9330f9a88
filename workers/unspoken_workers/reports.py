"""From a dataset and its models to a report."""

import json
from collections.abc import Mapping
from typing import Any

from unspoken import jobs
from unspoken.errors import BadInput, TooLittleData
from unspoken.settings import settings
from unspoken.store import database, datasets, models, reports
from unspoken_workers import artefacts
from unspoken_workers.app import app
from unspoken_workers.lease import Lease, engine, perform
from unspoken_workers.subprocesses import stage


@app.task(name="report.compare")
def compare(job_id: str) -> None:
    """Compare a dataset's newest models, one of each family."""
    perform(job_id, _compare)


def _compare(job: jobs.Job, lease: Lease) -> Mapping[str, Any]:
    dataset_id = job.arguments.get("dataset")
    if not dataset_id or not job.project_id:
        raise BadInput("report.compare needs a project, and the argument dataset (its id).")
    with database.reading(engine()) as session:
        digest = datasets.get(session, dataset_id, job.project_id).digest
        found = {family: models.latest(session, dataset_id, family) for family in ("stated", "revealed")}
    runs = {family: model for family, model in found.items() if model}
    if not runs:
        raise TooLittleData("Neither family of this dataset has a model yet. Its run.train jobs say why.")
    folder = artefacts.named("reports", job.project_id, digest, *(f"{key}:{run.digest}" for key, run in runs.items()))
    if not artefacts.whole(folder):
        with artefacts.workspace(job) as work:
            lease.progress(0.0, "collecting texts")
            dataset = artefacts.with_texts(job.project_id, dataset_id, work / "dataset")
            options = [word for family, run in runs.items() for word in (f"--{family}", run.folder)]
            options += ["--device", settings().device, "--cache", str(artefacts.cache(job.project_id))]
            stage(["report", str(dataset), *options, "--out", str(work / "report")], lease, work)
            lease.check()
            artefacts.publish(work / "report", folder)
    report = json.loads((folder / "report.json").read_text())
    verdict = report["verdict"]
    with artefacts.gone_if_withdrawn(folder), database.transaction(engine()) as session:
        made = reports.record(session, job.project_id, dataset_id, verdict["label"], verdict, folder)
    return {"report": made, "verdict": verdict["label"]}
