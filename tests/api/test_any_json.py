"""Whatever is sent, the answer is never the server's fault."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unspoken.events import KINDS

words = st.text(max_size=12) | st.sampled_from(
    ["m1", "c1", "\0", "user", "assistant", "2026-10-01T12:00:00Z", "x" * 300]
)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**53, 2**63, 2**64, 10**400, 1e308])
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    *("id", "kind", "at", "conversation", "user", "message", "page", "n", "session", "device", "arm", "consent"),
    *("role", "text", "parent", "meta", "tokens", "value", "scale", "lowest", "highest", "chosen", "rejected", "tie"),
    *("order", "level", "propensity", "phase", "seen_chars", "cause", "ms", "chars", "to", "events", "sent_at"),
)
calm = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def send(client):
    def send(content):
        return client.post("/v1/events", content=content, headers={"content-type": "application/json"}).status_code

    return send


def test_any_json_is_taken_or_refused(send):
    @calm
    @given(values | st.fixed_dictionaries({"events": st.lists(values, max_size=4)}, optional={"sent_at": values}))
    def holds(value):
        assert send(json.dumps(value)) in (200, 400, 422)

    holds()


def test_any_bytes_are_taken_or_refused(send):
    @calm
    @given(st.binary(max_size=40))
    def holds(content):
        assert send(content) in (200, 400, 422)

    holds()


def test_any_almost_right_event_is_taken_or_refused(send, make_event):
    @calm
    @given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), values, max_size=4))
    def holds(kind, changed):
        assert send(json.dumps({"events": [make_event(kind) | changed]})) in (200, 400, 409, 422)

    holds()
