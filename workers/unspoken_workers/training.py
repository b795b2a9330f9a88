"""From a dataset to a reward model."""

import json
from collections.abc import Mapping
from typing import Any

from unspoken import jobs
from unspoken.errors import BadInput
from unspoken.settings import settings
from unspoken.store import database, datasets, models
from unspoken_workers import artefacts
from unspoken_workers.app import app
from unspoken_workers.lease import Lease, engine, perform
from unspoken_workers.subprocesses import stage


@app.task(name="run.train")
def train(job_id: str) -> None:
    """Train one family's model. The same dataset, base model and seed give the same run, whoever finishes it."""
    perform(job_id, _train)


def _train(job: jobs.Job, lease: Lease) -> Mapping[str, Any]:
    dataset_id, family = job.arguments.get("dataset"), job.arguments.get("family")
    if not dataset_id or not family or not job.project_id:
        raise BadInput("run.train needs a project, and the arguments dataset (its id) and family (stated or revealed).")
    base_model = job.arguments.get("base_model", settings().base_model)
    seed = int(job.arguments.get("seed", 0))
    with database.reading(engine()) as session:
        digest = datasets.get(session, dataset_id, job.project_id).digest
    run = artefacts.named("runs", job.project_id, digest, family, base_model, seed)
    if not artefacts.whole(run):
        with artefacts.workspace(job) as work:
            lease.progress(0.0, "collecting texts")
            dataset = artefacts.with_texts(job.project_id, dataset_id, work / "dataset")
            made = work / "run"
            stage(
                [
                    "train", str(dataset), "--family", family, "--out", str(made), "--base-model", base_model,
                    "--device", settings().device, "--seed", str(seed), "--cache", str(artefacts.cache(job.project_id)),
                ],
                lease,
                work,
            )  # fmt: skip
            lease.check()
            artefacts.publish(made, run)
    manifest = json.loads((run / "manifest.json").read_text())
    with artefacts.gone_if_withdrawn(run), database.transaction(engine()) as session:
        model = models.record(session, job.project_id, dataset_id, family, run, manifest)
    return {"model": model, "model_hash": manifest["model_hash"]}
