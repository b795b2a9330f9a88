"""What a build keeps for the next one says nothing that may not be said any more, and spares reading the rest."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest

from unspoken import jobs
from unspoken.errors import TooLittleData
from unspoken.store import datasets, projects, sealed
from unspoken.store.database import reading, transaction


@pytest.fixture
def build(site, project_id):
    """One build in this process: its dataset's digest, and the files of answers that are kept."""
    from unspoken_workers import lease, pairs

    lease.engine.cache_clear()

    def build():
        job = jobs.Job("x", "pairs.build", project_id, {"recipe": "chat-acts"}, "w", 1, None)
        made = pairs._build(job, lease.Lease(site.engine, job))
        kept = sealed.manifest(sealed.folder(site.home, project_id))
        with reading(site.engine) as session:
            digest = datasets.get(session, made["dataset"]).digest
        return digest, [each.files["answers"] for each in kept.ranges] if kept else []

    yield build
    lease.engine().dispose()
    lease.engine.cache_clear()


def test_another_rule_of_consent_holds_for_what_was_kept_too(site, project_id, build):
    first, files = build()
    assert build() == (first, files)  # nothing has come: nothing is made
    with transaction(site.engine) as session:
        projects.change(session, project_id, {"consent": "required"})
    with pytest.raises(TooLittleData):  # nobody in this world ever said yes
        build()
    with transaction(site.engine) as session:
        projects.change(session, project_id, {"consent": "assumed"})
    again, others = build()
    assert again == first
    assert not set(others) & set(files)


@pytest.mark.parametrize("how", ["cut off", "gone", "another table's", "a folder"])
def test_a_build_makes_anew_what_it_finds_damaged(site, build, project_id, how, caplog):
    first, (file, *_) = build()
    folder = sealed.folder(site.home, project_id)
    answers = folder / file
    if how == "cut off":
        answers.write_bytes(answers.read_bytes()[:-100])
    else:
        answers.unlink()
    if how == "another table's":
        copy(next(folder.glob("talks-*")), answers)
    elif how == "a folder":
        answers.mkdir()
        (answers / "notes.txt").touch()
    assert build()[0] == first
    assert [record.message for record in caplog.records if "cannot be read" in record.message]
    caplog.clear()
    assert build()[0] == first
    assert not caplog.records  # once
    assert {path.name for path in folder.iterdir()} == sealed.named(manifest(folder))


def test_what_somebody_put_beside_it_is_no_hindrance(site, build, project_id):
    first = build()
    folder = sealed.folder(site.home, project_id)
    (folder / "backup" / "old").mkdir(parents=True)
    (folder / "backup" / "old" / "answers-0.parquet").touch()
    assert build() == first
    assert {path.name for path in folder.iterdir()} == sealed.named(manifest(folder))


def manifest(folder: Path) -> sealed.Manifest:
    found = sealed.manifest(folder)
    assert found is not None
    return found


UPGRADED = """
import sys
from pathlib import Path
from types import SimpleNamespace
from unspoken_workers import pairs

def made(made_by, *rest):
    sys.exit(made_by)

if len(sys.argv) > 1:
    with Path(sys.argv[1]).open("a") as source:
        source.write("# another program\\n")
pairs._seen(SimpleNamespace(made=made), SimpleNamespace(settings={}), print)
"""


def test_a_worker_that_an_upgrade_overtook_says_the_program_it_was_started_with(tmp_path):
    import unspoken
    import unspoken_workers

    for package in (unspoken, unspoken_workers):
        copytree(package.__path__[0], tmp_path / package.__name__, ignore=ignore_patterns("static", "__pycache__"))

    def says(*changed: Path) -> str:
        command = [sys.executable, "-c", UPGRADED, *map(str, changed)]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stderr

    first = says()
    assert len(first.split()[0]) == 64
    for source in ("unspoken/signals/episodes.py", "unspoken_workers/pairs.py"):
        assert says(tmp_path / source) == first
        after = says()
        assert len(after) == len(first) and after != first
        first = after
