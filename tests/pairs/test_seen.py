"""What a build takes from events: of each conversation alone, so that parts of them say what all of them do."""

from random import Random

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.pairs.test_build import SECRET, answered, asked, built, sent

from unspoken.frames import REFUSED
from unspoken.pairs.build import build, label
from unspoken.pairs.consented import consented, refused
from unspoken.pairs.recipe import named
from unspoken.pairs.seen import TABLES, seen, tables
from unspoken.signals.reading import frames


def of(frame, talks):
    return frame.filter(pl.col("conversation").is_in(talks))


@pytest.mark.parametrize("share", [0.0, 0.002])
def test_parts_of_the_conversations_are_together_what_all_of_them_are(world, share):
    messages, events, _ = frames(world, SECRET)
    random = Random(1)
    no = [(event, True) for event in events["event"] if random.random() < share]
    out = pl.DataFrame(no, schema=dict(REFUSED), orient="row")
    talks = events["conversation"].unique().sort().to_list()
    parts = [talks[:7], talks[7:8], talks[8:]]
    made = [
        tables(of(messages, part).sample(fraction=1, shuffle=True, seed=1), of(events, part), out) for part in parts
    ]
    found = seen({name: pl.concat([part[name] for part in made]) for name in TABLES})

    whole = tables(messages, events, out)
    for name, rows in whole.items():
        assert_frame_equal(rows, pl.concat([part[name] for part in made]))
    kept_messages, kept, before = consented(messages, events, out)
    assert found.steps == before
    assert len(before) == (share > 0)
    by_parts = label(found, named("chat-acts"))
    at_once = build(kept_messages, kept, named("chat-acts"), before=before)
    assert by_parts.digest == at_once.digest
    assert (by_parts.funnel, by_parts.signals) == (at_once.funnel, at_once.signals)


def test_signals_are_counted_by_the_answers_that_they_speak_of():
    elsewhere = {"conversation": "d"}
    found = built(
        [
            asked(0, "q"), answered(1, "a", "q"), answered(2, "b", "q"),
            sent(3, "expose", "a"), sent(4, "expose", "a"), sent(5, "expose", "b"), sent(6, "expose", "gone"),
            sent(7, "rating", scale="q", value=3, lowest=1, highest=5),
            asked(8, "p", **elsewhere), sent(9, "copy", "a", chars=1, **elsewhere),
        ]
    )  # fmt: skip
    counts = {row["signal"]: (row["events"], row["answers"]) for row in found.signals}
    assert counts == {
        "expose": (4, 2),
        "rating": (1, 2),  # of the conversation
        "copy": (1, 0),  # it names another conversation than its answer stands in
        "wrote again": (0, 0),
    }


def test_consent_is_read_as_the_tables_read_it():
    said = [None, "2026-10:service", "2026-10:service,training", "nonsense"]
    events = pl.DataFrame({"event": [str(place) for place in range(4)], "consent": said})
    assert refused(events, "training", assumed=True).rows() == [("1", True), ("3", True)]
    assert refused(events, "training", assumed=False).rows() == [("0", False), ("1", True), ("3", True)]
