"""What was done to each answer; an act of any kind shows that it was seen."""

import numpy as np
import polars as pl

from unspoken.events import REVEALED
from unspoken.events.kinds import LARGEST
from unspoken.signals.episodes.columns import Found
from unspoken.signals.episodes.rows import NULL
from unspoken.signals.episodes.told import Acts, Some
from unspoken.signals.tree import Rows

# A lost connection is nobody's act. Expressed kinds are neither family's, so this is a list of what counts.
ACTS = tuple(kind for kind in REVEALED if kind != "disconnect")
TIMES = ("visible_ms", "active_ms", "idle_ms", "hidden_ms")


def done_to(acts: Acts, seen: Some) -> list[Found]:
    """What was done to the messages; `seen`: the events of ACTS."""
    return [
        Found({"exposed": seen.any()} | {name: seen.most(seen.values(name)) for name in ("seen_chars", "total_chars")}),
        _who(seen),
        _viewed(acts.on("view")),
        _left(acts.on("close")),
        _regenerated(acts.on("regenerate")),
        _copied(acts.on("copy")),
        _paused(acts.on("pause")),
        Found(
            {
                "stopped": acts.on("stop").any(),
                "shared": acts.on("share").any(),
                "selected": acts.on("select").any(),
                "cut_off": acts.on("disconnect").any(),
            }
        ),
    ]


def _who(seen: Some) -> Found:
    """Who acted, on what device and in which arm, each of the first act that says it."""
    by_name = {name: seen.saying(name) for name in ("user", "device", "arm")}
    return Found(
        elsewhere=[
            (seen.events.select(pl.col(name).alias(f"acted_{name}")), said.numbers(said.first()))
            for name, said in by_name.items()
        ]
    )


def _viewed(views: Some) -> Found:
    """Times summed over views. No view, or none that says it, is an unknown time, not a time of zero."""
    return Found({time: views.total(views.values(time)) for time in TIMES})


def _left(closes: Some) -> Found:
    """The last close; `told`: whether the page itself told any."""
    said = closes.says(closed="phase", close_cause="cause")
    told = closes.where(pl.col("cause").ne_missing("inferred"))
    return Found({"told": told.any()}, [(said, closes.last())])


def _regenerated(again: Some) -> Found:
    return Found({"regenerated": again.any()}, [(again.says(regenerate_phase="phase"), again.first())])


def _copied(copies: Some) -> Found:
    """The most that was copied at once. What does not say how much is a button's, which takes the whole of it."""
    code = pl.col("part").eq_missing("code")

    def most(some: Some) -> Rows:
        chars = some.values("chars")
        return some.most(np.where(chars == NULL, LARGEST, chars))  # cut to the answer's own length where it is known

    return Found(
        {
            "copied_chars": most(copies),
            "copied_code_chars": most(copies.where(code)),
            "copied_prose_chars": most(copies.where(~code)),
        }
    )


def _paused(pauses: Some) -> Found:
    while_reading = pauses.where(pl.col("phase") == "reading")
    return Found({"longest_pause_ms": while_reading.most(while_reading.values("ms"))})
