"""Segments hold what the tables hold, whatever came when, whoever was killed, and nothing of what was removed."""

import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import log2
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from polars.testing import assert_frame_equal
from sqlalchemy import delete, update

from unspoken.consent import TRAINING
from unspoken.errors import Unavailable
from unspoken.events import hash_user, parse
from unspoken.jobs import erasing
from unspoken.pairs.consented import refused
from unspoken.settings import settings
from unspoken.store import consents, retention, sealed, segments
from unspoken.store.database import reading, transaction
from unspoken.store.horizon import horizon
from unspoken.store.ingest import ingest
from unspoken.store.reading import read_events, read_messages
from unspoken.store.tables import Erasure, Event, Message

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def store(engine, project, make_event):
    """Stores events, given as (kind, fields); a fresh message each by default."""

    def store(*items, received_at=NOW):
        with transaction(engine) as session:
            events = [parse(make_event(kind, **{"message": f"m-{uuid4()}", **fields})) for kind, fields in items]
            ingest(session, project, events, sent_at=None, received_at=received_at)

    return store


@pytest.fixture
def sealed_now(engine, project, home):
    """(messages, events, manifest) as the segments have them now, in the order of the tables' readers."""

    def sealed_now():
        with segments.current(engine, project.id, home) as kept:
            return (
                kept.messages().collect().sort("at", "message"),
                kept.events().collect().sort("at", "event"),
                kept.manifest,
            )

    return sealed_now


@pytest.fixture
def same(engine, project, sealed_now):
    """Asserts that segments and tables give the same frames; the manifest."""

    def same():
        messages, events, manifest = sealed_now()
        with reading(engine) as session:
            assert_frame_equal(messages, read_messages(session, project.id))
            assert_frame_equal(events, read_events(session, project.id))
        return manifest

    return same


def exchange(conversation, user="ann", **more):
    """A prompt, its answer and a vote."""
    q, a = f"q-{uuid4()}", f"a-{uuid4()}"
    return [
        ("message", {"conversation": conversation, "message": q, "user": user, **more}),
        ("message", {"conversation": conversation, "message": a, "role": "assistant", "parent": q, "text": "Yes."}),
        ("vote", {"conversation": conversation, "message": a, "user": user, **more}),
    ]


def published(folder: Path) -> sealed.Manifest:
    manifest = sealed.manifest(folder)
    assert manifest is not None
    return manifest


def test_an_empty_project_has_empty_frames(same):
    assert same().events == []


def test_each_reading_adds_what_has_come(store, same):
    store(*exchange("c2"), *exchange("c1", arm={"policy": "b"}))
    first = same()
    store(("message", {"message": "said-twice", "conversation": "c1"}))
    same()
    # The same message by another event, one that is late, and one of a conversation that was there.
    store(("message", {"message": "said-twice", "conversation": "c1"}), *exchange("c0", at="2026-09-01T12:00:00Z"))
    last = same()
    assert last.made > first.made
    assert sum(file.rows for file in last.messages) == 7
    assert same() == last  # nothing has come: nothing is written


def test_files_are_sorted_by_conversation_and_their_number_stays_small(store, home, project, same):
    for turn in range(20):
        store(*exchange(f"c{turn % 7}"))
        manifest = same()
    assert len(manifest.events) <= log2(60) + 1
    assert {path.name for path in sealed.folder(home, project.id).iterdir()} == {
        "manifest.json",
        *(file.name for file in (*manifest.events, *manifest.messages)),
    }
    assert sealed.folder(home, project.id).stat().st_mode & 0o777 == 0o700


@given(st.lists(st.integers(1, segments.FILE_ROWS), max_size=200))
def test_many_small_files_become_few(appended):
    files: list[int] = []
    for rows in appended:
        merged = segments.to_merge(files, rows)
        files = [*files[: len(files) - merged], rows + sum(files[len(files) - merged :])]
        assert max(files) <= segments.FILE_ROWS
    assert sum(files) == sum(appended)
    assert len(files) <= 2 * sum(appended) / segments.FILE_ROWS + log2(segments.FILE_ROWS) + 2


