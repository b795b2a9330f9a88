"""The label model of the revealed family: what it finds again, what it does not know, and what it may not read."""

import json
from dataclasses import asdict, replace
from time import process_time

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.signals.factor_world import SLOPES, draw

from unspoken.frames import EPISODES
from unspoken.signals.episodes import episodes as episodes_of
from unspoken.signals.evidence import acts
from unspoken.signals.factor.design import design
from unspoken.signals.factor.log import log_of
from unspoken.signals.factor.model import Factor, fit
from unspoken.signals.factor.observed import REVEALED_COLUMNS, observed
from unspoken.signals.factor.times import Time
from unspoken.simulate.draws import draw as simulated
from unspoken.simulate.log import log
from unspoken.simulate.presets import preset
from unspoken.simulate.world import truth

WORLD = draw(6000, seed=3, close_by_topic=(-0.8, 0.6))
DWELL = 0.4 / (1 + 0.4**2) ** 0.5  # of times in their own sd


@pytest.fixture(scope="module")
def model() -> Factor:
    return fit(WORLD.episodes)


@pytest.fixture(scope="module")
def small() -> Factor:
    return fit(WORLD.episodes.head(2500))


@pytest.fixture(scope="module")
def labels(model: Factor) -> pl.DataFrame:
    return model.posterior(WORLD.episodes)


def observed_of(episodes: pl.DataFrame) -> pl.DataFrame:
    return observed(episodes.select(REVEALED_COLUMNS), log_of(episodes))


def slope(model: Factor, signal: str, topic: str | None = None) -> tuple[float, float]:
    (found,) = (row for row in model.loadings if (row.signal, row.of, row.topic) == (signal, "slope", topic))
    return found.value, found.se


@pytest.mark.parametrize(
    ("signal", "planted"), [("stop", -0.8), ("regenerate", -1.0), ("copy", 0.9), ("dwell", DWELL), ("writes", 0.5)]
)
def test_planted_slopes_come_back_within_three_of_their_errors(model, signal, planted):
    found, se = slope(model, signal)
    assert 0 < se < 0.5
    assert abs(found - planted) < 3 * se
    assert np.sign(found) == np.sign(planted)


def test_a_topic_where_leaving_early_is_good_has_another_slope_of_close(model):
    assert model.design is not None
    assert slope(model, "close", "t0")[0] < -0.1 < 0.1 < slope(model, "close", "t1")[0]


def test_p_is_calibrated_and_far_better_than_chance(labels):
    p, good = labels["p"].to_numpy(), WORLD.worth > 0
    assert ((p - good) ** 2).mean() < 0.22
    for low, high in ((0.0, 0.35), (0.35, 0.65), (0.65, 1.0)):
        inside = (p >= low) & (p < high)
        assert abs(p[inside].mean() - good[inside].mean()) < 0.05


def test_mean_and_sd_are_those_of_the_worth(labels):
    z = (WORLD.worth - labels["mean"].to_numpy()) / labels["sd"].to_numpy()
    assert abs(z.mean()) < 0.05
    assert abs(z.std() - 1) < 0.05


def test_an_unread_regenerate_speaks_for_variety_not_against_the_answer(labels):
    rows = labels.join(WORLD.episodes.select("message", "regenerated_unread", "regenerated", "stopped"), on="message")
    unread = rows.filter("regenerated_unread")
    read = rows.filter(pl.col("regenerated") & ~pl.col("stopped") & ~pl.col("regenerated_unread"))
    assert unread["variety"].mean() > 0.4 > read["variety"].mean()
    assert unread["p"].mean() > read["p"].mean() + 0.1


def test_moved_names_the_acts_largest_first(labels):
    stops = [move["by"] for row in labels["moved"].to_list() for move in row if move["act"] == "stop"]
    assert len(stops) > 0.9 * WORLD.episodes.filter("stopped").height
    assert max(stops) < -0.3
    for row in labels["moved"].head(300).to_list():
        sizes = [abs(move["by"]) for move in row]
        assert sizes == sorted(sizes, reverse=True)
        assert all(size >= 0.05 for size in sizes)


def test_an_act_moved_p_by_what_p_would_be_were_it_not_known(model, labels):
    assert model.design.habits["copy"].variance == 0  # or else one user's answers would speak of one another
    copied = WORLD.episodes["copied_share"] > 0
    without = model.posterior(WORLD.episodes.with_columns(copied_share=pl.lit(None, pl.Float64)))
    logit = [np.log(frame["p"] / (1 - frame["p"])).filter(copied) for frame in (labels, without)]
    by = [next(m["by"] for m in row if m["act"] == "copy") for row in labels["moved"].filter(copied).to_list()]
    np.testing.assert_allclose(by, logit[0] - logit[1], atol=1e-9)


