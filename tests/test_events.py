"""The vocabulary: what is taken, and the sentence that anything else gets."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken import events
from unspoken.errors import BadEvent

REFUSED = [
    ("vote", {"value": 2}, "value", "less than or equal to 1"),
    ("vote", {"value": True}, "value", "valid integer"),
    ("vote", {"vlaue": 1}, "vlaue", "Did you mean `value`?"),
    ("votes", {}, "kind", 'There is no kind "votes". Did you mean `vote`?'),
    ("thanks", {}, "kind", "derived by the platform"),
    ("vote", {"id": "7"}, "id", "a UUID is needed"),
    ("vote", {"at": "2026-10-01T12:00:00"}, "at", "RFC 3339 with an offset"),
    ("vote", {"at": "2026-02-30T12:00:00Z"}, "at", "day is out of range"),
    ("vote", {"at": 10**20}, "at", "another unit"),
    ("vote", {"at": 1.5}, "at", "whole milliseconds"),
    ("vote", {"at": True}, "at", "whole milliseconds"),
    ("vote", {"at": "9999-12-31T23:59:59-23:59"}, "at", "1970 and 2200"),
    ("vote", {"user": "a\0b"}, "user", "NUL"),
    ("vote", {"user": "\ud800"}, "user", "unicode"),
    ("vote", {"user": "x" * 201}, "user", "at most 200"),
    ("vote", {"message": None}, "message", "valid string"),
    ("expose", {"conversation": ""}, "conversation", "at least 1"),
    ("vote", {"n": -1}, "n", "greater than or equal to 0"),
    ("vote", {"n": 2**60}, "n", "less than or equal"),
    ("vote", {"arm": {"a": "\0"}}, "arm", "NUL"),
    ("vote", {"arm": {"a": float("nan")}}, "arm", "finite"),
    ("vote", {"arm": {"a": "x" * 5000}}, "arm", "at most 4096"),
    ("vote", {"device": "watch"}, "device", "'tablet'"),
    ("rating", {"value": 7}, "", "`lowest` ≤ `value`"),
    ("rating", {"value": float("inf")}, "value", "finite"),
    ("rating", {"value": 10**400}, "value", "valid number"),
    ("choice", {"chosen": "a", "rejected": ["a"]}, "", "different messages"),
    ("choice", {"chosen": None}, "", "`chosen` is missing"),
    ("choice", {"order": ["m1"]}, "", "each once"),
    ("message", {"role": "robot"}, "role", "'assistant'"),
    ("message", {"text": "x" * 1_000_001}, "text", "at most 1000000"),
    ("message", {"parent": "m1"}, "", "the message itself"),
    ("message", {"meta": []}, "meta", "dictionary"),
    ("view", {"visible_ms": 1.5}, "visible_ms", "valid integer"),
    ("close", {"phase": "sleeping"}, "phase", "'composing'"),
]


@pytest.mark.parametrize("kind", events.KINDS)
def test_every_kind_is_taken(kind, make_event):
    event = events.parse(make_event(kind, page="p", n=3, device="phone", arm={"policy": "b"}))
    assert event.kind == kind
    assert event.at == datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("kind", "fields", "field", "sentence"), REFUSED)
def test_what_does_not_fit_is_refused_with_its_field(kind, fields, field, sentence, make_event):
    with pytest.raises(BadEvent) as refusal:
        events.parse(make_event(kind, **fields))
    assert refusal.value.field == field
    assert sentence in refusal.value.detail
    assert len(refusal.value.detail) < 400


@pytest.mark.parametrize("item", [None, 1, "vote", [], [{}]])
def test_what_is_no_object_is_no_event(item):
    with pytest.raises(BadEvent, match="JSON object"):
        events.parse(item)


def test_a_missing_field_is_named(make_event):
    item = make_event("vote")
    del item["value"]
    with pytest.raises(BadEvent, match="`value` is missing; a `vote` event needs it"):
        events.parse(item)


def test_an_object_nested_too_deeply_is_refused(make_event):
    nested: dict[str, object] = {}
    for _ in range(5000):
        nested = {"a": nested}
    with pytest.raises(BadEvent, match="deeper"):
        events.parse(make_event("vote", arm=nested))


def test_two_spellings_of_an_id_are_one(make_event):
    item = make_event("vote")
    assert events.parse(item).id == events.parse(item | {"id": item["id"].upper()}).id == item["id"]


def test_milliseconds_and_text_say_the_same_time(make_event):
    written = events.parse(make_event("vote", at="2026-10-01T14:00:00.250+02:00")).at
    assert written == events.parse(make_event("vote", at=1790856000250)).at
    assert written.utcoffset() == timedelta(0)


def test_the_fields_of_a_message_leave_its_text_out(make_event):
    event = events.parse(make_event("message", parent="m0", tokens=12))
    assert events.own_fields(event) == {"role": "user", "parent": "m0", "tokens": 12}


def test_a_clock_that_is_a_day_off_is_corrected():
    received, day = datetime(2026, 10, 1, 12, tzinfo=UTC), timedelta(days=1)
    clicked = received - timedelta(seconds=3)
    assert events.occurred_at(clicked + day, received + day, received) == clicked
    assert events.occurred_at(clicked, None, received) == clicked


def test_equal_prompts_have_equal_digests():
    assert events.digest("Hello\u00a0 World\n") == events.digest("hello world") == events.digest("ＨＥＬＬＯ WORLD")
    assert events.digest("hello world") != events.digest("hello, world")
    assert len(events.digest("")) == 32


def test_a_user_is_hashed_under_the_projects_secret():
    one, other = "00" * 32, "11" * 32
    assert events.hash_user(one, "ann") == events.hash_user(one, "ann")
    assert len({events.hash_user(one, "ann"), events.hash_user(one, "bob"), events.hash_user(other, "ann")}) == 3


@given(st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.just(timezone(timedelta(hours=5)))))
def test_any_time_survives_being_written(moment):
    assert events.instant(moment.isoformat()) == moment
