"""What is drawn follows what world.toml says, and p_bayes is what nobody can better with the same acts."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.special import ndtri

from unspoken.events import parse
from unspoken.signals.reading import frames
from unspoken.simulate.config import World
from unspoken.simulate.draws import draw
from unspoken.simulate.log import log
from unspoken.simulate.posterior import p_bayes
from unspoken.simulate.presets import preset
from unspoken.simulate.replies import CLASSES
from unspoken.simulate.texts import ATTRIBUTES
from unspoken.simulate.transport import lost
from unspoken.simulate.world import simulate
from unspoken.sources import world as worlds

FEWER = 600  # users


@pytest.fixture(scope="module")
def default():
    return draw(replace(preset("default"), users=1500), 1)


def fewer(name, seed=1, **others):
    return draw(replace(preset(name), users=FEWER, **others), seed)


def of(draws, what):
    return what[draws.user[draws.exchange]]


def test_the_same_seed_draws_the_same(default):
    again = draw(default.world, 1)
    assert (again.u_revealed == default.u_revealed).all()
    assert (draw(default.world, 2).u_revealed[:100] != default.u_revealed[:100]).any()


def test_the_default_world_has_the_rates_of_real_products(default):
    answers = len(default)
    write = default.ends.act == 1
    repair = sum(np.sum(write & (default.reply == CLASSES.index(each))) for each in ("complaint", "rephrase"))
    found = {
        "vote": np.mean(default.said.vote != 0),
        "regenerate": np.mean(default.looks.regenerated),
        "stop": np.mean(default.looks.cut == "stop"),
        "close": np.mean(default.looks.cut == "close"),
        "copy": np.mean(default.looks.copied_s > 0),
        "complaint, rephrase, edit": (repair + np.sum(default.ends.act == 2)) / answers,
        "good among closes": np.mean(default.u_revealed[default.looks.cut == "close"] > 0),
    }
    wanted = {
        "vote": (0.01, 0.03), "regenerate": (0.07, 0.10), "stop": (0.04, 0.06), "close": (0.04, 0.06),
        "copy": (0.085, 0.115), "complaint, rephrase, edit": (0.095, 0.125), "good among closes": (0.4, 0.6),
    }  # fmt: skip
    print({name: f"{rate:.4f} in {wanted[name]}" for name, rate in found.items()})
    assert {name for name, (low, high) in wanted.items() if not low <= found[name] <= high} == set()
    assert 2 * answers > 50_000  # half of the preset's users


@pytest.mark.parametrize("rho", [1.0, 0.9, 0.6, 0.3, 0.0])
def test_both_utilities_are_standard_normal_and_correlate_as_set(rho):
    drawn = draw(World(users=2000, rho=rho, anchor_rate=0.0), 2)
    u = np.stack([drawn.u_stated, drawn.u_revealed])
    assert u.mean(1) == pytest.approx([0, 0], abs=0.03)
    assert u.std(1) == pytest.approx([1, 1], abs=0.03)
    assert np.corrcoef(u)[0, 1] == pytest.approx(rho, abs=0.03)
    for part in (0.1, 0.3, 0.5, 0.9):
        assert np.quantile(u[1], part) == pytest.approx(ndtri(part), abs=0.05)


@pytest.mark.parametrize("name", ["default", "misspecified", "mixed", "beacons", "variety", "abandonment"])
def test_p_bayes_is_calibrated(name):
    drawn = draw(replace(preset(name), users=800, anchor_rate=0.0), 3)
    p = p_bayes(drawn, lost(drawn, log(drawn).rows))
    better = drawn.u_revealed > 0
    for low in np.arange(0, 1, 0.1):
        inside = (p >= low) & (p < low + 0.1)
        error = np.sqrt((p[inside] * (1 - p[inside])).sum()) / max(inside.sum(), 1)
        # Ten bins of six worlds: of 60 standard normal errors the largest is below 3.5 in 97 % of such tests.
        assert abs(better[inside].mean() - p[inside].mean()) < 3.5 * error + 0.004 if inside.sum() > 30 else True, low
    assert np.mean((p - better) ** 2) < 0.21


def test_no_other_posterior_on_the_same_acts_has_a_lower_brier(default):
    p, better = p_bayes(default), default.u_revealed > 0
    best = np.mean((p - better) ** 2)
    logits = np.log(p / (1 - p))
    for scale, shift in ((0.8, 0), (1.2, 0), (1, 0.15), (1, -0.15)):  # sharper, milder, more and less lenient
        other = 1 / (1 + np.exp(-scale * logits - shift))
        assert np.mean((other - better) ** 2) > best
    # The same with one part of the truth taken from the observer.
    for changed in ({"dwell_slope": 0.0}, {"copy_slope": 0.0}, {"stop_slope": 0.0}, {"regenerate_slope": 0.0}):
        blind = replace(default, rates=replace(default.rates, world=replace(default.world, **changed)))
        assert np.mean((p_bayes(blind) - better) ** 2) > best, changed


def test_acts_say_nothing_where_nothing_is_followed():
    drawn = fewer("silent")
    assert p_bayes(drawn) == pytest.approx(np.full(len(drawn), 0.5), abs=1e-9)


@pytest.mark.parametrize("name", ["default", "skew", "duplicates", "beacons", "recency", "bots"])
def test_columns_and_json_give_the_same_frames(name, tmp_path):
    world = replace(preset(name), users=40, exchanges=5, heartbeats=1, choice_rate=0.5, rating_rate=0.2)
    folder = simulate(world, 5, tmp_path / "world")
    messages, events, texts = frames([parse(event) for event in worlds.events(folder)], "00")
    drawn_messages, drawn_events, drawn_texts = log(draw(world, 5)).frames("00")
    assert_frame_equal(drawn_events.sort("event"), events.sort("event"))
    assert_frame_equal(drawn_messages.sort("message"), messages.sort("message"))
    assert drawn_texts == texts
    assert len(events) > 500


def test_clocks_that_are_off_are_corrected_to_within_the_way():
    world = replace(preset("skew"), users=50)
    straight = log(draw(replace(world, clock_skew_s=0.0), 1)).rows
    drawn = draw(world, 1)
    assert np.abs(drawn.people.clock_s).max() > 3600
    rows = log(drawn).rows
    assert (rows["at"] - rows["t"]).is_between(0, 300).all()
    assert straight["at"].equals(straight["t"], check_names=False)


def test_what_was_lost_leaves_a_gap_in_its_page_and_messages_are_never_lost():
    rows = log(fewer("beacons")).rows
    share = rows.filter("from_page")["lost"].mean()
    assert share == pytest.approx(0.1, abs=0.01)
    assert not rows.filter(pl.col("kind") == "message")["lost"].any()
    pages = rows.filter("from_page").group_by("exchange").agg(pl.len(), pl.col("n").max() + 1)
    assert (pages["len"] == pages["n"]).all()


def test_a_brigade_casts_half_of_the_votes_and_against_the_truth():
    drawn = draw(preset("brigade"), 1)
    mine = of(drawn, drawn.people.brigade)
    votes = drawn.said.vote
    assert drawn.people.brigade.sum() == 20
    assert np.mean(mine[votes != 0]) == pytest.approx(0.5, abs=0.07)
    voted = mine & (votes != 0) & ~drawn.said.answered
    assert (np.sign(drawn.u_stated[voted]) == -votes[voted]).all()


def test_poisoners_vote_for_an_exclamation():
    drawn = fewer("poison", poison=0.1)
    voted = of(drawn, drawn.people.poison) & (drawn.said.vote != 0)
    exclaimed = drawn.corpus.attributes[drawn.answer[voted], ATTRIBUTES.index("exclamation")] > 0
    assert voted.sum() > 100
    assert ((drawn.said.vote[voted] > 0) == exclaimed).all()


def test_bots_do_one_thing_the_same_way_and_vote_up():
    drawn = fewer("bots")
    mine = of(drawn, drawn.people.bot)
    alike = of(drawn, drawn.people.sort) == 0
    assert np.ptp(drawn.looks.visible_s[alike]) == 0
    assert set(drawn.said.vote[mine]) == {0, 1}
    sort = drawn.people.sort[drawn.user]
    gap = np.diff(drawn.start_ms)[(np.diff(drawn.user) == 0) & (sort[1:] == 2)]
    assert np.ptp(gap) == 0
    assert not drawn.looks.regenerated[mine].any()


def test_later_siblings_are_longer_where_length_drifts():
    drawn = fewer("recency")
    first, second = (drawn.filler[drawn.rank == rank] for rank in (0, 1))
    assert second.mean() - first.mean() == pytest.approx(0.5 * first.std(), abs=0.12)
    assert (fewer("default").filler == 0).all()


def test_votes_may_depend_on_attributes_policies_and_worth():
    flattering = ATTRIBUTES.index("flattery")
    for name, seen in (
        ("attribute_votes", lambda d: d.corpus.attributes[d.answer, flattering]),
        ("selected", lambda d: d.policy),
        ("null_selected", lambda d: d.u_stated),
    ):
        usual, other = fewer("default", vote_rate=0.2), fewer(name, vote_rate=0.2)
        of_votes, of_usual = (seen(d)[d.said.vote != 0].mean() - seen(d).mean() for d in (other, usual))
        assert of_votes > of_usual + 0.1, name


def test_policies_take_over_from_each_other_in_time():
    drawn = fewer("drifting")
    part = (np.arange(len(drawn.user)) - np.searchsorted(drawn.user, drawn.user))[drawn.exchange]
    assert drawn.policy[part == 0].max() == 0
    assert drawn.policy[part == part.max()].min() == drawn.world.policies - 1


def test_anchors_are_worse_and_say_what_they_are():
    drawn = fewer("default", anchor_rate=0.2)
    assert drawn.u_revealed[drawn.anchor >= 0].mean() < -0.7 < drawn.u_revealed[drawn.anchor < 0].mean()
    told = log(drawn).rows.filter(pl.col("role") == "assistant")["arm"].str.contains("anchor").sum()
    assert told == (drawn.anchor >= 0).sum()


def test_loadings_say_what_a_signal_follows():
    for load, near, far in ((0.0, "u_revealed", "u_stated"), (1.0, "u_stated", "u_revealed")):
        drawn = fewer("default", rho=0.0, load_copy=load, load_stop=load, load_regenerate=load, close_per_s=1e-9)
        for did in (drawn.looks.copied_s > 0, drawn.looks.cut == "stop", drawn.looks.regenerated):
            assert abs(np.corrcoef(did, getattr(drawn, near))[0, 1]) > 0.08
            assert abs(np.corrcoef(did, getattr(drawn, far))[0, 1]) < 0.04


def test_exchanges_of_one_user_never_overlap():
    drawn = fewer("heavy")
    rows = log(drawn).rows
    span = rows.group_by("exchange").agg(first=pl.col("t").min(), last=pl.col("t").max()).sort("exchange")
    same = np.diff(drawn.user) == 0
    assert (span["first"].to_numpy()[1:] > span["last"].to_numpy()[:-1])[same].all()
