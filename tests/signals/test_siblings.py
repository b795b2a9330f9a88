"""The kept sibling as pairs whose margin carries the place."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from unspoken.frames import EPISODES
from unspoken.signals import siblings
from unspoken.signals.position import ENOUGH_BACK_NAVIGATED, PRIOR_MEAN, Position, position
from unspoken.signals.siblings import sibling_pairs, unchosen


def chain(prompt: str, *kept: bool | None, unseen: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Siblings in the order they were generated; which one was kept."""
    return [
        {
            "message": f"{prompt}{n}",
            "prompt": prompt,
            "siblings": len(kept),
            "last_generated": n == len(kept) - 1,
            "kept": keep,
            "exposed": n not in unseen,
        }
        for n, keep in enumerate(kept)
    ]


def pairs_of(*chains: list[dict[str, Any]], variety: dict[str, float] | None = None):
    columns = ("message", "prompt", "siblings", "last_generated", "kept", "exposed")
    known = pl.DataFrame(list(variety.items()), schema=["message", "variety"], orient="row") if variety else None
    if known is not None:
        known = known.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("mean", "sd"))
    rows = [row for rows in chains for row in rows]
    return sibling_pairs(pl.DataFrame(rows, schema={name: EPISODES[name] for name in columns}), known)


def test_the_kept_sibling_beats_each_other_with_the_place_in_the_margin():
    found, dropped, kappa = pairs_of(chain("p", False, False, True), chain("q", True, False))
    assert kappa.kappa == PRIOR_MEAN
    expected = pl.DataFrame(
        [
            ("p", "p2", "p0", -2.0, 0.5),
            ("p", "p2", "p1", -2.0, 0.5),
            ("q", "q0", "q1", 2.0, 1.0),
        ],
        schema=["prompt", "chosen", "rejected", "margin", "weight"],
        orient="row",
    )
    assert_frame_equal(found, expected)
    assert sum(count for _, count in dropped) == 0


def test_two_that_are_both_not_last_have_no_margin():
    found, _, _ = pairs_of(chain("p", True, False, False))
    assert dict(found.select("rejected", "margin").iter_rows()) == {"p1": 0, "p2": 2}


def test_what_makes_no_pair_is_dropped_with_a_reason():
    found, dropped, _ = pairs_of(
        chain("open", None, None), chain("unseen", False, True, unseen=(0,)), chain("only", None)
    )
    assert found.is_empty()
    assert [count for _, count in dropped] == [2, 1, 1]


def test_what_was_regenerated_for_variety_weighs_less():
    found, _, _ = pairs_of(
        chain("p", False, False, True), chain("q", True, False), variety={"p0": 0.2, "p1": 0.6, "p2": 1.0}
    )
    assert dict(found.group_by("prompt").agg(pl.col("weight").sum()).iter_rows()) == pytest.approx({"p": 0.6, "q": 1})


def test_which_chains_tell_of_the_place_depends_on_no_order_and_on_no_version_of_a_library(monkeypatch):
    seen: list[list[float]] = []

    def place(used: pl.DataFrame, every: pl.Series) -> Position:
        seen.append(used["variety"].to_list())
        return position(used, every)

    monkeypatch.setattr("unspoken.signals.position._CHAINS", 3)
    monkeypatch.setattr(siblings, "position", place)
    many = [chain(prompt, False, True) for prompt in "abcdefgh"]
    variety = {f"{prompt}0": number / 8 for number, prompt in enumerate("abcdefgh")}
    for rows in (many, many[::-1]):
        pairs_of(*rows, variety=variety)
    assert seen == [[0.125, 0.25, 0.75]] * 2  # of b, c and g


Lists = list[list[float | None]]


def chains(k: list[int], kept_last: list[bool], variety: list[float] | None = None) -> pl.DataFrame:
    """Chains of which no act says what any answer was worth."""
    nothing: Lists = [[None] * n for n in k]
    return known(kept_last, nothing, nothing, variety or [0.0] * len(k))