def test_a_signal_unknown_of_all_answers_leaves_the_labels_of_a_model_without_it(model):
    place = model.design.signals.index("copy")
    rates = {signal: rate for signal, rate in model.design.rates.items() if signal != "copy"}
    without = replace(
        model, design=replace(model.design, rates=rates), thetas=[*model.thetas[:place], *model.thetas[place + 1 :]]
    )
    unknown = WORLD.episodes.with_columns(copied_share=pl.lit(None, pl.Float64))
    assert_frame_equal(model.posterior(unknown), without.posterior(WORLD.episodes), abs_tol=1e-9)


def test_any_order_of_the_rows_gives_the_same_bits(small):
    few = WORLD.episodes.head(2500)
    shuffled = few.sample(fraction=1, shuffle=True, seed=1)
    again = fit(shuffled)
    assert json.dumps(again.as_dict()) == json.dumps(small.as_dict())
    assert_frame_equal(
        again.posterior(shuffled).sort("message"), small.posterior(few).sort("message"), check_exact=True
    )


def test_a_stored_model_gives_the_same_labels_to_the_bit(model, labels):
    stored = Factor.from_dict(json.loads(json.dumps(model.as_dict())))
    assert_frame_equal(stored.posterior(WORLD.episodes), labels, check_exact=True)


def test_votes_and_what_was_kept_or_said_change_no_bit(model, labels, small):
    others = [name for name in EPISODES if name not in REVEALED_COLUMNS]
    assert {"vote", "rating", "kept", "stated_evidence", "solicit_answered", "reply"} <= set(others)
    changed = WORLD.episodes.with_columns(
        pl.lit(None).cast(EPISODES[name]).alias(name) if name == "at" else _other(name) for name in others
    )
    assert json.dumps(fit(changed.head(2500)).as_dict()) == json.dumps(small.as_dict())
    assert_frame_equal(model.posterior(changed), labels, check_exact=True)


def _other(name: str) -> pl.Expr:
    """Another value in every row."""
    values = {pl.Boolean: True, pl.Int64: 1, pl.Float64: 0.7, pl.String: "other"}
    dtype = EPISODES[name]
    value = values.get(dtype) if dtype in values else None  # type: ignore[arg-type]
    return pl.lit(value).cast(dtype).alias(name)


def test_nothing_is_said_of_what_nobody_saw_and_of_what_is_not_known(model):
    unseen = WORLD.episodes.head(3).with_columns(exposed=pl.Series([False, True, True]))
    # The second is known to have been shown, and of it nothing came; the third is as it was.
    unknown = unseen.with_columns(
        pl.when(pl.col("message") == unseen["message"][1]).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("visible_ms", "duration_ms", "stopped", "regenerated", "copied_share", "shared", "edited",
                     "disconnected", "regenerated_unread", "selected")
    ).with_columns(siblings=pl.lit(2, pl.Int64))  # fmt: skip
    found = model.posterior(unknown)
    assert found["p"].is_null().to_list() == [True, True, False]
    assert found["mean"].is_null().to_list() == [True, True, False]
    assert found["moved"].is_null().to_list() == [True, True, False]


@pytest.mark.parametrize("known", ["conversation", "root_key"])
def test_topics_that_nobody_names_are_read_at_their_own_speed(known):
    world = draw(6000, seed=5)
    random = np.random.default_rng(5)
    talk = np.arange(6000) // 5 if known == "conversation" else random.integers(0, 150, 6000)
    slow = random.choice([0.3, 1.0, 3.0], 6000)[talk]
    read_ms = (pl.col("visible_ms") * pl.Series(slow)).cast(pl.Int64)
    episodes = world.episodes.with_columns(
        pl.when(pl.col("stopped") | pl.col("closed").is_not_null()).then("visible_ms").otherwise(read_ms),
        pl.Series(known, [f"talk {each}" for each in talk]),
        root_role=pl.lit("user"),
    )
    nobody_knows = episodes.with_columns(pl.lit(None, pl.String).alias(known))
    plain, told, hidden = (
        brier(fit(each).posterior(each)["p"], world.worth) for each in (world.episodes, episodes, nobody_knows)
    )
    assert told < plain + 0.004 < hidden


def test_how_an_assistant_opens_a_conversation_is_not_read():
    told = WORLD.episodes.head(3).with_columns(root_key=pl.lit("a"), root_role=pl.Series(["user", "assistant", None]))
    assert observed_of(told)["opening"].to_list() == ["a", None, None]


def brier(p: pl.Series, worth: np.ndarray) -> float:
    """Of the answers with a label."""
    known = p.is_not_null().to_numpy()
    return float(((p.to_numpy() - (worth > 0))[known] ** 2).mean())


