"""Acts to log-odds, by hand-set weights: the first rule of the revealed family, and the one to beat.

The fitted label model (one factor per family) takes this place later; these weights stay as a comparison row. Nothing
here reads votes, ratings, choices or an answer's text; length enters reading time and exposure only.
"""

import math

import numpy as np
import polars as pl

from unspoken.signals.episodes import READING_CHARS_PER_S

RULE = "acts/1"
REVEALED_COLUMNS = (
    "message", "user", "chars", "exposed", "duration_ms", "visible_ms", "seen_chars", "total_chars", "stopped",
    "closed", "regenerated", "regenerated_unread", "copied_share", "evidence",
)  # fmt: skip
STOP_SLOPE, CLOSE_SLOPE = 0.8, 0.25  # a in lo = −2aδ + 2 sinh(a)·Λ₀(T); a close says little without context
REGENERATED, REGENERATED_UNREAD, COPIED, SKIPPED = -1.2, -0.3, 1.5, -0.5
SKIPPED_BELOW_Z = -1.0


def acts(episodes: pl.DataFrame) -> pl.DataFrame:
    """message, user, lo (log-odds that it was worth more than par), p, dwell_z, evidence.

    lo and p are null where nothing is known: not exposed, or no act came and no time.

    stop and close: with hazard h = exp(α ∓ a) the log-likelihood ratio of an act δ after exposure T is
    −2aδ + 2 sinh(a)·Λ₀(T), Λ₀(T) = T·(all acts / all exposure). A regenerate that follows a stop is the same act and
    says nothing more. A copy speaks up to 30 % of the length; not copying says nothing. Dwell speaks only where it is
    too short to have read.
    """
    rows = episodes.select(REVEALED_COLUMNS)
    # Completion is right censoring: nobody can stop what has been written out. Without a view nobody knows the time.
    streaming_s = (
        pl.when(pl.col("visible_ms").is_not_null()).then(pl.min_horizontal("visible_ms", "duration_ms")) / 1000
    )
    rows = rows.with_columns(
        streaming_s.fill_null(0.0).alias("at_risk"),
        dwell_z(rows),
        (pl.col("closed") == "streaming").fill_null(False).alias("closed_early"),
    )
    exposed = rows.filter("exposed")
    risk = max(float(exposed["at_risk"].sum()), 1e-9)

    def hazard(column: str, slope: float) -> pl.Expr:
        rate = float(exposed[column].sum()) / risk
        return pl.col("at_risk") * (2 * math.sinh(slope) * rate) - pl.col(column).cast(pl.Float64) * (2 * slope)

    lo = (
        hazard("stopped", STOP_SLOPE)
        + hazard("closed_early", CLOSE_SLOPE)
        + pl.when("stopped")
        .then(0.0)
        .when("regenerated_unread")
        .then(REGENERATED_UNREAD)
        .when("regenerated")
        .then(REGENERATED)
        .otherwise(0.0)
        + COPIED * (pl.col("copied_share") / 0.3).clip(0, 1)
        + pl.when(pl.col("dwell_z") < SKIPPED_BELOW_Z).then(SKIPPED).otherwise(0.0)
    )
    acted = pl.any_horizontal("stopped", "closed_early", "regenerated", pl.col("copied_share") > 0)
    known = pl.col("exposed") & (acted | pl.col("visible_ms").is_not_null())
    return rows.with_columns(pl.when(known).then(lo).alias("lo")).select(
        "message",
        "user",
        "lo",
        (1 / (1 + (-pl.col("lo")).exp())).alias("p"),
        "dwell_z",
        "evidence",
    )


def dwell_z(rows: pl.DataFrame) -> pl.Series:
    """Standardised residual of log visible time on log length, less the user's own pace (shrunk to 0); null unseen.

    Stopped, closed and regenerated answers are left out of the fit and of the result: their time was cut short.
    """
    cut = (rows["stopped"] | rows["regenerated"] | rows["closed"].is_not_null()).to_numpy()
    seconds = rows["visible_ms"].cast(pl.Float64).fill_null(0.0).to_numpy() / 1000
    chars = rows["chars"].cast(pl.Float64).fill_null(0.0).to_numpy()
    usable = ~cut & (seconds > 0) & (chars > 0)
    z = np.full(len(rows), np.nan)
    if usable.sum() >= 20:
        x = np.log(chars[usable] / READING_CHARS_PER_S)
        y = np.log(seconds[usable])
        slope = np.cov(x, y)[0, 1] / max(np.var(x, ddof=1), 1e-9)
        left = y - y.mean() - slope * (x - x.mean())
        users = rows["user"].fill_null("").rank("dense").to_numpy()[usable] - 1
        count = np.bincount(users)
        pace = np.bincount(users, weights=left) / np.maximum(count, 1)
        # Empirical Bayes: the spread of users' means beyond what their counts explain.
        within = np.var(left - pace[users])
        between = max(float(np.var(pace[count > 0])) - float(np.mean(within / count[count > 0])), 0.0)
        pace = pace * between / (between + within / np.maximum(count, 1) + 1e-12)
        left = left - pace[users]
        z[usable] = left / max(float(left.std()), 1e-9)
    return pl.Series("dwell_z", z).fill_nan(None)