def known(kept_last: list[bool], mean: Lists, sd: Lists, variety: list[float]) -> pl.DataFrame:
    worths = pl.List(pl.Float64)
    return pl.DataFrame(
        {"kept_last": kept_last, "mean": mean, "sd": sd, "variety": variety},
        {"kept_last": pl.Boolean, "mean": worths, "sd": worths, "variety": pl.Float64},
    )


def test_few_back_navigations_leave_the_place_at_its_prior():
    found = position(chains([2] * 500, [True] * 451 + [False] * 49))
    assert (found.kappa, found.at_prior, found.back_navigated, found.chains) == (PRIOR_MEAN, True, 49, 500)


def choose(random: np.random.Generator, worth: np.ndarray, kappa: float) -> int:
    logits = worth + kappa * (np.arange(len(worth)) == len(worth) - 1)
    return int(np.argmax(logits + random.gumbel(size=len(worth))))


@pytest.mark.parametrize("planted", [0.5, 1.5, 3.0])
def test_a_planted_place_is_found_again_whatever_the_answers_are_worth(planted):
    random = np.random.default_rng(11)
    k = random.integers(2, 5, 8000)
    last = [choose(random, random.normal(size=n), planted) == n - 1 for n in k]
    found = position(chains(k.tolist(), last))
    assert not found.at_prior
    assert found.kappa == pytest.approx(planted, abs=0.12)


def test_chains_for_varietys_sake_say_nothing_of_the_place():
    random = np.random.default_rng(12)
    k, sought = random.integers(2, 4, 12000), random.random(12000) < 0.4
    last = [
        choose(random, random.normal(size=n) * (not of_variety), -1.0 if of_variety else 2.5) == n - 1
        for n, of_variety in zip(k, sought, strict=True)
    ]
    assert position(chains(k.tolist(), last, sought.astype(float).tolist())).kappa == pytest.approx(2.5, abs=0.15)
    assert position(chains(k.tolist(), last)).kappa < 1.5


GRID = np.linspace(-5, 5, 201)


def chain_of_the_disliked(
    random: np.random.Generator, slope: float, kappa: float
) -> tuple[bool, list[float], list[float]]:
    """Whether the last was kept, and mean and sd of each answer's worth given its acts, the kept one's first.

    Worths are N(0, 1); who dislikes an answer more often wants another one, four at most; and one more act, worth +
    N(0, 1), is seen of each.
    """
    worths: list[float] = []
    while len(worths) < 4:
        worths.append(float(random.normal()))
        if random.random() > 1 / (1 + np.exp(0.8 + 1.4 * worths[-1])):
            break
    kept, last = choose(random, slope * np.array(worths), kappa), len(worths) - 1
    mean, sd = [], []
    for n, worth in enumerate(worths):
        chance = np.exp(-(GRID**2) / 2 - (worth + random.normal() - GRID) ** 2 / 2)
        if n < 3:  # nobody is asked after the fourth
            again = 1 / (1 + np.exp(0.8 + 1.4 * GRID))
            chance = chance * (again if n < last else 1 - again)
        chance = chance / chance.sum()
        mean.append(float(chance @ GRID))
        sd.append(float(np.sqrt(chance @ GRID**2 - mean[-1] ** 2)))
    order = [kept, *sorted(set(range(len(worths))) - {kept}, reverse=True)]
    return kept == last, [mean[n] for n in order], [sd[n] for n in order]


def test_to_have_disliked_what_came_before_is_not_taken_for_the_place():
    random = np.random.default_rng(14)
    drawn = [chain_of_the_disliked(random, slope=1.2, kappa=2.0) for _ in range(24000)]
    last, mean, sd = zip(*(chain for chain in drawn if len(chain[1]) > 1), strict=True)
    found = position(known(list(last), list(mean), list(sd), [0.0] * len(last)))
    assert found.kappa == pytest.approx(2.0, abs=0.12)
    assert found.slope == pytest.approx(1.2, abs=0.2)
    by_nobody = position(chains([len(each) for each in mean], list(last)))
    assert by_nobody.kappa > 2.6