def test_cuts_part_the_events_and_no_conversation(engine, project, home, store, monkeypatch):
    monkeypatch.setattr(segments, "GROUP_ROWS", 4)
    monkeypatch.setattr(segments, "FILE_ROWS", 40)
    for _ in range(3):
        store(*(each for number in range(9) for each in exchange(f"c{number}")))
        with segments.current(engine, project.id, home) as kept:
            cuts, events = kept.cuts(12), kept.events().collect()
    assert len(kept.manifest.events) > 1
    assert cuts == sorted(set(cuts)) and set(cuts) <= set(events["conversation"])
    bounds = ["", *cuts, "z"]
    parts = [
        events.filter((events["conversation"] >= low) & (events["conversation"] < high)).height
        for low, high in pairwise(bounds)
    ]
    assert sum(parts) == events.height == 81
    assert len(parts) >= 3 and max(parts) <= 36


def test_what_is_not_settled_comes_with_a_later_reading(engine, store, make_event, project, same, sealed_now):
    store(*exchange("c1"))
    with transaction(engine) as session:
        events = [parse(make_event("message", conversation="c2", message="slow"))]
        ingest(session, project, events, sent_at=None, received_at=NOW)
        if engine.dialect.name == "postgresql":  # SQLite has one writer at a time
            store(*exchange("c3"))
        messages, events, _ = sealed_now()
        assert (messages.height, events.height) == (2, 3)
    same()


def test_segments_of_another_history_are_thrown_away(engine, project, home, store, same):
    store(*exchange("c1"), *exchange("c2"))
    manifest = same()
    with transaction(engine) as session:  # as a backup has it: the end is another one now
        last = manifest.ends[-1][0]
        session.execute(delete(Message))
        session.execute(update(Event).where(Event.seq == last).values(id=str(uuid4())))
        session.execute(delete(Event).where(Event.seq != last))
    store(*exchange("c3"))
    assert sum(file.rows for file in same().events) == 4

    folder = sealed.folder(home, project.id)
    ahead = {unit: end + 10**9 for unit, end in (published(folder).horizon or {}).items()}
    for said in (ahead, {"of another database": 1}, None):
        sealed.publish(folder, replace(published(folder), horizon=said))
        store(*exchange("c4"))
        same()
    sealed.publish(folder, replace(published(folder), columns=["of another version"]))
    same()
    (folder / "manifest.json").write_text("{half")
    same()


KILLED = """
import os, signal, sys
from pathlib import Path
from unspoken.store import segments
from unspoken.store.database import connect

url, project, home, where, step = sys.argv[1:]
done = 0

def line(frame, event, argument):
    global done
    done += event == "line"
    if done == int(step):
        os.kill(os.getpid(), signal.SIGKILL)
    return line

sys.settrace(lambda frame, event, argument: line if frame.f_code.co_name == where else None)
with segments.current(connect(url), project, Path(home)):
    pass
"""


def test_a_reading_that_is_killed_leaves_the_state_before(engine, project, home, store, same):
    store(*exchange("c1"))
    files = same().events
    # With a file half counted, with the next manifest half written, with the old files not removed.
    for where, step in (("add_events", 4), ("publish", 3), ("publish", 8)):
        store(*exchange("c2"))
        url = engine.url.render_as_string(hide_password=False)
        asked = [sys.executable, "-c", KILLED, url, project.id, str(home), where, str(step)]
        ended = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        left = sealed.folder(home, project.id)
        assert len(list(left.glob("events-*"))) > len(files)
        files = same().events
        assert {path.name for path in left.glob("events-*")} == {file.name for file in files}


def test_of_two_at_once_the_second_waits(engine, project, home, store, sealed_now):
    store(*exchange("c1"))
    told, said, over = [], threading.Event(), []

    def wait(note):
        told.append(note)
        said.set()

    def second():
        with segments.current(engine, project.id, home, wait) as kept:
            over.append(kept.events().collect().height)

    with segments.current(engine, project.id, home) as kept:
        thread = threading.Thread(target=second)
        thread.start()
        assert said.wait(120) and not over
        assert kept.events().collect().height == 3
    thread.join(120)
    assert over == [3] and "waiting" in told[0]


