"""The arm in which people were asked to vote, with two levels of insistence drawn at random.

Who answers when asked is still a choice of theirs: so the response rate r stands beside the share up p̂, the truth is
bounded by [r·p̂, r·p̂ + 1 − r] whatever the silent think, and where firmer asking changes both r and p̂, silence is not
at random. Organic votes are counted outside the arm only (science: §7, "Missing votes").
"""

from typing import Any

import numpy as np
import polars as pl
from scipy.stats import fisher_exact

from unspoken.pairs.missing import gamma_hat
from unspoken.pairs.propensity import ASKED, COMPLETED

SILENT = (0.5, 1.0, 2.0)  # Γ among the asked: P(answers | −) / P(answers | +)


def solicited(episodes: pl.DataFrame) -> dict[str, Any]:
    """Levels, bounds, Γ̂ per topic and the two tests, over completed answers; JSON values only.

    `asked` was assigned soft or firm and shown the question; who was assigned and not shown is counted apart. Shares
    are weighted by 1/propensity of the assignment where it is logged, so that they speak of all answers.
    """
    columns = ("topic", "vote", "solicit_level", "solicit_shown", "solicit_propensity")
    whole = episodes.lazy().filter(COMPLETED).select(columns).collect()
    assigned = whole.filter(pl.col("solicit_level").is_in(ASKED))
    asked = assigned.filter(pl.col("solicit_shown").fill_null(True))
    organic = whole.filter(~pl.col("solicit_level").is_in(ASKED).fill_null(False) & pl.col("vote").is_not_null())
    levels = [_level(level, asked.filter(pl.col("solicit_level") == level)) for level in ASKED]
    both = _level("both", asked)
    return {
        "assigned": len(assigned),
        "not_shown": len(assigned) - len(asked),
        "organic_votes": len(organic),
        "organic_share_up": _share(organic),
        "levels": levels,
        "both": both,
        "effect": {"response": _test(levels, "answered", "asked"), "share_up": _test(levels, "up", "answered")},
        "solicited_gamma": [_assumed(both["share_up"], gamma) for gamma in SILENT],
        "gamma": gamma_hat(_counts(organic, asked)),
    }


def bounds(response: float, share_up: float) -> tuple[float, float]:
    """[r·p̂, r·p̂ + 1 − r]: P(up) if every silent one were displeased, and if every one were pleased."""
    return response * share_up, response * share_up + 1 - response


def _level(name: str, asked: pl.DataFrame) -> dict[str, Any]:
    weight = asked.select(1 / pl.col("solicit_propensity").fill_null(1.0)).to_series().to_numpy()
    voted, up = asked["vote"].is_not_null().to_numpy(), (asked["vote"] > 0).fill_null(False).to_numpy()
    row: dict[str, Any] = {"level": name, "asked": len(asked), "answered": int(voted.sum()), "up": int(up.sum())}
    response = float(weight @ voted / weight.sum()) if len(asked) else None
    share_up = float(weight @ up / (weight @ voted)) if voted.any() else None
    limits = (None, None) if response is None else bounds(response, share_up or 0.0)
    return row | {"response": response, "share_up": share_up, "lowest": limits[0], "highest": limits[1]}


def _share(votes: pl.DataFrame) -> float | None:
    return float((votes["vote"] > 0).mean()) if len(votes) else None  # type: ignore[arg-type]


def _test(levels: list[dict[str, Any]], what: str, of: str) -> dict[str, float | None]:
    """Firm against soft: the log odds ratio, half a count added to each cell, and Fisher's two-sided p."""
    soft, firm = levels
    if not soft[of] or not firm[of]:
        return {"log_odds_ratio": None, "p": None}
    table = np.array([[firm[what], firm[of] - firm[what]], [soft[what], soft[of] - soft[what]]])
    smooth = np.log(table + 0.5)
    ratio = smooth[0, 0] - smooth[0, 1] - smooth[1, 0] + smooth[1, 1]
    return {"log_odds_ratio": float(ratio), "p": float(fisher_exact(table).pvalue)}


def _assumed(share_up: float | None, gamma: float) -> dict[str, float | None]:
    """The share of the pleased among all who were asked, if the displeased answered `gamma` times as often."""
    if share_up is None:
        return {"gamma": gamma, "share_up": None}
    return {"gamma": gamma, "share_up": share_up * gamma / (share_up * gamma + 1 - share_up)}


def _counts(organic: pl.DataFrame, asked: pl.DataFrame) -> list[tuple[str, int, int, int, int]]:
    """Votes up and down by topic, outside the arm and in it; no topic is a group of its own."""
    both = pl.concat(
        [
            organic.select("topic", "vote", pl.lit(False).alias("asked")),
            asked.select("topic", "vote", pl.lit(True).alias("asked")),
        ]
    ).drop_nulls("vote")
    cells = [
        ((pl.col("asked") == arm) & (pl.col("vote") == vote)).sum().alias(f"{arm}{vote}")
        for arm in (False, True)
        for vote in (1, -1)
    ]
    return both.group_by(pl.col("topic").fill_null("")).agg(cells).sort("topic").rows()
