"""A user's traces in the files below the home folder, and their removal.

`segments/` holds a copy of the events, `reports/` texts, `work/` a running job's texts, `cache/` what a model made of
texts (per project, by hashes of the texts), `datasets/` ids and hashes, `imports/` how far an interrupted import came,
`runs/` weights. What stands in folders that somebody named on the command line is out of reach.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from unspoken.store import sealed
from unspoken.store.database import reading
from unspoken.store.tables import Dataset, Job, Model, Report

LOOK_S = 0.05
ABANDONED_S = 600.0  # a half-written folder this old is nobody's
WITHDRAWN = "withdrawn_at"


def cache(home: Path, project_id: str) -> Path:
    """Where features of a project's texts are kept between jobs."""
    return home.absolute() / "cache" / project_id


def sweep(engine: Engine, home: Path, project_id: str, patience_s: float, check: Callable[[], None]) -> int:
    """Removes what was made of withdrawn data, and the project's segments; how many files went.

    Waits until the project's jobs, which were ended before, have left their folders: a worker notices within a third
    of its lease, and one that has not by `patience_s` is dead. `check` is called while waiting, and may raise.
    """
    with reading(engine) as session:
        jobs = set(session.scalars(select(Job.id).where(Job.project_id == project_id)))
        every = session.execute(select(Dataset.id, Dataset.digest, Dataset.project_id, Dataset.withdrawn_at)).all()
        mine = [row.id for row in every if row.project_id == project_id and row.withdrawn_at]
        gone = {row.digest for row in every if row.id in mine} - {row.digest for row in every if not row.withdrawn_at}
        whose = (Report.project_id == project_id, Report.withdrawn_at.is_not(None))
        pages = [Path(folder) for folder in session.scalars(select(Report.folder).where(*whose))]
        weights = session.execute(
            select(Model.folder, Model.withdrawn_at).where(
                Model.project_id == project_id, Model.withdrawn_at.is_not(None)
            )
        ).all()
    home = home.absolute()
    _wait(home / "work", jobs, patience_s, check)
    removed = sum(_removed(folder) for folder in _below(home / "work") if folder.name in jobs)
    removed += _removed(cache(home, project_id)) + sum(_removed(file) for file in (home / "cache").glob("features-*"))
    removed += forget_imports(home) + sealed.discard(home, project_id, check, patience_s)
    for folder in _below(home / "datasets"):
        if _manifest(folder).get("digest") in gone:
            removed += _removed(folder)
    removed += sum(_removed(page) for page in pages if (page / "report.json").is_file())
    for kind in ("datasets", "reports", "runs"):
        removed += sum(_removed(folder) for folder in _below(home / kind) if _abandoned(folder))
    for run, at in weights:
        _withdraw(Path(run), f"{at:%Y-%m-%dT%H:%M:%SZ}")
    return removed


def forget_imports(home: Path) -> int:
    """Removes the notes of interrupted imports, which then begin at the beginning; how many there were.

    Why an import refused an event may name its user, also one of whom nothing was stored.
    """
    return sum(_removed(note) for note in (home.absolute() / "imports").glob("*"))


def withdrawn(folder: Path) -> bool:
    """Whether the folder's manifest says that its model was withdrawn."""
    return WITHDRAWN in _manifest(folder)


def _wait(work: Path, jobs: set[str], patience_s: float, check: Callable[[], None]) -> None:
    end = time.monotonic() + patience_s
    while any(folder.name in jobs for folder in _below(work)) and time.monotonic() < end:
        check()
        time.sleep(LOOK_S)


def _withdraw(run: Path, at: str) -> None:
    """Says in the manifest of a run folder that its model was withdrawn; weights stay, for who uses them to replace."""
    manifest = _manifest(run)
    if not manifest or WITHDRAWN in manifest:
        return
    beside = run / f".manifest.{os.getpid()}"
    beside.write_text(json.dumps({**manifest, WITHDRAWN: at}, indent=1))
    beside.replace(run / "manifest.json")


def _below(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(each for each in folder.iterdir() if each.is_dir())


def _abandoned(folder: Path) -> bool:
    """Whether a killed writer left it: see unspoken.folders.replacing."""
    try:
        return folder.name.startswith(".") and folder.stat().st_mtime < time.time() - ABANDONED_S
    except FileNotFoundError:
        return False


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _removed(path: Path) -> int:
    """How many files went with it."""
    if path.is_file():
        path.unlink(missing_ok=True)
        return 1
    files = sum(each.is_file() for each in path.rglob("*"))
    # The manifest first: a folder half removed is then nobody's result.
    (path / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    return files
