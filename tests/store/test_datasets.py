"""Frames out of the tables, and datasets in and out of them. On both databases."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from unspoken.errors import NotFound
from unspoken.events import parse
from unspoken.frames import EVENTS, LABELS, MESSAGES, PAIRS, UNPAIRED, empty
from unspoken.pairs.build import build, label
from unspoken.pairs.recipe import named
from unspoken.pairs.seen import seen, tables
from unspoken.signals.reading import frames
from unspoken.simulate.config import World
from unspoken.simulate.world import simulate
from unspoken.sources.world import events
from unspoken.store import datasets, projects, reading, retention, segments
from unspoken.store.database import transaction
from unspoken.store.ingest import ingest
from unspoken.store.tables import Dataset, Label, Project

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)


def sent(number: int, kind: str, **fields):
    at = (AT + timedelta(minutes=number, microseconds=number)).isoformat()
    identity = f"018f6b1e-0d5c-7c3a-9b1e-{number:012}"
    return parse({"id": identity, "kind": kind, "at": at, "conversation": f"c{number // 10}", **fields})


STREAM = [
    sent(0, "message", message="q", role="user", text="Was heißt „sé“?  🙂", user="anna"),
    sent(1, "message", message="a", role="assistant", text="I know; or: be!", parent="q", finish="complete"),
    sent(2, "vote", message="a", value=1, user="anna", reasons=["right"]),
    sent(10, "message", message="q2", role="user", text="again", user="bert"),
    sent(11, "rating", scale="quality", value=4, lowest=1, highest=5),
]


@pytest.fixture
def filled(engine, project) -> Project:
    with transaction(engine) as session:
        ingest(session, project, STREAM, sent_at=None, received_at=AT)
    return project


def test_what_is_read_from_the_tables_is_what_the_files_give(engine, filled):
    messages, events, text_of = frames(STREAM, filled.user_secret)
    with transaction(engine) as session:
        found = reading.read_messages(session, filled.id)
        acts = reading.read_events(session, filled.id)
        texts = reading.read_texts(session, filled.id)
    assert_frame_equal(found, messages.sort("at"))
    assert_frame_equal(acts, events.sort("at"))
    assert texts == text_of


def test_a_dataset_of_tables_segments_and_files_is_the_same_to_the_bit(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "GROUP_ROWS", 64)  # so that its conversations stand in ranges
    world = simulate(World(users=12, exchanges=3), 1, tmp_path / "world")
    sent = [parse(item) for item in events(world)]
    with transaction(engine) as session:
        project = projects.ensure(session, "both", user_secret="00" * 32)

    def by_segments():
        with segments.current(engine, project.id, tmp_path) as kept:
            found = seen(kept.made("a test", 64, tables))
            assert len(kept.manifest.ranges) > 1
        return label(found, named("chat"))

    def by_tables():
        with transaction(engine) as session:
            told = reading.read_messages(session, project.id), reading.read_events(session, project.id)
        return build(*told, named("chat"))

    for start in range(0, len(sent), 100):  # brought in step by step, as in several builds
        with transaction(engine) as session:
            ingest(session, project, sent[start : start + 100], sent_at=None, received_at=AT + timedelta(days=start))
        first = by_segments()
    by_files = build(*frames(sent, "00" * 32)[:2], named("chat"))
    assert first.digest == by_tables().digest == by_files.digest
    assert (first.funnel, first.signals) == (by_files.funnel, by_files.signals)
    # What grew old does not come back from what was kept of it.
    last = AT + timedelta(days=start)
    retention.expire(engine, project.id, 150, last)
    segments.expire(tmp_path, project.id, last - timedelta(days=150), 1.0)
    second = by_segments()
    assert second.digest == by_tables().digest != first.digest
    assert_frame_equal(second.episodes, by_tables().episodes)


def test_conversations_and_texts_can_be_read_by_name(engine, filled):
    with transaction(engine) as session:
        assert reading.read_messages(session, filled.id, ["c1"])["message"].to_list() == ["q2"]
        assert reading.read_events(session, filled.id, ["c0"])["kind"].to_list() == ["message", "message", "vote"]
        assert reading.read_texts(session, filled.id, ["q2", "nobody"]) == {"q2": "again"}


def test_an_empty_project_gives_empty_frames_of_the_right_columns(engine, project):
    with transaction(engine) as session:
        assert_frame_equal(reading.read_messages(session, project.id), empty(MESSAGES))
        assert_frame_equal(reading.read_events(session, project.id), empty(EVENTS))


def labelled(count: int = 3) -> pl.DataFrame:
    said = {"family": "stated", "rule": "vote/1", "p": 1.0, "evidence": ["e1", "e2"]}
    did = {
        "family": "revealed", "rule": "factor/1", "p": 0.25, "mean": -0.5, "sd": 0.75, "evidence": ["e3"],
        "moved": [{"act": "stop", "by": -1.25}, {"act": "copy", "by": 0.5}],
    }  # fmt: skip
    rows = [{"message": f"m{number}", **(did if number % 2 else said)} for number in range(count)]
    return pl.DataFrame(rows, schema=dict(LABELS))


PAIRED = pl.DataFrame(
    [("q", "k", "a", "b", "u", ["u", "w"], "revealed", "siblings/1", 1.0, -0.25, 1.0, ["e"], "train")],
    schema=dict(PAIRS),
    orient="row",
)
ALONE = pl.DataFrame(
    [("a", "k", None, ["u", "w"], "stated", "vote/1", 0.5, 0.125, [], "test")], schema=dict(UNPAIRED), orient="row"
)


def save(engine, project, digest="d", labels=None, progress=lambda share, note: None) -> str:
    frame = labelled() if labels is None else labels
    return datasets.save(
        engine, project.id, {"name": "chat"}, {"seq": 5}, digest, [{"step": "all"}], frame, PAIRED, ALONE, progress
    )


def test_a_dataset_comes_back_as_it_was_saved(engine, project):
    pairs, unpaired, labels = datasets.load(engine, save(engine, project))
    assert_frame_equal(pairs, PAIRED)
    assert_frame_equal(unpaired, ALONE)
    assert_frame_equal(labels, labelled())


def test_the_same_dataset_is_saved_once(engine, project):
    first = save(engine, project)
    assert save(engine, project) == first
    assert save(engine, project, digest="other") != first


class Killed(Exception):
    """As good as a kill -9: nothing is tidied up."""


def test_what_a_dead_worker_left_is_not_a_dataset_and_is_removed_by_the_next(engine, project):
    def die(share: float, note: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        save(engine, project, progress=die)
    with transaction(engine) as session:
        half = session.scalars(select(Dataset.id)).one()
    with pytest.raises(NotFound, match="not finished"):
        datasets.load(engine, half)
    whole = save(engine, project)
    with transaction(engine) as session:
        assert session.scalars(select(Dataset.id)).all() == [whole]
        assert session.scalar(select(func.count()).select_from(Label)) == 3


def test_a_worker_whose_dataset_was_taken_away_writes_no_further_row(engine, project):
    def taken(share: float, note: str) -> None:
        with transaction(engine) as session:
            session.execute(delete(Dataset))

    with pytest.raises(IntegrityError):
        save(engine, project, labels=labelled(datasets.ROWS + 1), progress=taken)
    with transaction(engine) as session:
        assert session.scalar(select(func.count()).select_from(Label)) == 0


def test_a_dataset_that_is_not_there_is_said(engine):
    with pytest.raises(NotFound, match="'nothing' is not there"):
        datasets.load(engine, "nothing")
