"""From events to a report through workers that are killed on the way."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy import select

from unspoken import jobs
from unspoken.store import models, reports
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Job


def refresh(site, project_id: str) -> str:
    with transaction(site.engine) as session:
        return jobs.enqueue(session, "project.refresh", project_id=project_id, dedupe="refresh")


def chain(site) -> dict[str, Job]:
    """The jobs so far, by name and family."""
    with reading(site.engine) as session:
        rows = session.scalars(select(Job).order_by(Job.created_at)).all()
    return {f"{row.name} {row.arguments.get('family', '')}".strip(): row for row in rows}


def training(worker) -> list[psutil.Process]:
    """The worker's training subprocess, while it runs."""
    found = []
    for each in psutil.Process(worker.pid).children():
        with suppress(psutil.NoSuchProcess):  # or a zombie
            if "train" in each.cmdline():
                found.append(each)
    return found


def undisturbed(site, project: str) -> str:
    """The hash of the stated model, made by hand on the same data."""
    site.unspoken("pairs", "--project", project, "--out", str(site.home / "by-hand"))
    site.unspoken(
        "train", str(site.home / "by-hand"), "--family", "stated", "--out", str(site.home / "run-by-hand"),
        "--cache", str(site.home / "cache-by-hand"),
    )  # fmt: skip
    return str(json.loads((site.home / "run-by-hand/manifest.json").read_text())["model_hash"])


def test_a_killed_worker_and_a_stopped_one_leave_the_same_model_and_a_report(site, project_id):
    refresh(site, project_id)
    site.start("--beat")
    site.start("--queue", "data")

    killed = site.start("--queue", "gpu")
    (child,) = site.until(lambda: training(killed))
    os.kill(killed.pid, signal.SIGKILL)
    site.until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 120)
    killed.wait()

    stopped = site.start("--queue", "gpu")
    (child,) = site.until(lambda: training(stopped))
    stopped.terminate()
    assert stopped.wait(120) == 0, site.log()
    assert not child.is_running()
    left = chain(site)["run.train stated"]
    assert (left.state, left.attempts) == ("queued", 1)  # the kill counts as an attempt, the stop does not

    site.start("--queue", "gpu")
    site.until(lambda: "report.compare" in chain(site))
    ended = site.ended(chain(site)["report.compare"].id)
    assert ended.state == "done", ended.error
    assert {row.state for row in chain(site).values()} == {"done"}
    assert not list((site.home / "work").iterdir())

    with reading(site.engine) as session:
        (report,) = reports.listed(session, project_id)
        hashes = {model.family: model.digest for model in models.listed(session, project_id)}
    assert (Path(report.folder) / "index.html").is_file()
    assert hashes["stated"] == undisturbed(site, "small")
    texts = {path for path in (site.home / "datasets").rglob("texts.parquet")}
    assert all(path.stat().st_size < 2_000 for path in texts), "texts stand in the database alone"
