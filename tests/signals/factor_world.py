"""Episodes drawn from the label model itself, with the worths behind them: what a fit has to find again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from unspoken.frames import EPISODES

READING = 238 / 60 * 5.7
SLOPES = {"stop": -0.8, "close": -0.3, "regenerate": -1.0, "copy": 0.9, "dwell": 0.4, "writes": 0.5}


@dataclass
class Drawn:
    """Episodes, and for each its worth and whether it was for variety."""

    episodes: pl.DataFrame
    worth: np.ndarray
    variety: np.ndarray


def draw(
    answers: int,
    seed: int = 0,
    slopes: dict[str, float] | None = None,
    users: int | None = None,
    close_by_topic: tuple[float, ...] = (-0.3,),
    variety: float = 0.06,
    lost: float = 0.0,
    shift: float = 0.0,
    taste: float = 0.0,
    cut: bool = False,
    reads_less: float = 0.3,
    unread: float = 0.6,
    bend: float = 0.0,
    skewed: bool = False,
    **constant: Any,
) -> Drawn:
    """`lost`: the share of view, stop, close, regenerate, copy events that never came; pages count their events.

    shift: of every worth. taste: the correlation of worth and length. cut: what was stopped or left is as long as what
    had come by then. Who wants another answer reads `reads_less` sd less, and a share `unread` of them not at all.
    bend: of the dwell, times u² − 1. skewed: what else lengthens it is exponential, not normal.
    constant: columns of all rows, e.g. anchor.
    """
    b = SLOPES | (slopes or {})
    random = np.random.default_rng(seed)
    n = answers
    worth = random.normal(size=n)
    user = random.integers(0, users or n // 15 + 1, n)
    topic = random.integers(0, len(close_by_topic), n)
    log_chars = random.normal(6.5, 0.5, n)
    chars = np.exp(log_chars).astype(int) + 20
    u = taste * (log_chars - 6.5) / 0.5 + np.sqrt(1 - taste**2) * worth + shift
    duration = chars / 60
    wants_other = random.random(n) < variety
    stop_s = random.exponential(1 / (0.012 * np.exp(b["stop"] * u)))
    close_s = random.exponential(1 / (0.012 * np.exp(np.array(close_by_topic)[topic] * u)))
    # Who wants another answer, or would regenerate anyhow, may do so within a second: that cuts the time at risk.
    again = random.random(n) < np.where(wants_other, 0.5, expit(-2.7 + b["regenerate"] * u))
    hasty = again & (random.random(n) < np.where(wants_other, unread, 0.03 * (unread > 0)))
    duration_at_risk = np.where(hasty, 1.0, duration)
    stopped = (stop_s < duration_at_risk) & (stop_s < close_s)
    closed = (close_s < duration_at_risk) & ~stopped
    whole = ~stopped & ~closed
    regenerated = (whole & again) | (stopped & (random.random(n) < 0.5))
    not_read = whole & hasty
    copied = whole & ~not_read & (random.random(n) < expit(-2.2 + b["copy"] * u))
    writes = whole & ~regenerated & (random.random(n) < expit(0.3 + b["writes"] * u))
    noise = random.exponential(size=n) - 1 if skewed else random.normal(size=n)
    z = b["dwell"] * u + bend * (u**2 - 1) - reads_less * wants_other + noise
    read_s = chars / READING * 2 * np.exp(0.3 * random.normal(size=users or n // 15 + 1)[user] + 0.4 * z)
    visible_s = np.where(stopped, stop_s, np.where(closed, close_s, np.where(not_read, 1.0, read_s)))

    def came(events: np.ndarray) -> np.ndarray:
        return events & (random.random(n) >= lost)

    told = {name: came(acts) for name, acts in {
        "view": np.ones(n, bool), "stopped": stopped, "closed": closed, "regenerated": regenerated, "copied": copied,
    }.items()}  # fmt: skip
    missing = sum(
        (acts & ~told[name]).astype(int)
        for name, acts in {"view": np.ones(n, bool), "stopped": stopped, "closed": closed, "regenerated": regenerated,
                           "copied": copied}.items()
    )  # fmt: skip
    if cut:
        chars = np.where(whole, chars, np.maximum(visible_s * 60, 1).astype(int))
    ids = [f"m{k:06d}" for k in range(n)]
    visible = pl.Series(np.round(visible_s * 1000).astype(int)).set(pl.Series(~told["view"]), None)
    plain = {name: False for name, dtype in EPISODES.items() if dtype == pl.Boolean}
    columns = {
        "message": ids, "conversation": ids, "user": [f"u{k}" for k in user], "chars": chars,
        "topic": [f"t{k}" for k in topic], "device": "phone", "exposed": True, "lost": missing,
        "duration_ms": np.round(duration * 1000).astype(int), "visible_ms": visible, "stopped": told["stopped"],
        "closed": pl.Series([None] * n, dtype=pl.String).set(pl.Series(told["closed"]), "streaming"),
        "regenerated": told["regenerated"], "regenerated_unread": not_read & told["regenerated"] & told["view"],
        "copied_share": np.where(told["copied"], 1.0, 0.0), "siblings": 1 + regenerated.astype(int),
        "last_generated": True, "evidence": [[f"e{k}"] for k in range(n)],
        "next_act": pl.Series([None] * n, dtype=pl.String).set(pl.Series(writes), "message"),
    }  # fmt: skip
    frame = pl.DataFrame(columns | constant)
    absent = [(plain.get(name), name) for name in EPISODES if name not in frame.columns]
    frame = frame.with_columns(pl.lit(value).cast(EPISODES[name]).alias(name) for value, name in absent)
    return Drawn(frame.select(pl.col(name).cast(dtype) for name, dtype in EPISODES.items()), u, wants_other)


def expit(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
