"""From stored events to a dataset, and the chain that follows from one to a report."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from unspoken import jobs
from unspoken.consent import TRAINING
from unspoken.pairs.build import label
from unspoken.pairs.consented import refused
from unspoken.pairs.recipe import named
from unspoken.pairs.seen import Seen, program, seen, tables
from unspoken.rewards.sentences import encoder
from unspoken.settings import settings
from unspoken.signals.bots import bots
from unspoken.store import database, datasets, erasure, projects, quarantine, reading, segments
from unspoken.store.tables import Project
from unspoken_workers import artefacts
from unspoken_workers.app import app
from unspoken_workers.lease import Lease, engine, perform

# As this worker was started: after an upgrade it still makes what the old program did.
PROGRAM = program(Path(__file__).parent)


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

    def found_in(kept: segments.Segments) -> tuple[Seen, dict[str, int]]:
        return _seen(kept, project, lambda note: lease.progress(0.1, note)), kept.horizon

    def say(note: str) -> None:
        lease.progress(0.0, note)

    found, horizon = segments.used(engine(), project.id, settings().home, found_in, say)
    recipe = named(job.arguments.get("recipe", project.recipe))

    def text_of(ids: Sequence[str]) -> Mapping[str, str]:
        with database.reading(engine()) as session:
            return reading.read_texts(session, project.id, ids)

    def quarantined(episodes: pl.DataFrame) -> pl.DataFrame:
        """Whoever is found to be a bot is put there, unless they were let go before; whoever is there is left out."""
        with database.transaction(engine()) as session:
            erasure.unchanged(session, project.id, marked)  # an erased user must not come back as a row
            quarantine.scan(session, project.id, bots(episodes).iter_rows())
            return quarantine.who(session, project.id)

    # With the classifier this process loads torch, which takes it some 300 MB for as long as it lives.
    classifier = settings().replies == "classifier"
    built = label(
        found,
        recipe,
        lambda share, note: lease.progress(0.2 + 0.4 * share, note),
        text_of,
        encoder(artefacts.cache(project.id), settings().device, settings().threads) if classifier else None,
        quarantined,
    )
    dataset_id = datasets.save(
        engine(),
        project.id,
        recipe.as_dict(),
        horizon,
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


def _seen(kept: segments.Segments, project: Project, say: Callable[[str], None]) -> Seen:
    assumed = projects.rules(project).consent == "assumed"

    def made(messages: pl.DataFrame, events: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
        return tables(messages, events, refused(events, TRAINING, assumed=assumed))

    return seen(kept.made(f"{PROGRAM} {assumed}", settings().part_events, made, say))
