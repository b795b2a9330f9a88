"""Who moves the labels, and who votes unlike everybody else: no text is read, and nothing here changes a label.

A list to look at, not a verdict: a strict user differs from the rest too. What leaves somebody out is the quarantine.
"""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import fisher_exact, poisson

from unspoken.pairs.leniency import chance, leniency
from unspoken.pairs.propensity import effective

Floats = NDArray[np.float64]

FEWEST = 5  # votes from which on a user is tested, and may count as voting one way
SHOWN = 20  # users, and places, in each list
SIGNIFICANT = 0.05
PLACES = ("prompt_key", "topic", "policy")


def account(episodes: pl.DataFrame, unpaired: pl.DataFrame) -> dict[str, Any]:
    """frames.EPISODES and frames.UNPAIRED to everything below, as JSON values; users by their hash."""
    votes = episodes.select("user", "vote", *PLACES).filter(pl.col("vote").is_not_null())
    return {
        "influence": {family: _family(unpaired, family) for family in unpaired["family"].unique().sort()},
        "voters": voters(votes),
        "unlike_the_rest": unlike(votes).filter(pl.col("bh") < SIGNIFICANT).head(SHOWN).to_dicts(),
        "one_way": one_way(votes),
    }


def voters(votes: pl.DataFrame) -> dict[str, Any]:
    """How many users cast the votes, how many it amounts to (Kish) before any cap, and how few cast half of them."""
    counts = votes.filter(pl.col("user").is_not_null()).group_by("user").len()["len"].sort(descending=True).to_numpy()
    return {
        "users": len(counts),
        "effective_users": effective(counts.astype(np.float64)),
        "half_cast_by": int(np.searchsorted(counts.cumsum(), counts.sum() / 2)) + 1 if len(counts) else 0,
    }


def influence(records: pl.DataFrame) -> pl.DataFrame:
    """Per user of frames.UNPAIRED of one family: records, share of the weight, direction, shift; greatest shift first.

    The direction is Σw(2p − 1)/Σw, −1 … 1; `shift` is how far the whole family's direction goes when the user is left
    out. Records of nobody known have no influence of their own.
    """
    lean = (pl.col("weight") * (2 * pl.col("p") - 1)).sum()
    total, whole = records.select(pl.col("weight").sum(), lean.alias("lean")).row(0) if len(records) else (0.0, 0.0)
    people = (
        records.select("user", "message", "weight", "p")
        .filter(pl.col("user").is_not_null())
        .sort("user", "message")
        .group_by("user", maintain_order=True)
        .agg(pl.len().alias("records"), pl.col("weight").sum(), lean.alias("lean"))
    )
    rest = total - pl.col("weight")
    shift = pl.when(rest > 0).then(whole / total - (whole - pl.col("lean")) / rest) if total else pl.lit(None)
    return people.select(
        "user",
        pl.col("records").cast(pl.Int64),
        (pl.col("weight") / total).alias("weight_share"),
        (pl.col("lean") / pl.col("weight")).alias("direction"),
        shift.cast(pl.Float64).alias("shift"),
    ).sort([pl.col("shift").abs(), "user"], descending=[True, False], nulls_last=True)


def unlike(votes: pl.DataFrame) -> pl.DataFrame:
    """Fisher's exact test of each user's votes against those of the rest: user, votes, up, p, holm, bh; least p first.

    Two-sided, for users with FEWEST votes or more; Holm bounds the chance of one false name, Benjamini and Hochberg
    the share of false names.
    """
    people = (
        votes.filter(pl.col("user").is_not_null())
        .group_by("user")
        .agg(pl.len().cast(pl.Int64).alias("votes"), (pl.col("vote") > 0).sum().cast(pl.Int64).alias("up"))
        .filter(pl.col("votes") >= FEWEST)
    )
    up = int((votes["vote"] > 0).sum())
    kinds = people.select("votes", "up").unique().sort("votes", "up")
    rest = len(votes) - up
    p = [float(fisher_exact([[k, n - k], [up - k, rest - n + k]]).pvalue) for n, k in kinds.iter_rows()]
    tested = people.join(kinds.with_columns(pl.Series("p", p, dtype=pl.Float64)), on=["votes", "up"]).sort("p", "user")
    values = tested["p"].to_numpy()
    return tested.with_columns(
        pl.Series("holm", holm(values), dtype=pl.Float64), pl.Series("bh", benjamini_hochberg(values), dtype=pl.Float64)
    )


