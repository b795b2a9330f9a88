"""What was done to each answer; an act of any kind shows that it was seen."""

import polars as pl
from polars.dataframe.group_by import GroupBy

from unspoken.events import REVEALED
from unspoken.events.kinds import LARGEST
from unspoken.signals.episodes.rows import Acts, first_of, last_of
from unspoken.signals.episodes.written import assigned

# A lost connection is nobody's act. Expressed kinds are neither family's, so this is a list of what counts.
ACTS = tuple(kind for kind in REVEALED if kind != "disconnect")
TIMES = ("visible_ms", "active_ms", "idle_ms", "hidden_ms")


def done_to(acts: Acts) -> list[pl.DataFrame]:
    """Frames of `row` and what was done to the message there; none has a row twice."""
    return [
        _seen(acts),
        *_who(acts),
        _viewed(acts),
        _left(acts),
        _regenerated(acts),
        _copied(acts),
        _paused(acts),
        *(
            _marked(acts, kind, name)
            for kind, name in (("stop", "stopped"), ("share", "shared"), ("select", "selected"))
        ),
        _marked(acts, "disconnect", "cut_off"),
    ]


def _seen(acts: Acts) -> pl.DataFrame:
    return _by_row(acts.on(*ACTS, columns=("event", "seen_chars", "total_chars"))).agg(
        pl.lit(True).alias("exposed"),
        pl.col("seen_chars").max(),
        pl.col("total_chars").max(),
        pl.col("event").alias("evidence"),
    )


def _who(acts: Acts) -> list[pl.DataFrame]:
    """Who acted, on what device and in which arm, each of the first act that says it."""
    rows = acts.on(*ACTS, columns=("user", "device", "arm"))
    user, device, arm = (
        first_of(rows.select("row", pl.col(name).alias(f"acted_{name}")).drop_nulls()) for name in rows.columns[:3]
    )
    return [user, device, assigned(arm, "acted_arm", "acted_").drop("acted_arm")]


def _viewed(acts: Acts) -> pl.DataFrame:
    """Times summed over views. No view, or none that says it, is an unknown time, not a time of zero."""
    views = _by_row(acts.on("view", columns=TIMES))
    return views.agg(pl.when(pl.col(time).count() > 0).then(pl.col(time).sum()).alias(time) for time in TIMES)


def _left(acts: Acts) -> pl.DataFrame:
    """The last close; `told`: whether the page itself told any."""
    closes = acts.on("close", columns=("phase", "cause"))
    told = closes.filter(pl.col("cause").ne_missing("inferred"))
    return last_of(closes.rename({"phase": "closed", "cause": "close_cause"})).with_columns(
        told=pl.col("row").is_in(told["row"].implode())
    )


def _regenerated(acts: Acts) -> pl.DataFrame:
    return first_of(acts.on("regenerate", columns=(pl.col("phase").alias("regenerate_phase"),))).with_columns(
        regenerated=True
    )


def _copied(acts: Acts) -> pl.DataFrame:
    """The most that was copied at once. What does not say how much is a button's, which takes the whole of it."""
    code = pl.col("part").eq_missing("code")
    chars = pl.col("chars").fill_null(LARGEST)  # cut to the answer's own length where that is known
    return _by_row(acts.on("copy", columns=("chars", "part"))).agg(
        chars.max().alias("copied_chars"),
        chars.filter(code).max().alias("copied_code_chars"),
        chars.filter(~code).max().alias("copied_prose_chars"),
    )


def _paused(acts: Acts) -> pl.DataFrame:
    pauses = acts.on("pause", columns=("phase", "ms")).filter(pl.col("phase") == "reading")
    return _by_row(pauses).agg(pl.col("ms").max().alias("longest_pause_ms"))


def _marked(acts: Acts, kind: str, name: str) -> pl.DataFrame:
    return first_of(acts.on(kind, columns=("event",))).select("row", pl.lit(True).alias(name))


def _by_row(rows: pl.DataFrame) -> GroupBy:
    return rows.set_sorted("row").group_by("row", maintain_order=True)
