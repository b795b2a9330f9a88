"""How likely an answer was voted on, by what stood before anybody read it, and the weights that follow.

Estimand: what all completed answers would be told, not those few that somebody voted on. P(vote) is read from the
prompt (topic, turn), the setting (device, policy, the random level of asking) and the user's *earlier* votes: never
from the answer, its text or anything done to it (science: §7, "behaviour in the propensity is another row").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Column = NDArray[Any]  # numbers, or true and false, which take an eighth of the memory

CLIPS = (2.0, 5.0, 10.0, 20.0, None)
CATEGORIES = ("topic", "device", "policy", "solicit_level")
ASKED = ("soft", "firm")  # levels at which the question is put
VOTES = ("message", "user", "conversation", "vote")
READ = (*VOTES, "at", "turn", *CATEGORIES, "solicit_propensity")  # and nothing else, but for COMPLETED
LEVELS = 30  # the most frequent of a category; the others share the intercept
FITTED = 20_000  # answers with a vote, and without one, that the propensity is fitted on, spread evenly over all
# A newcomer counts as somebody with this many votes at the common rate: one vote says little where few vote.
PRIOR_VOTES = 1.0
RIDGE = 1.0  # coefficients ~ N(0, 1), the intercept ~ N(0, 100)
STEPS = 50
DECIMALS = 8  # of coefficients and logits

# A stopped or closed answer was never whole, and a closed one can no longer be voted on.
COMPLETED = pl.col("finish").is_in(["stopped", "error"]).fill_null(False).not_() & (
    pl.col("closed").fill_null("") != "streaming"
)


@dataclass(frozen=True)
class Propensity:
    """P(vote) of each completed answer that was voted on, `p` of shape (votes,), in the order of `votes`.

    `votes`: message, user, conversation, vote. `relative` is p over its harmonic mean among votes of the same level of
    asking: the level is drawn at random, so votes of each level speak of all answers, and none weighs less for having
    been asked for. `coefficients` are in logits, per standard deviation where a column is no category.
    """

    answers: int
    votes: pl.DataFrame
    p: Floats
    relative: Floats
    coefficients: dict[str, float]


def propensity(episodes: pl.DataFrame) -> Propensity:
    """Ridge logistic regression of "was voted on" over completed answers; no votes or all voted: p is that share."""
    rows = history(episodes.lazy().filter(COMPLETED).select(READ).collect())
    names, columns = _features(rows)
    voted = rows["vote"].is_not_null().to_numpy()
    votes = rows.filter(pl.col("vote").is_not_null())
    if votes.is_empty():
        return Propensity(len(rows), votes.select(VOTES), np.zeros(0), np.zeros(0), {})
    with_vote, without = (_some(np.flatnonzero(which)) for which in (voted, ~voted))
    rows_fitted = np.concatenate([with_vote, without])
    beta = ridge_logistic(_matrix(columns, rows_fitted), voted[rows_fitted].astype(np.float64))
    # Drawing by the outcome moves the intercept alone (Prentice and Pyke 1979).
    if len(without):
        beta[0] += np.log(len(without) / (~voted).sum()) - np.log(len(with_vote) / voted.sum())
    # Products of matrices differ in their last bits with the number of threads; labels are the same on any machine.
    beta = beta.round(DECIMALS)
    p = _sigmoid((_matrix(columns, np.flatnonzero(voted)) @ beta).round(DECIMALS))
    shown = dict(zip(["intercept", *names], beta.tolist(), strict=True))
    return Propensity(len(rows), votes.select(VOTES), p, _relative(p, votes), shown)


def inverse(relative: Floats, clip: float | None) -> Floats:
    """Self-normalised 1/propensity of mean 1, shape (votes,), clipped at `clip` and normalised once more."""
    if not len(relative):
        return relative
    weights = (1 / relative) / np.mean(1 / relative)
    clipped = weights if clip is None else np.minimum(weights, clip)
    scaled: Floats = clipped / clipped.mean()
    return scaled


def effective(weights: Floats) -> float:
    """Kish's effective sample size, (Σw)² / Σw²; 0 for none."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def sweep(found: Propensity) -> list[dict[str, Any]]:
    """A row for each clip: how many votes it holds down, the effective number of votes, the share of them up."""
    votes = found.votes["vote"].to_numpy()
    rows = []
    for clip in CLIPS if len(votes) else ():
        weights = inverse(found.relative, clip)
        rows.append(
            {
                "clip": clip,
                "clipped": 0 if clip is None else int((inverse(found.relative, None) > clip).sum()),
                "effective_votes": effective(weights),
                "largest_weight": float(weights.max()),
                "share_up": float(weights @ (votes > 0) / weights.sum()),
            }
        )
    return rows