def test_the_order_of_episodes_does_not_change_the_place():
    random = np.random.default_rng(15)
    kept = [choose(random, random.normal(size=3), 1.0) for _ in range(400)]
    rows = [chain(f"p{number:03}-", *(n == of for n in range(3))) for number, of in enumerate(kept)]
    known = {row["message"]: float(random.random()) for each in rows for row in each}
    found, _, place = pairs_of(*rows, variety=known)
    again, _, other = pairs_of(*(each[::-1] for each in reversed(rows)), variety=known)
    assert_frame_equal(found, again, check_row_order=False, check_exact=True)
    assert (place, place.at_prior) == (other, False)


def test_which_sibling_was_gone_back_to_is_the_choice_itself_and_not_known_before_it():
    rows = {"message": ["a", "b", "c"], "siblings": [2, 2, 1], "selected": [True, False, False]}
    assert unchosen(pl.DataFrame(rows)).to_dict(as_series=False) == {
        "message": ["a", "b"], "siblings": [2, 2], "selected": [None, None],
    }  # fmt: skip


def test_what_drifts_with_the_place_is_not_taken_for_liked():
    """Length grows by half a deviation with every regeneration; a linear model with the margins finds its true .11."""
    random, rows, x = np.random.default_rng(13), [], {}
    weights = np.array([0.11, 0.6, -0.6, 0.5])
    for number in range(6000):
        of = random.normal(size=(int(random.integers(2, 5)), 4))
        of[:, 0] += 0.5 * np.arange(len(of))
        kept = choose(random, of @ weights, 2.0)
        rows.append(chain(f"p{number:04}-", *(n == kept for n in range(len(of)))))
        x.update({row["message"]: features for row, features in zip(rows[-1], of, strict=True)})
    found, _, kappa = pairs_of(*rows)
    apart = np.stack([x[a] - x[b] for a, b in found.select("chosen", "rejected").iter_rows()])

    def length_weight(margin: np.ndarray) -> float:
        fitted = np.zeros(4)
        for _ in range(20):  # Newton on BCE(σ(r_c − r_r − margin), 1)
            p = 1 / (1 + np.exp(margin - apart @ fitted))
            slope = apart.T @ (found["weight"].to_numpy() * (1 - p))
            curve = (apart.T * (found["weight"].to_numpy() * p * (1 - p))) @ apart
            fitted += np.linalg.solve(curve, slope)
        return float(fitted[0])

    assert not kappa.at_prior
    assert length_weight(found["margin"].to_numpy()) == pytest.approx(0.11, abs=0.03)
    assert length_weight(np.zeros(len(found))) > 0.4


def test_no_chains_leave_the_place_at_its_prior():
    assert position(chains([], [])).kappa == PRIOR_MEAN


def test_where_nobody_saw_the_last_one_the_chain_says_nothing_of_the_place():
    chains = [chain(f"p{n:02}", True, False, False, unseen=(2,)) for n in range(ENOUGH_BACK_NAVIGATED)]
    found, _, kappa = pairs_of(*chains)
    assert (len(found), kappa.chains, kappa.at_prior) == (ENOUGH_BACK_NAVIGATED, 0, True)
    assert set(found["margin"]) == {0.0}


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([None, 0, 1, 2, 3]), st.sets(st.integers(0, 3))), max_size=12)
)
def test_every_sibling_is_paired_or_counted(shapes):
    rows = []
    for number, (size, keep, unseen) in enumerate(shapes):
        kept = [None if keep is None else n == keep for n in range(size)]
        rows.append(chain(f"p{number:02}", *kept, unseen=tuple(unseen)))
    found, dropped, _ = pairs_of(*rows)
    paired = {*found["chosen"], *found["rejected"]}
    assert len(paired) + sum(count for _, count in dropped) == sum(size for size, _, _ in shapes if size > 1)
    weights = found.group_by("prompt").agg(pl.col("weight").sum())["weight"]
    assert weights.to_list() == pytest.approx([1.0] * len(weights))
