"""What of the conversations is held while their replies are read."""

import polars as pl

from unspoken.frames import EPISODES
from unspoken.pairs import expressed
from unspoken.pairs.funnel import Funnel
from unspoken.signals.replies import rules

TOLD = pl.DataFrame(schema={"kind": pl.String, "message": pl.String, "at": EPISODES["at"], "event": pl.String})


def test_texts_are_asked_for_in_parts_that_cut_no_conversation():
    answers, each = 3 * expressed._AT_ONCE, 7
    place = pl.int_range(answers, eager=True)
    talk, number = (place // each).cast(pl.String), place.cast(pl.String)
    units = pl.DataFrame({"message": number, "conversation": talk, "prompt": "p" + number, "reply": "r" + number})
    units = pl.concat([pl.DataFrame(schema=dict(EPISODES)), units], how="diagonal")
    asked: list[set[int]] = []

    def text_of(ids):
        asked.append({int(one[1:]) // each for one in ids})
        assert len(ids) <= 2 * (expressed._AT_ONCE + each)
        return {}

    expressed.labels(units, TOLD, text_of, None, Funnel())
    assert len(asked) == 3
    assert sum(map(len, asked)) == len(set().union(*asked)) == answers // each + 1


def test_no_text_that_was_read_is_kept_in_memory():
    answer = {"message": "a", "conversation": "c", "prompt": "p", "reply": "r"}
    units = pl.concat([pl.DataFrame(schema=dict(EPISODES)), pl.DataFrame([answer])], how="diagonal")
    told = pl.concat([TOLD, pl.DataFrame([{"kind": "message", "message": "r", "event": "e"}])], how="diagonal")
    found, _ = expressed.labels(units, told, lambda ids: {"p": "What is it?", "r": "That is wrong."}, None, Funnel())
    assert found["message"].to_list() == ["a"]
    assert not rules._found.cache_info().currsize
