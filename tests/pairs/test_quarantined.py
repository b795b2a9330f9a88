"""Leaving out whoever is in quarantine."""

import polars as pl

from unspoken.frames import EPISODES
from unspoken.pairs.funnel import Funnel
from unspoken.pairs.quarantined import rules


def users(*rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"user": pl.String, "reason": pl.String}, orient="row")


def test_everything_of_theirs_is_left_out_and_counted_by_reason():
    rows = [
        {"message": name, "user": user, "author": author}
        for name, user, author in (
            ("a", "ann", None), ("b", "bot", None), ("c", "bot", None), ("d", "bot-2", None), ("e", "eve", None),
            ("f", "ann", "bot"), ("g", None, None),
        )
    ]  # fmt: skip
    held = users(("bot", "like a clock: spread 0.01"), ("bot-2", "like a clock: spread 0.02"), ("eve", "tests for us"))
    funnel = Funnel()
    kept = funnel.keep("answers: quarantine", pl.DataFrame(rows, schema=dict(EPISODES)), rules(held))
    assert kept["message"].to_list() == ["a", "g"]
    assert funnel.steps[0]["dropped"] == [
        {"reason": "quarantined: like a clock", "count": 4},
        {"reason": "quarantined: tests for us", "count": 1},
    ]


def test_nobody_in_quarantine_is_no_rule():
    assert rules(users()) == []
