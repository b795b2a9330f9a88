"""Votes with what they leave out: the weight of each, and one account of everything that was estimated about them."""

from typing import Any

import polars as pl

from unspoken.pairs.leniency import Leniency, leniency
from unspoken.pairs.missing import assumed
from unspoken.pairs.propensity import COMPLETED, LEVELS, Propensity, effective, inverse, propensity, sweep
from unspoken.pairs.solicited import solicited

CLIP = 10.0  # a rarely voting kind of user or prompt stands for at most this many times the mean
# What all votes of one user may weigh. 1/√n would let an account with 400 votes count as 20 people; here the most
# zealous counts as five who voted once, and costs little: five votes of one person are far from five opinions.
CAP = 5.0
SHOWN = 40  # coefficients
LEAST_SD = 1e-9  # of what goes with votes: of answers that are all alike, what rounding leaves


def weights(episodes: pl.DataFrame) -> pl.DataFrame:
    """message, weight of each vote on a completed answer (frames.EPISODES), by message.

    Inverse propensity of mean 1, clipped at CLIP, then scaled down for users who would weigh more than CAP.
    """
    return _weighted(propensity(episodes)).select("message", "weight").sort("message")


def account(episodes: pl.DataFrame) -> dict[str, Any]:
    """Everything estimated about the votes of frames.EPISODES, as JSON values; see docs/votes.md. No vote: zeros."""
    found = propensity(episodes)
    weighted = _weighted(found)
    ups = (weighted["vote"] > 0).to_numpy()
    weight = weighted["weight"].to_numpy()
    people = weighted.group_by("owner", maintain_order=True).agg(pl.col("weight").sum(), pl.col("owed").first())
    strongest = sorted(found.coefficients.items(), key=lambda each: (-abs(each[1]), each[0]))[:SHOWN]
    return {
        "answers": found.answers,
        "votes": len(ups),
        "votes_on_answers_cut_short": int(episodes["vote"].is_not_null().sum()) - len(ups),
        "up": int(ups.sum()),
        "users": len(people),
        "propensity": {
            "coefficients": dict(strongest),
            "lowest": float(found.p.min()) if len(ups) else None,
            "highest": float(found.p.max()) if len(ups) else None,
            "clip": CLIP,
            "sweep": sweep(found),
        },
        "cap": {
            "votes_a_user": CAP,
            "users_capped": int((people["owed"] > CAP).sum()),
            "effective_votes": effective(weight),
            "effective_users": effective(people["weight"].to_numpy()),
            "share_up": float(weight @ ups / weight.sum()) if len(ups) else None,
        },
        "leniency": _leniency(leniency(found.votes)),
        "solicited": solicited(episodes),
        "assumed": _assumed(episodes, weighted),
    }


def _assumed(episodes: pl.DataFrame, weighted: pl.DataFrame) -> list[dict[str, Any]]:
    """What goes with votes up, if the displeased had voted more often the longer the answer, or in one topic."""
    columns = ("vote", "message", "topic")
    whole = episodes.lazy().filter(COMPLETED).select(*columns, length=pl.col("chars").clip(1).log()).collect()
    voted = whole.filter(pl.col("vote").is_not_null()).drop("vote")
    votes = weighted.join(voted, on="message", maintain_order="left")
    mean, spread = whole.select(pl.col("length").mean(), spread=pl.col("length").std()).row(0)
    attributes = {"length": (pl.col("length") - mean, spread)}
    counts = whole["topic"].drop_nulls().value_counts().sort(["count", "topic"], descending=[True, False])
    for topic, count in counts.head(LEVELS).iter_rows():
        share = count / len(whole)
        about = (pl.col("topic") == topic).fill_null(False).cast(pl.Float64) - share
        attributes[f"topic: {topic}"] = (about, (share * (1 - share)) ** 0.5)
    rows = []
    for name, (value, sd) in attributes.items():
        if not sd or sd < LEAST_SD:
            continue
        of = votes.select("vote", "weight", z=value / sd).drop_nulls()
        if row := assumed(of["vote"].to_numpy(), of["z"].to_numpy(), of["weight"].to_numpy()):
            rows.append({"attribute": name, **row})
    return rows


def _leniency(found: Leniency) -> dict[str, Any]:
    repeated = int((found.users["votes"] > 1).sum())
    return {
        "users": len(found.users),
        "users_with_two_votes": repeated,
        "mean": found.mean,
        "sd": found.sd,
        "lowest": found.low,
        "highest": found.high,
    }


def _weighted(found: Propensity) -> pl.DataFrame:
    """The votes with owner, owed (what all of the owner's weigh before the cap), weight."""
    plain = found.votes.with_columns(
        pl.coalesce("user", "conversation").alias("owner"), pl.Series("weight", inverse(found.relative, CLIP))
    )
    owed = pl.col("weight").sum().over("owner")
    capped = pl.col("weight") * pl.min_horizontal(pl.lit(1.0), CAP / owed)
    return plain.with_columns(owed.alias("owed"), capped.alias("weight"))
