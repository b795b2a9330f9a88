"""The vocabulary: what is taken, and the sentence that anything else gets."""

import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unspoken import events
from unspoken.errors import BadEvent
from unspoken.events.kinds import CLASSES

REFUSED = [
    ("vote", {"value": 2}, "value", "less than or equal to 1"),
    ("vote", {"value": True}, "value", "it should be a valid integer."),
    ("solicit", {"shown": 1}, "shown", "it should be true or false."),
    ("vote", {"vlaue": 1}, "vlaue", "Did you mean `value`?"),
    ("votes", {}, "kind", 'There is no kind "votes". Did you mean `vote`?'),
    ("thanks", {}, "kind", "derived by the platform"),
    ("vote", {"id": "7"}, "id", "a UUID is needed"),
    ("vote", {"id": 7}, "id", "a UUID is needed"),
    ("vote", {"id": "018f6b1e-0d5c-7c3a-9b1e-2f6a7c8d9e0f\n"}, "id", "a UUID is needed"),
    ("vote", {"id": "018f6b1e00d5c-7c3a-9b1e-2f6a7c8d9e0f"}, "id", "a UUID is needed"),
    ("vote", {"reasons": ["a", 7]}, "reasons.1", "valid string"),
    ("vote", {"reasons": ["a"] * 51}, "reasons", "at most 50 items"),
    ("vote", {"reasons": ["a", "\0"]}, "reasons", "NUL"),
    ("vote", {"n": 1.0}, "n", "valid integer"),
    ("vote", {"\ud800": 1}, "?", "has no field"),
    ("solicit", {"propensity": 0}, "propensity", "greater than 0"),
    ("choice", {"rejected": []}, "rejected", "at least 1 item"),
    ("vote", {"at": "2026-10-01T12:00:00"}, "at", "RFC 3339 with an offset"),
    ("vote", {"at": "2026-02-30T12:00:00Z"}, "at", "day is out of range"),
    ("vote", {"at": 10**20}, "at", "another unit"),
    ("vote", {"at": 1_791_000_000}, "at", "milliseconds since 1970 are needed; were these seconds?"),
    ("vote", {"at": 0}, "at", "were these seconds?"),
    ("vote", {"at": 99_999_999_999}, "at", "were these seconds?"),
    ("vote", {"at": -1}, "at", "another unit"),
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


@pytest.mark.parametrize("at", [-1, 0, 1_791_000_000, 10**11 - 1, 10**11, 7_258_118_399_999, 7_258_118_400_000])
def test_both_readers_draw_the_same_line_between_seconds_and_milliseconds(make_event, at):
    assert agree([make_event(at=at)]) is (10**11 <= at < 7_258_118_400_000)
    batch = json.dumps({"events": [], "sent_at": at}).encode()
    assert (events.decode(batch) is not None) is (10**11 <= at < 7_258_118_400_000)


def test_a_text_says_a_time_from_1970_on(make_event):
    assert agree([make_event(at="1970-01-01T00:00:00Z")])


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


words = st.text(max_size=8) | st.sampled_from(
    [
        "m1",
        "\0",
        "\\u0000",
        "\ud800",
        "\U0001f600",
        "user",
        "2026-10-01T12:00:00Z",
        "1970-01-01T00:00:00-01:00",
        "x" * 300,
    ]
)
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -0.0, 1.0, 5, 1_791_000_000, 10**11, 2**53, 2**63, 2**64, 10**30, 10**400, 1e308, 1e999])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)
FIELDS = sorted({"kind", "nothing"}.union(*(each.__struct_fields__ for each in CLASSES.values())))


def nested(levels):
    value: dict[str, object] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def agree(items, body=None):
    """Whether the fast reader takes these items, which it does if and only if the slow one takes each, and equally."""
    try:
        slow = [events.parse(item) for item in items]
    except BadEvent as refusal:
        assert refusal.detail.encode()
        slow = None
    fast = events.decode(body or json.dumps(items).encode())
    assert fast == (None if slow is None else (slow, None))
    return fast is not None


@settings(max_examples=400)
@given(st.sampled_from(events.KINDS), st.dictionaries(st.sampled_from(FIELDS), values, max_size=3))
def test_both_readers_take_the_same_events(make_event, kind, changed):
    agree([make_event(kind) | changed])


@pytest.mark.parametrize(("levels", "taken"), [(1, True), (16, True), (17, False), (500, False), (5000, False)])
def test_both_readers_take_as_deep_an_object(make_event, levels, taken):
    item = make_event()
    written = b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)  # json.dumps itself gives up at a thousand
    body = b'[%s,"arm":%s}]' % (json.dumps(item).encode()[:-1], written)
    assert agree([item | {"arm": nested(levels)}], body) is taken


@pytest.mark.parametrize("kind", [None, 1, True, ["vote"], {}, "", "Vote", "vote\0"])
def test_what_is_no_kind_is_none(make_event, kind):
    assert not agree([make_event() | {"kind": kind}])


@given(st.binary(max_size=30))
def test_the_fast_reader_takes_no_bytes_that_are_no_events(body):
    assert events.decode(body) in (None, ([], None))


@given(st.data())
def test_the_fast_reader_takes_no_damaged_body_that_json_refuses(make_event, data):
    body = bytearray(json.dumps(make_event("vote", arm={"a": [1, "ü", None]}, comment="so \\ so")).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    found = events.decode(bytes(body))
    if found is not None:
        assert found == ([events.parse(json.loads(bytes(body)))], None)


def test_a_body_is_one_event_or_a_list_or_a_batch(make_event):
    item = make_event()
    event, at = events.parse(item), datetime(2026, 10, 1, 12, 0, 1, tzinfo=UTC)
    said = "2026-10-01T14:00:01+02:00"
    for body, sent_at in [
        (item, None),
        ([item], None),
        ({"events": [item]}, None),
        ({"events": [item], "sent_at": said}, at),
        ({"sent_at": 1790856001000, "events": [item]}, at),
    ]:
        for indent in (None, 2):
            assert events.decode(json.dumps(body, indent=indent).encode()) == ([event], sent_at)
    for body in ({"events": [item], "more": 1}, {"events": item}, {"events": [item], "sent_at": "now"}, [[item]], None):
        assert events.decode(json.dumps(body).encode()) is None


def test_of_a_field_given_twice_the_last_counts_or_the_fast_reader_declines(make_event):
    body = json.dumps(make_event("vote", value=1)).encode()
    for twice in (
        b'"value":-1',
        b'"value":2',
        b'"kind":"vote"',
        b'"kind":"share"',
        b'"n":"one","n":1',
        b'"n":1,"n":"one"',
    ):
        given = body[:-1] + b"," + twice + b"}"
        found = events.decode(given)
        assert found is None or found == ([events.parse(json.loads(given))], None)


def test_the_schema_knows_every_kind_and_holds_no_reference():
    said = events.schema()
    assert [each["properties"]["kind"]["enum"] for each in said["oneOf"]] == [[kind] for kind in CLASSES]
    assert set(CLASSES) == set(events.KINDS)
    assert "$ref" not in json.dumps(said)


def test_a_row_of_marks_is_normalised_in_pieces():
    """In one piece it takes the square of its length: minutes for a text that was made for it."""
    row = events.normalized("NFC", "e" + "\u0327\u0301" * 500)
    assert max(len(list(marks)) for joined, marks in groupby(row, lambda each: each == "\u034f") if not joined) <= 31
    assert events.digest("Ｈéllo  wörld") == events.digest("he\u0301llo WÖRLD")
    assert events.normalized("NFC", "e\u0301\u0327") == "\u0229\u0301"