def one_way(votes: pl.DataFrame) -> dict[str, Any]:
    """Users whose votes, FEWEST or more, all go one way: how many, how many were to be expected, and where they vote.

    `expected` is by the leniency fitted to all users, `p` the Poisson chance of so many or more. `aimed_at` lists the
    prompts, topics and policies that hold a greater share of these users' votes than of others': so looks a trigger.
    """
    found = leniency(votes)
    people = found.users.filter(pl.col("votes") >= FEWEST)
    cast = people["votes"].to_numpy().astype(np.float64)
    report: dict[str, Any] = {}
    for way, up in (("up", cast), ("down", np.zeros_like(cast))):
        same = people.filter(pl.col("up") == pl.Series(up, dtype=pl.Int64))
        expected = float(chance(found, cast, up).sum())
        theirs = pl.col("user").is_in(same["user"].implode())
        report[way] = {
            "users": len(same),
            "expected": expected,
            "p": float(poisson.sf(len(same) - 1, expected)) if len(same) else 1.0,
            "votes": int(same["votes"].sum()),
            "who": same.sort(["votes", "user"], descending=[True, False])["user"].head(SHOWN).to_list(),
            "aimed_at": _aimed_at(votes.with_columns(theirs.fill_null(False).alias("theirs"))) if len(same) else [],
        }
    return report


def holm(p: Floats) -> Floats:
    """Holm's adjusted p, for p in ascending order."""
    m = len(p)
    adjusted: Floats = np.minimum(1.0, np.maximum.accumulate(p * (m - np.arange(m)))) if m else p
    return adjusted


def benjamini_hochberg(p: Floats) -> Floats:
    """Benjamini and Hochberg's adjusted p, for p in ascending order."""
    m = len(p)
    adjusted: Floats = np.minimum.accumulate((p * m / np.arange(1, m + 1))[::-1])[::-1] if m else p
    return adjusted


def _family(unpaired: pl.DataFrame, family: str) -> dict[str, Any]:
    people = influence(unpaired.select("user", "message", "family", "weight", "p").filter(pl.col("family") == family))
    return {
        "users": len(people),
        "effective_users": effective(people["weight_share"].to_numpy()),
        "most": people.head(SHOWN).to_dicts(),
    }


def _aimed_at(votes: pl.DataFrame) -> list[dict[str, Any]]:
    """Fisher's exact test, one-sided, of each place with FEWEST of their votes; Holm over all places."""
    theirs, rows = int(votes["theirs"].sum()), []
    for kind in PLACES:
        known = votes.filter(pl.col(kind).is_not_null())
        cells = known.group_by(kind).agg(pl.col("theirs").sum().cast(pl.Int64), pl.len().cast(pl.Int64).alias("all"))
        for place, inside, both in cells.filter(pl.col("theirs") >= FEWEST).sort(kind).iter_rows():
            others, elsewhere = both - inside, len(votes) - theirs - (both - inside)
            p = fisher_exact([[inside, theirs - inside], [others, elsewhere]], alternative="greater").pvalue
            rows.append({"kind": kind, "place": place, "theirs": inside, "others": others, "p": float(p)})
    rows.sort(key=lambda row: row["p"])
    adjusted = holm(np.array([row["p"] for row in rows]))
    return [row for row, p in zip(rows, adjusted, strict=True) if p < SIGNIFICANT][:SHOWN]
