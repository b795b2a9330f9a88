"""Segments that cannot be read are made anew from the database, once; nothing that grew old or was erased is left."""

import resource
from datetime import UTC, datetime, timedelta

import pytest

from unspoken.errors import Unavailable, UnspokenError
from unspoken.events import parse
from unspoken.store import retention, sealed, segments
from unspoken.store.database import transaction
from unspoken.store.ingest import ingest

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(engine, project, make_event):
    """Stores messages, so many days old."""

    def store(*names, days=0):
        events = [parse(make_event("message", message=name, conversation=f"of-{name}")) for name in names]
        with transaction(engine) as session:
            ingest(session, project, events, sent_at=None, received_at=NOW - timedelta(days=days))

    return store


@pytest.fixture
def read(engine, project, tmp_path):
    """The messages that the segments have, and what was said meanwhile."""

    def read(use=lambda kept: sorted(kept.messages().collect()["message"])):
        said: list[str] = []
        found = segments.used(engine, project.id, tmp_path, use, said.append)
        return found, [note for note in said if "cannot be read" in note]

    return read


@pytest.fixture
def folder(project, tmp_path):
    return sealed.folder(tmp_path, project.id)


def damaged(folder, kind, how="cut off"):
    (path,) = folder.glob(f"{kind}-*")
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:20])
        return
    path.unlink()
    if how == "a folder":
        path.mkdir()
        (path / "somebody's").touch()


@pytest.mark.parametrize("kind", ["events", "messages"])
@pytest.mark.parametrize("how", ["cut off", "gone", "a folder"])
def test_what_cannot_be_read_is_made_anew_once_and_said(folder, store, read, kind, how):
    store("a", "b")
    assert read() == (["a", "b"], [])
    damaged(folder, kind, how)
    store("c", "d")
    found, said = read()
    assert found == ["a", "b", "c", "d"]
    assert len(said) == 1 and str(folder) in said[0] and "\n" not in said[0]
    assert read() == (found, [])


def test_what_grew_old_leaves_segments_that_cannot_be_read(engine, project, folder, tmp_path, store, read):
    store("old", days=40)
    store("new")
    read()
    damaged(folder, "events")
    retention.expire(engine, project.id, 30, NOW)
    segments.expire(tmp_path, project.id, NOW - timedelta(days=30), 1.0)
    assert list(folder.iterdir()) == []
    assert read() == (["new"], [])


def test_a_second_failure_is_told_and_is_the_last(store, read, folder):
    store("a")
    tried = []

    def use(kept):
        tried.append(kept)
        raise OSError("Input/output error")

    with pytest.raises(UnspokenError, match=f"{folder} could not be read, and not made anew either: .*Input/output"):
        read(use)
    assert len(tried) == 2


def test_a_full_disk_is_told_and_nothing_is_made_anew(store, read, folder):
    store("a")
    read()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store(*(f"m{number}" for number in range(400)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, limits[1]))
    try:
        with pytest.raises(Unavailable, match="No space is left"):
            read()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    found, said = read()
    assert (len(found), said) == (401, [])


def test_an_erasure_removes_whatever_stands_there(project, store, read, folder, tmp_path):
    store("a")
    read()
    (folder / "backup").mkdir()
    (folder / "backup" / "copy.parquet").touch()
    (folder / "elsewhere").symlink_to(tmp_path)
    sealed.discard(tmp_path, project.id, lambda: None, 1.0)
    assert not folder.exists()
    assert tmp_path.is_dir()
