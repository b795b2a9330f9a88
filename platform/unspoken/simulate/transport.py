"""What becomes of events on their way: pages' events get lost, come twice, or bear the time of a clock that is off."""

import numpy as np
import polars as pl

from unspoken.simulate.draws import Draws
from unspoken.simulate.posterior import SEEN_BY

_LATE_MS = 3_600_000
SENT_AFTER_MS = 100


def sent(draws: Draws, rows: pl.DataFrame) -> pl.DataFrame:
    """Adds at (ms, as the platform corrects it), clock_ms (how far the page's clock is ahead), delay_ms (of the page's
    batch on its way), lost, arrival (ms) and repeated; repeated rows come again, later.
    """
    world = draws.world
    random = np.random.default_rng([draws.seed, 4])
    from_page = rows["from_page"].to_numpy()
    exchange = rows["exchange"].to_numpy()
    clock = np.where(from_page, (1000 * draws.people.clock_s).astype(np.int64)[draws.user[exchange]], 0)
    wait = random.integers(30, 300, len(draws.user))[exchange]
    delay = np.where(from_page & (world.clock_skew_s > 0), wait, 0)
    t = rows["t"].to_numpy()
    rows = rows.with_columns(
        at=pl.Series(t + delay),
        clock_ms=pl.Series(clock),
        delay_ms=pl.Series(delay),
        lost=pl.Series(from_page & (random.random(len(rows)) < world.lost_rate)),
        arrival=pl.Series(t + delay),
        repeated=pl.lit(False),
    )
    if not world.duplicate_rate:
        return rows
    late = random.random(len(rows)) < world.duplicate_rate / 2
    again = rows.filter(pl.Series(random.random(len(rows)) < world.duplicate_rate)).with_columns(repeated=pl.lit(True))
    again = again.with_columns(arrival=pl.col("arrival") + pl.Series(random.integers(0, _LATE_MS, len(again))))
    # What is late is late the first time as well; a page keeps what it could not send.
    first = rows.with_columns(
        arrival=pl.col("arrival") + pl.Series(np.where(late, random.integers(0, _LATE_MS, len(rows)), 0))
    )
    return pl.concat([first, again])


def lost(draws: Draws, rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """For each kind that p_bayes reads: which answers' event never came, (answers,) bool; {} where none is lost."""
    if not draws.world.lost_rate:
        return {}
    gone = rows.filter(pl.col("lost") & (pl.col("message") < len(draws)))
    found = {}
    for kind in SEEN_BY:
        found[kind] = np.zeros(len(draws), dtype=bool)
        found[kind][gone.filter(pl.col("kind") == kind)["message"].to_numpy()] = True
    return found
