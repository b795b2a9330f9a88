"""How much of the time an answer is written is no reading of it: the whole log's times in sight say.

Who reads along has read an answer r seconds after its first token, or as it is complete: in sight max(written, r). Who
waits for the whole of it begins then: in sight written + r. With log r normal given the length, the share w of the
writing that comes before the reading is the one under which the times seen are likeliest.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import log_ndtr

from unspoken.signals.factor.paces import LEAST_SD

Floats = NDArray[np.float64]
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
DAY_MS = 86_400_000  # from there on a clock went wrong
TICK_S = 1.0  # who left so soon after the end may have been through with it before
ENOUGH = 300  # answers
READ = ("chars", "duration_ms", "visible_ms", "idle_ms", "hidden_ms")
ROUNDS = 30  # of going over the reading times that are not known


def waiting(whole: pl.DataFrame) -> float:
    """One of SHARES, of READ of frames.EPISODES rows that came out whole; 0 where too few say."""
    active_ms = pl.col("visible_ms") - pl.col("idle_ms").fill_null(0)
    told = whole.filter(
        (pl.col("duration_ms") > 0) & (active_ms >= pl.col("duration_ms")) & (active_ms < DAY_MS),
        (pl.col("chars") > 0) & (pl.col("hidden_ms").fill_null(0) == 0),
    ).select("chars", seen_s=active_ms / 1000, written_s=pl.col("duration_ms") / 1000)
    if len(told) < ENOUGH:
        return 0.0
    seen_s, written_s = told["seen_s"].to_numpy(), told["written_s"].to_numpy()
    columns = np.column_stack([np.ones(len(told)), np.log(told["chars"].cast(pl.Float64).to_numpy())])
    likely = [_log_likelihood(seen_s, written_s, columns, share) for share in SHARES]
    return SHARES[int(np.argmax(likely))]


def _log_likelihood(seen_s: Floats, written_s: Floats, columns: Floats, share: float) -> float:
    """Of the times in sight, at its highest; those of who left at once say only that r was less."""
    at_once = seen_s < written_s + TICK_S
    log_r = np.log(np.where(at_once, written_s + TICK_S, seen_s) - share * written_s)
    filled, spread = log_r, np.zeros(len(log_r))
    for _ in range(ROUNDS):
        slopes = np.linalg.lstsq(columns, filled, rcond=None)[0]
        mean = columns @ slopes
        sd = max(float(np.sqrt(np.mean((filled - mean) ** 2 + spread))), LEAST_SD)
        z = (log_r - mean) / sd
        mills = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(z))
        filled = np.where(at_once, mean - sd * mills, log_r)
        spread = np.where(at_once, sd**2 * (1 - z * mills - mills**2), 0.0)
    return float(np.where(at_once, log_ndtr(z), -0.5 * z**2 - np.log(sd) - 0.5 * np.log(2 * np.pi) - log_r).sum())
