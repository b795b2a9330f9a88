"""From stored events to a dataset, and the chain that follows from one to a report."""

from collections.abc import Mapping
from typing import Any

from unspoken import jobs
from unspoken.consent import TRAINING
from unspoken.pairs.build import build
from unspoken.pairs.consented import consented
from unspoken.pairs.recipe import named
from unspoken.store import consents, database, datasets, erasure, projects, reading
from unspoken.store.horizon import horizon
from unspoken_workers import artefacts
from unspoken_workers.app import app
from unspoken_workers.lease import Lease, engine, perform


@app.task(name="pairs.build")
def build_pairs(job_id: str) -> None:
    """Label and pair everything a project has."""
    perform(job_id, _build)


@app.task(name="project.refresh")
def refresh(job_id: str) -> None:
    """The same, as the first step of a chain: both models, then the report."""
    perform(job_id, _build)


def _build(job: jobs.Job, lease: Lease) -> Mapping[str, Any]:
    with database.reading(engine()) as session:
        project = projects.get(session, job.project_id or "")
        marked = erasure.mark(session, project.id)
        lease.progress(0.0, "reading messages")
        messages = reading.read_messages(session, project.id)
        lease.progress(0.1, "reading events")
        events = reading.read_events(session, project.id)
        refused = consents.refused(session, project, TRAINING)
        seen = horizon(session)
    messages, events, before = consented(messages, events, refused)
    recipe = named(job.arguments.get("recipe", project.recipe))
    built = build(messages, events, recipe, lambda share, note: lease.progress(0.2 + 0.4 * share, note), before)
    dataset_id = datasets.save(
        engine(),
        project.id,
        recipe.as_dict(),
        seen,
        built.digest,
        built.funnel,
        built.labels,
        built.pairs,
        built.unpaired,
        lambda share, note: lease.progress(0.6 + 0.4 * share, note),
        marked=marked,
    )
    # After the rows: a folder whose dataset nobody knows of would be found by no erasure.
    folder = artefacts.keep(built, project.id)
    with artefacts.gone_if_withdrawn(folder), database.transaction(engine()) as session:
        erasure.hold(session, dataset_id)
    return {
        "dataset": dataset_id,
        "labels": built.labels.height,
        "pairs": built.pairs.height,
        "unpaired": built.unpaired.height,
    }