def history(answers: pl.DataFrame) -> pl.DataFrame:
    """In the order of time, with `earlier`, how many answers the user had before, and `rate`, the share of these with a
    vote, 0 … 1, shrunk to the common rate. Somebody not known has no history.
    """
    rows = answers.sort("at", "message")
    voted = pl.col("vote").is_not_null().cast(pl.Float64)
    known = pl.col("user").is_not_null()
    common = float(rows.select(voted.mean()).item() or 0.0)
    earlier = pl.when(known).then(pl.int_range(pl.len()).over("user")).otherwise(0).cast(pl.Float64)
    before = pl.when(known).then(voted.cum_sum().over("user") - voted).otherwise(0.0)
    prior = PRIOR_VOTES / common if common else 1.0
    rate = ((before + PRIOR_VOTES) / (earlier + prior)).clip(0, 1 - 1e-6)
    return rows.with_columns(rate.alias("rate"), earlier.alias("earlier"))


def ridge_logistic(x: Floats, y: Floats) -> Floats:
    """Coefficients, shape (columns,), of logit P(y = 1) = x·β, by Newton's method; the first column is the intercept.

    The intercept gets a hundredth of the others' penalty, so that there is an answer where every y is 1.
    """
    penalty = np.full(x.shape[1], RIDGE)
    penalty[0] = RIDGE / 100
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = _sigmoid(x @ beta)
        slope = x.T @ (y - p) - penalty * beta
        curve = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        beta = beta + step / max(1.0, float(np.abs(step).max()))  # at most one logit at a time: Newton overshoots
        if np.abs(step).max() < 1e-9:
            break
    return beta


def _features(rows: pl.DataFrame) -> tuple[list[str], list[Column]]:
    """Names and columns, each of shape (answers,); numbers are standardised, a category has a column for each level."""
    odds = (pl.col("rate") / (1 - pl.col("rate"))).log()
    numbers = {
        "turn": pl.col("turn").fill_null(0).clip(0).log1p(),
        "earlier vote rate": odds,
        # Most vote seldom whatever they did before, a few almost always: a straight line makes zealots of the former.
        "earlier vote rate, squared": (odds - odds.mean()) ** 2,
        "earlier answers": pl.col("earlier").log1p(),
    }
    names: list[str] = []
    columns: list[Column] = []
    for name, expression in numbers.items():
        column = rows.select(expression.alias("it"))["it"].to_numpy().astype(np.float64)
        spread = column.std() if len(column) else 0.0
        if spread > 0:
            names.append(name)
            columns.append((column - column.mean()) / spread)
    for category in CATEGORIES:
        counts = rows[category].drop_nulls().value_counts().sort(["count", category], descending=[True, False])
        for level in counts[category].head(LEVELS).to_list():
            names.append(f"{category}: {level}")
            columns.append((rows[category] == level).fill_null(False).to_numpy())
    return names, columns


def _relative(p: Floats, votes: pl.DataFrame) -> Floats:
    asked = pl.when(pl.col("solicit_level").is_in(ASKED)).then("solicit_level")
    inverse_p = 1 / (pl.Series(p) * votes["solicit_propensity"].fill_null(1.0))
    mean = votes.select(asked.alias("asked"), inverse_p.alias("it")).select(pl.col("it").mean().over("asked"))
    return (mean.to_series() / inverse_p).to_numpy()


def _some(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most FITTED of them, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), FITTED)).astype(np.intp)]


def _matrix(columns: Sequence[Column], rows: NDArray[np.intp]) -> Floats:
    return np.column_stack([np.ones(len(rows)), *(column[rows] for column in columns)])


def _sigmoid(x: Floats) -> Floats:
    value: Floats = 1 / (1 + np.exp(-np.clip(x, -40, 40)))
    return value
