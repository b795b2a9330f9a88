"""What nobody agreed to be learned from gives no labels and no pairs, and is counted."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspoken.events import parse
from unspoken.frames import REFUSED
from unspoken.pairs.build import build
from unspoken.pairs.consented import REASON, TAKEN_ALONG, consented
from unspoken.pairs.recipe import named
from unspoken.signals.reading import frames


@pytest.fixture
def chat(make_event):
    """Two conversations of a prompt, an answer, an exposure and a vote; the frames, and ids by (conversation, kind)."""
    events = []
    for user, conversation in (("ann", "c1"), ("bob", "c2")):
        own = {"conversation": conversation, "user": user}
        answer = {"conversation": conversation, "message": f"{conversation}-a"}
        events += [
            make_event("message", message=f"{conversation}-q", **own),
            make_event("message", role="assistant", parent=f"{conversation}-q", text="At the park.", **answer),
            make_event("expose", user=user, **answer),
            make_event("vote", user=user, **answer),
            make_event("close", user=user, conversation=conversation, message=f"{conversation}-a", cause="inferred"),
        ]
    ids = {(event["conversation"], event["kind"], event.get("role")): event["id"] for event in events}
    messages, seen, _ = frames(map(parse, events), "00")
    return messages, seen, ids


def refused(*events, said=True):
    return pl.DataFrame([(event, said) for event in events], schema=dict(REFUSED), orient="row")


def test_where_everything_may_be_used_nothing_changes_and_nothing_is_counted(chat):
    messages, events, _ = chat
    assert consented(messages, events, refused()) == (messages, events, [])


def test_a_vote_without_consent_is_left_out_alone(chat):
    messages, events, ids = chat
    vote = ids["c1", "vote", None]
    kept_messages, kept, [step] = consented(messages, events, refused(vote))
    assert set(events["event"]) - set(kept["event"]) == {vote}
    assert kept_messages.height == messages.height
    assert step["dropped"] == [{"reason": REASON, "count": 1}]
    built = build(kept_messages, kept, named("chat"), before=[step])
    assert built.labels.filter(pl.col("family") == "stated")["message"].to_list() == ["c2-a"]
    assert built.funnel[0] == step


@pytest.mark.parametrize("kind", [("message", "user"), ("message", "assistant"), ("expose", None)])
def test_a_message_or_an_act_without_consent_takes_its_conversation_along(chat, kind):
    messages, events, ids = chat
    kept_messages, kept, [step] = consented(messages, events, refused(ids["c1", *kind]))
    assert set(kept_messages["conversation"]) == set(kept["conversation"]) == {"c2"}
    assert step["dropped"] == [{"reason": REASON, "count": 1}, {"reason": TAKEN_ALONG, "count": 4}]
    built = build(kept_messages, kept, named("chat"), before=[step])
    assert set(built.labels["message"]) == {"c2-a"}
    assert set(built.episodes["message"]) == {"c2-a"}  # not among the neutral texts either


@pytest.mark.parametrize("kind", [("message", "assistant"), ("close", None)])
def test_what_a_machine_wrote_or_inferred_needs_no_consent_of_its_own(chat, kind):
    messages, events, ids = chat
    silent = refused(ids["c1", *kind], said=False)
    assert consented(messages, events, silent)[2] == []


def test_where_consent_is_required_silence_of_a_person_is_none(chat):
    messages, events, ids = chat
    kept, _, [step] = consented(messages, events, refused(ids["c1", "message", "user"], said=False))
    assert set(kept["conversation"]) == {"c2"}
    assert json.dumps(step)  # as the manifest takes it


@given(st.data())
def test_what_entered_was_kept_or_counted_and_nothing_refused_is_kept(make_event, data):
    kinds = st.sampled_from(["message", "vote", "rating", "view", "copy", "regenerate", "share"])
    drawn = data.draw(st.lists(st.tuples(kinds, st.sampled_from(["c1", "c2", "c3"]), st.booleans()), max_size=30))
    items = [make_event(kind, conversation=where, message=f"{where}-m", user="ann") for kind, where, _ in drawn]
    messages, events, _ = frames(map(parse, items), "00")
    no = [item["id"] for item, (*_, refuses) in zip(items, drawn, strict=True) if refuses]
    _, kept, steps = consented(messages, events, refused(*no))
    assert not set(no) & set(kept["event"])
    for step in steps:
        assert step["entered"] == events.height
        assert step["kept"] == kept.height
        assert step["entered"] == step["kept"] + sum(drop["count"] for drop in step["dropped"])