def erase(engine, project, user, home):
    with transaction(engine) as session:
        row, _ = erasing.ask(session, project.id, hash_user(project.user_secret, user), "a test")
    return erasing.erase(engine, row, home)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv("UNSPOKEN_LEASE_S", "0.2")
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_an_erased_user_is_in_no_file(engine, project, home, store, same, impatient):
    store(*exchange("c1"), *exchange("c2", "bob"))
    same()
    assert erase(engine, project, "ann", home)["files"] >= 3
    assert not sealed.folder(home, project.id).exists()
    assert sum(file.rows for file in same().events) == 3


def test_a_reading_that_an_erasure_overtakes_leaves_nothing(engine, project, home, store, impatient):
    store(*exchange("c1"), *exchange("c2", "bob"))
    asked: list[Erasure] = []

    def say(note):
        if not asked:
            with transaction(engine) as session:
                asked.append(erasing.ask(session, project.id, hash_user(project.user_secret, "ann"), "a test")[0])

    with pytest.raises(Unavailable, match="being erased"), segments.current(engine, project.id, home, say):
        pass
    with pytest.raises(Unavailable, match="being erased"), segments.current(engine, project.id, home):
        pass
    erasing.erase(engine, asked[0], home)
    assert not sealed.folder(home, project.id).exists()


def test_an_erasure_waits_for_who_reads_the_segments_and_is_tried_again(engine, project, home, store, impatient):
    store(*exchange("c1"))
    with segments.current(engine, project.id, home), pytest.raises(Unavailable, match="still reading"):
        erase(engine, project, "ann", home)
    erase(engine, project, "ann", home)
    assert not sealed.folder(home, project.id).exists()


def test_what_grew_old_leaves_the_segments_with_the_tables(engine, project, home, store, same):
    old = NOW - timedelta(days=40)
    store(*exchange("c1"), received_at=old)
    store(("message", {"conversation": "c2", "message": "brought-when-it-was-old"}), received_at=old)
    store(*exchange("c2"))
    assert sum(file.rows for file in same().messages) == 5
    retention.expire(engine, project.id, 30, NOW)
    segments.expire(home, project.id, NOW - timedelta(days=30), 1.0)
    kept = published(sealed.folder(home, project.id))
    assert (sum(file.rows for file in kept.events), sum(file.rows for file in kept.messages)) == (3, 2)
    assert same().events == kept.events  # they were brought up to date, not made anew
    segments.expire(home, project.id, NOW - timedelta(days=30), 1.0)
    assert published(sealed.folder(home, project.id)).events == kept.events
    retention.expire(engine, project.id, 1, NOW + timedelta(days=9))  # and the segments were not told
    assert same().events == []


@pytest.mark.parametrize("rule", ["required", "assumed"])
def test_what_people_did_not_agree_to_is_what_the_tables_say(engine, project, home, store, rule):
    said = [None, "2026-10:service,analytics", "2026-10:service,training", "2026-11:training", "nonsense"]
    store(*(each for place, consent in enumerate(said) for each in exchange(f"c{place}", consent=consent)))
    project.settings = {**project.settings, "consent": rule}
    with segments.current(engine, project.id, home) as kept, reading(engine) as session:
        expected = consents.refused(session, project, TRAINING).sort("event")
        events = made(kept)["events"]
        assert_frame_equal(refused(events, TRAINING, assumed=rule == "assumed").sort("event"), expected)
        assert kept.horizon == horizon(session)
    assert expected.height > 0


def as_they_are(messages, events):
    """Tables that hold what they are made of, so that whatever is stale in them shows."""
    return {
        "messages": messages.sort("conversation", "at", "message"),
        "events": events.sort("conversation", "at", "event"),
    }


def made(kept, make=as_they_are, made_by="a test", rows=segments.GROUP_ROWS):
    return {name: rows.collect() for name, rows in kept.made(made_by, rows, make).items()}


@pytest.fixture
def made_of(engine, project, home):
    """Asserts that what is made is up to date; which conversations were made anew, and the manifest."""

    def made_of(made_by="a test"):
        anew: set[str] = set()

        def make(messages, events):
            anew.update(events["conversation"])
            return as_they_are(messages, events)

        with segments.current(engine, project.id, home) as kept:
            found = made(kept, make, made_by, rows=12)
            manifest = published(kept.folder)
        with reading(engine) as session:
            expected = as_they_are(read_messages(session, project.id), read_events(session, project.id))
        for name, rows in found.items():
            assert_frame_equal(rows.drop("consent", strict=False), expected[name])
        return anew, manifest

    return made_of