@pytest.fixture(scope="module")
def lossy() -> Factor:
    return fit(draw(6000, seed=4, lost=0.1).episodes)


@pytest.mark.parametrize(("signal", "planted"), [("stop", -0.8), ("regenerate", -1.0), ("copy", 0.9), ("dwell", DWELL)])
def test_lost_events_leave_the_slopes_where_they_are(lossy, signal, planted):
    found, se = slope(lossy, signal)
    assert 0 < se < 0.5
    assert abs(found - planted) < 3 * se


def test_silence_says_less_where_events_are_known_to_be_missing(lossy):
    world = draw(6000, seed=4, lost=0.1)
    silent = world.episodes.filter(~pl.col("stopped") & (pl.col("copied_share") == 0) & (pl.col("lost") == 0)).head(50)
    kept, gap = (lossy.posterior(silent.with_columns(lost=pl.lit(lost, pl.Int64))) for lost in (0, 3))
    no_copy = [[m["by"] for m in row if m["act"] == "no copy"] for row in kept["moved"].to_list()]
    less = [[m["by"] for m in row if m["act"] == "no copy"] for row in gap["moved"].to_list()]
    assert sum(map(sum, no_copy)) < sum(map(sum, less)) <= 0


def test_stops_that_come_without_a_time_neither_bend_the_fit_nor_are_lost_to_the_labels():
    gone = pl.Series(np.random.default_rng(0).random(6000) < 0.1)
    untimed = WORLD.episodes.with_columns(pl.when(~gone).then("visible_ms").alias("visible_ms"))
    model = fit(untimed)
    found, se = slope(model, "stop")
    assert abs(found + 0.8) < 3 * se
    assert model.posterior(untimed).filter(gone & untimed["stopped"])["mean"].max() < -0.2  # type: ignore[operator]


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_too_few_answers_fall_back_to_the_hand_set_weights_and_say_so(rows):
    model = fit(WORLD.episodes.head(rows))
    assert model.rule == "acts/1"
    assert "300 are needed" in model.notes[0]
    found = model.posterior(WORLD.episodes.head(rows))
    assert len(found) == rows
    assert found["mean"].null_count() == rows
    assert json.loads(json.dumps(model.as_dict()))["design"] is None


def test_a_signal_that_never_fires_is_left_out_and_named(model):
    assert model.rule == "factor/1"
    assert "share" not in model.design.signals
    assert any("share (0 acts" in note for note in model.notes)


def test_without_stops_and_regenerations_the_factor_has_no_sign_and_is_not_fitted():
    mute = WORLD.episodes.with_columns(stopped=pl.lit(False), regenerated=pl.lit(False), regenerated_unread=False)
    assert fit(mute).rule == "acts/1"


def test_closed_then_copied_counts_as_closed():
    row = WORLD.episodes.filter(pl.col("closed") == "streaming").head(1)
    seen = observed_of(row.with_columns(copied_share=pl.lit(1.0)))
    assert seen["close"].to_list() == [1.0]
    assert seen["copy"].to_list() == [None]


def test_the_refit_without_a_signal_is_kept_for_the_report(model):
    assert {refit.without for refit in model.refits} >= {"stop", "copy", "dwell"}
    assert all(-1 <= refit.correlation <= 1 for refit in model.refits)


def test_acts_that_are_independent_given_the_worth_are_not_said_to_be_more(model):
    assert model.residuals
    assert all(abs(row.correlation) < row.band < 1 for row in model.residuals)
    assert not any("do not measure one thing" in note for note in model.notes)


