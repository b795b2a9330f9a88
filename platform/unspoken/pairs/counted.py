"""What was seen at all: how often each signal came, and of how many answers it speaks."""

from typing import Any

import polars as pl

from unspoken.events import KINDS
from unspoken.pairs.seen import Seen
from unspoken.signals.episodes import STATED_KINDS
from unspoken.signals.factor.model import RULE as FACTOR


def signals(units: pl.DataFrame, found: Seen, replies: pl.DataFrame) -> list[dict[str, Any]]:
    """family, signal, events, answers, share of the units. What is said of a conversation speaks of its answers."""
    kinds = found.beside.select("message", "kinds").join(units.select("message"), on="message", how="semi")["kinds"]
    came = {kind: found.totals[kind] for kind in sorted(KINDS) if kind != "message" and found.totals[kind]}
    counts = [(kind, events, int(((kinds & 2 ** KINDS.index(kind)) > 0).sum())) for kind, events in came.items()]
    on = int(units["continued"].sum())
    wrote = replies.group_by("reply_class").agg(pl.len().alias("events"), pl.col("message").n_unique().alias("answers"))
    rows = [
        *(("stated" if row[0] in STATED_KINDS else "revealed", *row) for row in counts),
        ("revealed", "wrote again", on, on),
        *(("expressed", *row) for row in wrote.sort("reply_class").rows()),
    ]
    return [
        {"family": family, "signal": kind, "events": count, "answers": answers, "share": answers / max(len(units), 1)}
        for family, kind, count, answers in rows
    ]


def notes(units: pl.DataFrame, rule: str | None) -> list[str]:
    """What a reader of the funnel has to know of odd data that stays in. `rule`: that of the revealed labels."""
    said = []
    voted = units.select("user", "vote").filter(pl.col("vote").is_not_null())
    if len(voted) > 1 and voted["user"].n_unique() == 1 and voted["user"].null_count() == 0:
        said.append(f"All {len(voted):,} votes are of one user: what is called stated here is one person's taste.")
    used = pl.col("continued") | (pl.col("copied_share") > 0) | pl.col("shared")
    # What is done with a part says nothing of the whole: the label model takes such an act for unknown.
    half = (pl.col("closed") == "streaming").fill_null(False) & pl.lit(rule == FACTOR)
    cut, returned = units.select(
        (used & half).sum().alias("cut"), (used & pl.col("closed").is_not_null() & ~half).sum().alias("returned")
    ).row(0)
    if cut:
        said.append(
            f"{cut:,} answers were closed while they were written and also used: the close alone counts, for what is "
            "done with a part says nothing of the whole."
        )
    if returned:
        said.append(f"{returned:,} answers were closed and also used: both acts count, for people come back.")
    return said
