"""Acts to log-odds: the revealed family, which knows nothing of what was said."""

from math import sinh
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unspoken.frames import EPISODES
from unspoken.signals import evidence
from unspoken.signals.evidence import acts


def seen(*rows: dict[str, Any]) -> pl.DataFrame:
    """Episodes of only the columns that revealed evidence may read."""
    plain = {
        "user": "u", "chars": 400, "exposed": True, "duration_ms": 2000, "visible_ms": 5000, "stopped": False,
        "regenerated": False, "regenerated_unread": False, "copied_share": 0.0, "evidence": ["e"],
    }  # fmt: skip
    schema = {name: EPISODES[name] for name in evidence.REVEALED_COLUMNS}
    return pl.DataFrame([{"message": f"m{n}"} | plain | row for n, row in enumerate(rows)], schema=schema)


def log_odds(*rows: dict[str, Any]) -> list[float]:
    return acts(seen(*rows))["lo"].to_list()


def test_what_nobody_saw_is_not_judged():
    found = acts(seen({"exposed": False, "visible_ms": None}, {}))
    assert found["p"].to_list() == [None, 0.5]


def test_a_stop_speaks_against_and_surviving_the_stream_speaks_for():
    stopped, read = log_odds({"stopped": True, "visible_ms": 1000}, {"visible_ms": 9000})
    # One stop in 1 s and 2 s at risk: the second answer was whole after 2 s, and nobody can stop what is whole.
    assert stopped == pytest.approx(-2 * 0.8 + 2 * sinh(0.8) * 1 / 3)
    assert read == pytest.approx(2 * sinh(0.8) * 2 / 3)


def test_the_stops_of_all_answers_weigh_out():
    """Σ(δ − Λ₀) = 0: where stops do not depend on anything, their martingale residuals sum to nothing."""
    found = acts(seen({"stopped": True, "visible_ms": 1000}, {}, {"stopped": True, "visible_ms": 300}, {}))
    risk = np.array([1.0, 2.0, 0.3, 2.0])
    residual = (np.array([1, 0, 1, 0]) - 2 / risk.sum() * risk).sum()
    assert residual == pytest.approx(0)
    assert found["lo"].sum() == pytest.approx(2 * (-2 * 0.8) + 2 * sinh(0.8) * 2)


def test_an_unknown_time_puts_nothing_at_risk():
    lost, _ = log_odds({"visible_ms": None, "copied_share": 1.0}, {"stopped": True, "visible_ms": 1000})
    assert lost == 1.5


def test_an_exposed_answer_of_which_no_act_and_no_time_came_is_not_judged():
    found = acts(seen({"visible_ms": None}, {"visible_ms": None, "regenerated": True}, {"visible_ms": 0}))
    assert found["p"].is_null().to_list() == [True, False, False]


def test_a_regenerate_after_a_stop_is_one_act():
    stop = {"stopped": True, "visible_ms": 1000}
    alone, both = log_odds(stop, stop | {"regenerated": True, "regenerated_unread": True})
    assert alone == both


def test_regenerating_unread_says_less_than_after_reading():
    read, unread, neither = log_odds(
        {"regenerated": True}, {"regenerated": True, "regenerated_unread": True, "visible_ms": 900}, {}
    )
    assert read < unread < neither


def test_copying_speaks_up_to_a_third_and_not_copying_says_nothing():
    assert log_odds({}, {"copied_share": 0.15}, {"copied_share": 0.3}, {"copied_share": 1.0}) == [0, 0.75, 1.5, 1.5]


def test_only_a_close_while_it_streams_counts():
    streaming, reading, composing = log_odds({"closed": "streaming"}, {"closed": "reading"}, {"closed": "composing"})
    assert streaming < reading == composing


def test_dwell_is_the_time_beyond_length_and_the_users_own_pace():
    random = np.random.default_rng(5)
    chars = random.integers(50, 2000, 400)
    left = random.normal(size=400) * 0.3
    pace = np.repeat([0.6, -0.6], 200)
    ms = (np.exp(np.log(chars / 22.6) + pace + left) * 1000).astype(int)
    found = acts(
        seen(
            *(
                {"chars": int(c), "visible_ms": int(t), "user": "slow" if p > 0 else "fast"}
                for c, t, p in zip(chars, ms, pace, strict=True)
            )
        )
    )
    assert np.corrcoef(found["dwell_z"].to_numpy(), left)[0, 1] > 0.99
    assert np.corrcoef(found["dwell_z"].to_numpy(), chars)[0, 1] == pytest.approx(0, abs=0.1)


def test_time_that_was_cut_short_is_no_dwell():
    rows: list[dict[str, Any]] = [{"visible_ms": 1000 * n} for n in range(1, 30)]
    cut: list[dict[str, Any]] = [{"stopped": True}, {"closed": "reading"}, {"regenerated": True}, {"visible_ms": None}]
    assert acts(seen(*rows, *cut))["dwell_z"].tail(4).null_count() == 4


def test_too_few_times_say_nothing():
    assert acts(seen({}, {"visible_ms": 10}))["dwell_z"].null_count() == 2


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "exposed": st.booleans(),
                "visible_ms": st.none() | st.integers(0, 100_000),
                "duration_ms": st.none() | st.integers(0, 100_000),
                "chars": st.integers(0, 5000),
                "stopped": st.booleans(),
                "closed": st.sampled_from([None, "streaming", "reading", "composing"]),
                "regenerated": st.booleans(),
                "regenerated_unread": st.booleans(),
                "copied_share": st.floats(0, 1),
                "user": st.sampled_from(["u", "v", None]),
            }
        ),
        max_size=40,
    )
)
def test_a_probability_is_known_exactly_where_it_was_seen_and_an_act_or_a_time_came(rows):
    found = acts(seen(*rows))
    known = [
        row["exposed"]
        and (
            row["visible_ms"] is not None
            or row["stopped"]
            or row["closed"] == "streaming"
            or row["regenerated"]
            or row["copied_share"] > 0
        )
        for row in rows
    ]
    assert found["p"].is_not_null().to_list() == known
    assert found["p"].drop_nulls().is_between(0, 1).all()


def test_rows_in_another_order_get_the_same_log_odds():
    rows = seen({"stopped": True, "visible_ms": 10}, {"copied_share": 0.1}, {"closed": "streaming"}, {})
    assert_frame_equal(acts(rows.reverse()).sort("message"), acts(rows))
