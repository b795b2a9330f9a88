"""What replies may do to the label model: leave a behaviour out that goes with them, and nothing else."""

import numpy as np
import polars as pl
import pytest
from tests.signals.factor_world import draw, expit

from unspoken.frames import REPLIES
from unspoken.signals.factor.model import Factor, fit

WORLD = draw(6000, seed=5, slopes={"dwell": 0.8, "regenerate": -1.2, "writes": 0.8})
RANDOM = np.random.default_rng(8)
# What people say they like; with the worth it has .3 in common, and no act of WORLD knows of the rest.
LIKED = 0.3 * WORLD.worth + np.sqrt(1 - 0.3**2) * RANDOM.normal(size=len(WORLD.worth))
LIKED_MOST = (0.8 * LIKED + 0.2 * WORLD.worth) / 0.88
WRITTEN_ON = WORLD.episodes["next_act"].eq_missing("message").to_numpy()


def said(follows: np.ndarray, share: float = 0.7) -> pl.DataFrame:
    """Replies to most answers that were written on: pleased the more, the more of `follows` they have."""
    random = np.random.default_rng(9)
    pleased = random.random(len(follows)) < expit(1.3 * follows)
    rows = pl.DataFrame(
        {
            "message": WORLD.episodes["message"],
            "reply": "r-" + WORLD.episodes["message"],
            "reply_class": np.where(pleased, "thanks", "complaint"),
            "p": 0.9,
            "lo": np.where(pleased, 0.9, -1.8),
            "how": "rule",
        }
    )
    return rows.filter(WRITTEN_ON & (random.random(len(follows)) < share)).select(
        pl.col(name).cast(dtype) for name, dtype in REPLIES.items()
    )


def copying(follows: np.ndarray) -> pl.DataFrame:
    """WORLD, in which whole answers are copied for what `follows` says."""
    random = np.random.default_rng(10)
    whole = ~pl.col("stopped") & pl.col("closed").is_null() & ~pl.col("regenerated_unread")
    drawn = pl.Series((random.random(len(follows)) < expit(-1.0 + 2.5 * follows)).astype(float))
    return WORLD.episodes.with_columns(copied_share=pl.when(whole).then(drawn).otherwise(0.0))


@pytest.fixture(scope="module")
def mixed() -> Factor:
    """Four fifths of copies and replies follow what people say they like."""
    return fit(copying(LIKED_MOST), said(LIKED_MOST))


@pytest.fixture(scope="module")
def unaware() -> Factor:
    """The same behaviour, and nobody says anything."""
    return fit(copying(LIKED_MOST))


@pytest.fixture(scope="module")
def plain() -> Factor:
    return fit(WORLD.episodes)


def test_a_behaviour_that_follows_what_is_said_leaves_the_model_and_is_named(mixed):
    assert mixed.design is not None
    assert [each.first for each in mixed.apart] == ["copy"]
    assert mixed.apart[0].correlation > 0.1
    assert "copy" not in mixed.design.signals
    assert "copy" in mixed.design.left_out
    (note,) = (note for note in mixed.notes if "do not measure one thing" in note)
    assert "copy +0." in note


def test_without_it_the_labels_follow_what_people_like_no_further_than_the_worth_does(mixed, unaware):
    beyond = LIKED - 0.3 * WORLD.worth
    episodes = copying(LIKED_MOST)

    def followed(model: Factor) -> float:
        labels = pl.DataFrame({"mean": model.posterior(episodes)["mean"], "beyond": beyond}).drop_nulls()
        return float(np.corrcoef(labels["mean"], labels["beyond"])[0, 1])

    assert followed(unaware) > 0.08
    assert abs(followed(mixed)) < 0.04


def test_a_model_that_lost_a_behaviour_is_stored_with_the_reason(mixed):
    assert Factor.from_dict(mixed.as_dict()).apart == mixed.apart
    episodes = WORLD.episodes.head(500)
    assert Factor.from_dict(mixed.as_dict()).posterior(episodes).equals(mixed.posterior(episodes))


@pytest.mark.parametrize("follows", [WORLD.worth, LIKED], ids=["the worth", "something else"])
def test_replies_change_no_bit_of_a_model_whose_behaviours_they_do_not_go_with(plain, follows):
    assert fit(WORLD.episodes, said(follows)).as_dict() == plain.as_dict()


def test_too_few_replies_test_nothing(unaware):
    assert fit(copying(LIKED_MOST), said(LIKED_MOST, share=0.05)).as_dict() == unaware.as_dict()


def test_replies_in_any_order_leave_the_same_model(mixed):
    shuffled = said(LIKED_MOST).sample(fraction=1, shuffle=True, seed=2)
    assert fit(copying(LIKED_MOST), shuffled).as_dict() == mixed.as_dict()