def test_a_tie_that_no_worth_explains_is_noticed():
    """Whoever writes on is gone in half the time, though both speak for an answer."""
    writes = pl.col("next_act").eq_missing("message")
    hasty = pl.when(writes).then(pl.col("visible_ms") // 2).otherwise("visible_ms")
    tied = fit(WORLD.episodes.with_columns(hasty.alias("visible_ms")))
    beyond = [row for row in tied.residuals if row.band is not None and abs(row.correlation) > max(row.band, 0.05)]
    assert beyond
    assert all(-1 <= row.correlation <= 1 for row in tied.residuals)
    (said,) = (note for note in tied.notes if "do not measure one thing" in note)
    assert all(f"{row.first} with {row.second} {row.correlation:+.2f}" in said for row in beyond)


def test_loadings_name_their_topic_and_a_topic_without_answers_has_none(model):
    assert {row["topic"] for row in model.as_dict()["loadings"] if row["signal"] == "close"} == {"t0", "t1"}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("ms", [5000, 2**53 - 1])
def test_a_time_that_does_not_vary_is_left_out_and_the_account_is_strict_json(ms):
    one = WORLD.episodes.head(3000).with_columns(
        visible_ms=pl.lit(ms, pl.Int64), chars=pl.lit(4, pl.Int64), duration_ms=pl.lit(4000, pl.Int64),
        idle_ms=pl.lit(0, pl.Int64),
    )  # fmt: skip
    seen = observed_of(one)
    planned = design(seen, 0.0, log_of(one))
    assert planned.left_out["dwell"] == "does not vary"
    assert "dwell" not in planned.paces
    json.dumps(asdict(planned), allow_nan=False)
    json.dumps(fit(one).as_dict(), allow_nan=False)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_times_of_clocks_gone_wrong_count_as_a_day():
    wrong = pl.when(pl.int_range(pl.len()) % 50 == 0)
    huge, day = (
        WORLD.episodes.with_columns(visible_ms=wrong.then(ms).otherwise("visible_ms"), idle_ms=pl.lit(0, pl.Int64))
        for ms in (2**53 - 1, 86_400_000)
    )
    found, expected = (design(observed_of(e), 0.0, log_of(e)).paces["dwell"] for e in (huge, day))
    assert found == expected


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("far", [-1e3, 1e3, 1e200])
def test_the_search_may_try_any_parameters_of_a_time(far):
    time = Time("dwell", by_variety=True, bent=True)
    for theta in (np.array([0.0, 0.0, 0.0, far, far, 0.0]), np.array([far, far, far, -10.0, far, far])):
        table = time.table(theta)
        assert np.isfinite(table).all()
        assert np.isfinite(time.score(theta)).all()
        assert np.isfinite(time.pull(theta, np.ones_like(table))).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stops_and_regenerations_that_nothing_goes_with_fix_no_sign(seed):
    """The other acts hang together, and neither a stop nor a regenerate hangs together with them."""
    alone = draw(3000, seed=seed, slopes={"stop": 0.0, "regenerate": 0.0}, close_by_topic=(0.0,), variety=0.0)
    model = fit(alone.episodes)
    assert model.rule == "acts/1"
    assert "sign of the factor is not known" in model.notes[0]


def of_preset(name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Episodes of a world of 8,000 answers, and what is true of them."""
    drawn = log(simulated(replace(preset(name), users=430), 2))
    messages, events, _ = drawn.frames()
    return episodes_of(messages, events), truth(drawn)["answers"]


def test_a_factor_that_rests_on_a_time_and_a_regenerate_alone_is_not_taken():
    """Where nothing follows a worth the fit still has a mode: one time, which no other act goes with."""
    rows, answers = of_preset("silent")
    model = fit(rows)
    assert (model.rule, model.design) == ("acts/1 halved", None)
    (note,) = model.notes
    assert "cannot be told to say anything" in note
    assert all(f"{signal} " in note for signal in ("copy", "edit", "writes", "dwell"))
    found = model.posterior(rows).join(answers, on="message", how="left", maintain_order="left")
    assert brier(found["p"], found["u_revealed"].to_numpy()) < 0.255


def test_a_factor_with_which_several_acts_go_is_taken():
    assert fit(of_preset("default")[0]).rule == "factor/1"


def test_slopes_that_are_too_weak_to_be_told_give_labels_no_worse_than_a_half():
    weak = draw(4000, seed=4, slopes={signal: b / 4 for signal, b in SLOPES.items()}, close_by_topic=(-0.1,))
    model = fit(weak.episodes)
    assert model.rule == "acts/1 halved"
    found = model.posterior(weak.episodes)
    assert brier(found["p"], weak.worth) < 0.25
    assert Factor.from_dict(json.loads(json.dumps(model.as_dict()))).posterior(weak.episodes).equals(found)
    whole = acts(weak.episodes.select(REVEALED_COLUMNS))["p"]
    np.testing.assert_allclose(found["p"], (whole + 0.5) / 2, rtol=1e-12)


def test_a_fallback_counts_what_there_is_and_what_is_needed():
    one = WORLD.episodes.head(900).with_columns(stopped=pl.lit(True))
    (note,) = fit(one).notes
    known = one.filter("exposed").height
    assert f"{known} answers have behaviour" in note
    assert f"stop in {known} and not in 0" in note
    assert "20 each are needed" in note


def test_users_who_are_not_known_stand_for_themselves_and_few_users_have_no_band():
    nobody = fit(WORLD.episodes.with_columns(user=pl.lit(None, pl.String)))
    assert nobody.residuals
    assert all(row.band is not None for row in nobody.residuals)
    few = fit(WORLD.episodes.with_columns(user=pl.format("u{}", pl.int_range(pl.len()) % 19)))
    assert few.residuals
    assert all(row.band is None for row in few.residuals)
    assert not any("do not measure one thing" in note for note in few.notes)


def test_two_thousand_answers_are_fitted_in_seconds():
    before = process_time()
    fit(WORLD.episodes.head(2000))
    assert process_time() - before < 3
