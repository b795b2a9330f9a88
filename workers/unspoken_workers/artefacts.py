"""Where a worker's folders lie below the home folder, and how a dataset gets its texts for as long as a job needs them.

`datasets/` holds ids and labels without texts, `runs/` and `reports/` what was made of them, each under a name that
follows from its inputs: a job that is done twice finds the first one's folder. `work/` is private to a job.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from unspoken import __version__, jobs
from unspoken.errors import NotFound
from unspoken.frames import TEXTS, empty
from unspoken.pairs import folder as dataset_folder
from unspoken.pairs.built import Built
from unspoken.pairs.texts import needed, texts
from unspoken.settings import settings
from unspoken.store import database, datasets, projects, reading, traces
from unspoken_workers.lease import engine


def named(kind: str, *inputs: object) -> Path:
    """The folder of this kind (datasets, runs, reports) that these inputs and this version lead to."""
    name = sha256("\0".join(str(each) for each in (__version__, *inputs)).encode()).hexdigest()[:20]
    return settings().home.absolute() / kind / name


def cache(project_id: str) -> Path:
    """Where features of a project's texts are kept between jobs."""
    return traces.cache(settings().home, project_id)


def whole(folder: Path) -> bool:
    """Whether the folder is finished, its manifest being written last, and was not withdrawn."""
    return (folder / "manifest.json").is_file() and not traces.withdrawn(folder)


@contextmanager
def gone_if_withdrawn(folder: Path) -> Iterator[None]:
    """Removes the folder when the block finds that its dataset was withdrawn while it was made."""
    try:
        yield
    except NotFound:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def keep(built: Built, project_id: str) -> Path:
    """Keep a dataset without its texts, which stand in the `messages` table alone."""
    folder = named("datasets", project_id, built.digest)
    return folder if whole(folder) else dataset_folder.write(built, empty(TEXTS), folder)


def publish(made: Path, folder: Path) -> None:
    """Move a finished folder to its name; a half one there is replaced, a whole one stays."""
    if whole(folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    made.replace(folder)


@contextmanager
def workspace(job: jobs.Job) -> Iterator[Path]:
    """An empty folder of this attempt's own, removed afterwards; what earlier attempts left is removed first."""
    mine = settings().home.absolute() / "work" / job.id
    shutil.rmtree(mine, ignore_errors=True)
    folder = mine / str(job.attempts)
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(mine, ignore_errors=True)


def with_texts(project_id: str, dataset_id: str, folder: Path) -> Path:
    """Write the dataset with the texts it needs to `folder`; MissingRun when its own folder is gone."""
    with database.reading(engine()) as session:
        digest = datasets.get(session, dataset_id, project_id).digest
        project = projects.get(session, project_id)
        kept = dataset_folder.read(named("datasets", project_id, digest))
        messages = reading.read_messages(session, project_id)
        text_of = reading.read_texts(session, project_id, needed(messages, kept))
    return dataset_folder.write(kept, texts(messages, text_of, kept), folder, projects.about(project))