def test_what_is_made_of_conversations_is_made_anew_where_something_came(store, made_of):
    assert made_of()[0] == set()
    store(*exchange("c1"), *exchange("c2"), *exchange("c3"))
    assert made_of()[0] == {"c1", "c2", "c3"}
    first = made_of()
    assert first[0] == set()  # nothing has come: it is read from file
    store(*exchange("c2"), *exchange("c0", at="2026-09-01T12:00:00Z"))
    anew, manifest = made_of()
    assert anew == {"c0", "c2"}
    assert manifest.stale is None and manifest != first[1]
    assert made_of("another program")[0] == {"c0", "c1", "c2", "c3"}


def test_what_came_while_nobody_asked_is_made_anew_all_the_same(store, made_of, same):
    store(*exchange("c1"), *exchange("c2"))
    made_of()
    store(*exchange("c1"))
    same()  # read by who makes nothing of it
    store(*exchange("c3"))
    same()
    assert made_of()[0] == {"c1", "c3"}


def test_conversations_stand_in_ranges_that_are_parted_as_they_grow(store, made_of, monkeypatch):
    monkeypatch.setattr(segments, "GROUP_ROWS", 4)
    monkeypatch.setattr(segments, "FILE_ROWS", 40)
    ranges = []
    for start in range(0, 40, 8):
        store(*(each for number in range(start, start + 8) for each in exchange(f"c{number:02}")))
        anew, manifest = made_of()
        assert {f"c{number:02}" for number in range(start, start + 8)} <= anew
        ranges.append(len(manifest.ranges))
    assert ranges == sorted(ranges) and ranges[-1] >= 4
    assert len(anew) < 40
    store(*exchange("c00"), *exchange("c39"))
    assert made_of()[0] == {"c00", "c39"}


def test_what_grew_old_leaves_what_was_made_of_it(engine, project, home, store, made_of):
    old = NOW - timedelta(days=40)
    store(*exchange("over"), *exchange("goes-on"), received_at=old)
    store(*exchange("goes-on"), *exchange("new"))
    made_of()
    store(*exchange("over-before-it-was-read"), received_at=old)
    with segments.current(engine, project.id, home):
        pass
    retention.expire(engine, project.id, 30, NOW)
    segments.expire(home, project.id, NOW - timedelta(days=30), 1.0)
    folder = sealed.folder(home, project.id)
    left = pl.concat([pl.read_parquet(path).select("conversation") for path in folder.glob("*.parquet")])
    assert set(left["conversation"]) == {"goes-on", "new"}  # in no file, though nobody has asked for the tables yet
    assert made_of()[0] == {"goes-on"}


def test_of_an_erased_user_nothing_is_made_any_more(engine, project, home, store, made_of, impatient):
    store(*exchange("c1"), *exchange("c2", "bob"))
    made_of()
    erase(engine, project, "ann", home)
    assert not sealed.folder(home, project.id).exists()
    assert made_of()[0] == {"c2"}


MAKER = """
import os, signal, sys
from pathlib import Path
from tests.store.test_segments import as_they_are
from unspoken.store import segments
from unspoken.store.database import connect

url, project, home, where, step = sys.argv[1:]
done = 0

def line(frame, event, argument):
    global done
    done += event == "line"
    if done == int(step):
        os.kill(os.getpid(), signal.SIGKILL)
    return line

sys.settrace(lambda frame, event, argument: line if frame.f_code.co_name == where else None)
with segments.current(connect(url), project, Path(home)) as kept:
    kept.made("a test", 12, as_they_are)
"""


def test_who_is_killed_while_making_leaves_no_half_of_it_in_use(engine, project, home, store, made_of):
    store(*exchange("c1"), *exchange("c2"))
    made_of()
    # With one table of two, with the next manifest half written, and with what it replaced not removed.
    for where, step in (("_written", 5), ("publish", 11), ("publish", 16)):
        store(*exchange("c2"))
        url = engine.url.render_as_string(hide_password=False)
        asked = [sys.executable, "-c", MAKER, url, project.id, str(home), where, str(step)]
        ended = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        anew, manifest = made_of()
        assert anew <= {"c2"}
        left = {path.name for path in sealed.folder(home, project.id).iterdir()}
        assert left == sealed.named(manifest)
