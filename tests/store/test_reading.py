"""Typed frames out of the tables: on either database what the same events give without one."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import select

from unspoken.events import parse
from unspoken.frames import FIELDS
from unspoken.signals.reading import frames
from unspoken.store import bulk, reading
from unspoken.store.database import reading as looking
from unspoken.store.database import transaction
from unspoken.store.ingest import ingest
from unspoken.store.tables import Event

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
SEEN = {"seen_chars": 12, "total_chars": 40}
# Every kind with every field of its own.
WHOLE: dict[str, dict[str, Any]] = {
    "message": {
        "role": "assistant", "text": "Wo?\n„Dort“", "parent": "m0", "model": "x", "finish": "length", "tokens": 5,
        "ttft_ms": 7, "duration_ms": 900, "meta": {"topic": "travel", "more": [1, {"a": None}]},
    },
    "vote": {"value": -1, "reasons": ["wrong"], "comment": "no"},
    "rating": {"scale": "quality", "value": 2.5, "lowest": 0, "highest": 5, "comment": "so so"},
    "choice": {"chosen": "m1", "rejected": ["m2", "m3"], "tie": True, "order": ["m3", "m1", "m2"]},
    "solicit": {"level": "firm", "shown": True, "answered": False, "propensity": 0.25},
    "expose": {},
    "heartbeat": {"phase": "reading", **SEEN},
    "view": {"visible_ms": 1, "active_ms": 2, "idle_ms": 3, "hidden_ms": 4, **SEEN},
    "regenerate": {"phase": "streaming", "displayed": "m2", **SEEN},
    "stop": SEEN,
    "close": {"phase": "composing", "cause": "inferred", "silent_ms": 2**53 - 1, **SEEN},
    "hide": {"phase": "reading"},
    "return": {"phase": "reading", "away_ms": 5},
    "disconnect": {"sent_chars": 3, "total_chars": 4},
    "pause": {"ms": 800, "phase": "reading"},
    "copy": {"chars": 9, "part": "code"},
    "select": {"previous": "m2", "displayed": "m3"},
    "edit": {"to": "m9"},
    "share": {},
}  # fmt: skip
ENVELOPE = {"user": "ann", "page": "p", "n": 3, "session": "s", "device": "phone", "arm": {"policy": "ü", "b": [2, 1]}}


@pytest.fixture
def both(engine, project):
    """Events stored and read again, beside the frames of the same events that never were in a database."""

    def both(items):
        events = [parse(item) for item in items]
        with transaction(engine) as session:
            ingest(session, project, events, sent_at=None, received_at=AT)
        with looking(engine) as session:
            read = reading.read_messages(session, project.id), reading.read_events(session, project.id)
        messages, acts, _ = frames(events, project.user_secret)
        return read, (messages.sort("at", "message"), acts.sort("at", "event"))

    return both


def test_every_field_of_every_kind_is_what_was_sent(both, make_event):
    items = [make_event(kind, **own, **ENVELOPE) for kind, own in WHOLE.items()]
    items += [make_event(kind, message="bare") for kind in WHOLE]  # and nothing that may be left out
    (messages, events), expected = both(items)
    assert_frame_equal(messages, expected[0])
    assert_frame_equal(events, expected[1])
    assert [name for name in FIELDS if events[name].null_count() == events.height] == []


def test_names_that_a_format_could_stumble_over_come_back(both, make_event):
    names = ['a"b', "c,d", "e\nf", "g\r\nh", "i\\N", "\\.", "100 %s", "NULL", "🙂", "'; --", " x ", "{}", "\x1f\t"]
    items = [make_event("message", message=name, conversation=name, page=name, meta={"topic": name}) for name in names]
    (messages, events), expected = both(items)
    assert_frame_equal(messages, expected[0])
    assert_frame_equal(events, expected[1])
    assert set(events["topic"]) == set(events["message"]) == set(messages["conversation"]) == set(names)


def test_what_stands_beside_the_columns_stops_nobody(both, make_event):
    metas = [{"topic": {"a": 1}}, {"topic": ["x"]}, {"topic": 5}, {"topic": None}, {"n": 1e308}, {"n": 2**64 - 1}, {}]
    items = [make_event("message", message=f"m{place}", meta=meta) for place, meta in enumerate(metas)]
    items += [make_event("rating", value=1e-300, lowest=-1e308, highest=1e308)]
    (_, events), expected = both(items)
    assert_frame_equal(events, expected[1])
    assert events["topic"].null_count() == events.height
    assert events["highest"].max() == 1e308


def test_blocks_are_bounded_and_together_are_everything(engine, project, make_event, monkeypatch):
    monkeypatch.setattr(bulk, "BLOCK", 200)
    monkeypatch.setattr(bulk, "FETCH", 50)
    monkeypatch.setattr(bulk, "BLOCK_BYTES", 200 * 40)
    ids = [str(uuid4()) for _ in range(1_030)]
    with transaction(engine) as session:
        events = [parse(make_event("vote", id=each)) for each in ids]
        ingest(session, project, events, sent_at=None, received_at=AT)
    with looking(engine) as session:
        found = list(bulk.blocks(session, select(Event.id, Event.n), {"event": pl.String, "n": pl.Int64}))
    assert len(found) > 3 and max(block.height for block in found) <= 250
    assert sorted(pl.concat(found)["event"]) == sorted(ids)
