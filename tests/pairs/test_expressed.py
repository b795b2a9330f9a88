"""What of the conversations is held while their replies are read."""

import polars as pl

from unspoken.frames import EPISODES
from unspoken.pairs import expressed
from unspoken.pairs.funnel import Funnel

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
