"""What a build takes from messages and events: one row an answer, and little else, so that events need not be held.

Nothing here crosses from one conversation to another. So tables of some conversations can be made apart from those of
others, kept on file and put together: they say what those of all at once would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

import unspoken
from unspoken.events import KINDS
from unspoken.frames import EPISODES, EVENTS, Schema, check, empty
from unspoken.pairs.consented import step, withheld, without
from unspoken.signals.episodes import episodes

ANSWERS: Schema = {
    **EPISODES,
    "reply_event": pl.String,  # the first that told the reply
    "kinds": pl.Int64,  # a bit for each of KINDS whose events name the answer, or its conversation alone
}
CHOICES: Schema = {name: EVENTS[name] for name in ("conversation", "at", "event", "kind", "chosen", "rejected", "tie")}
TALKS: Schema = {
    "conversation": pl.String,
    "messages": pl.Int64,
    "answers": pl.Int64,
    "entered": pl.Int64,  # events, before any was withheld for want of consent
    "withheld": pl.Int64,
    "kept": pl.Int64,
    **dict.fromkeys(KINDS, pl.Int64),  # of those that were kept
}
TABLES: Mapping[str, Schema] = {"answers": ANSWERS, "choices": CHOICES, "talks": TALKS}


@dataclass(frozen=True)
class Seen:
    """`episodes`: frames.EPISODES. `beside`: message, reply, at, reply_event, kinds of each. `totals`: sums of TALKS.

    `conversations`: those with a message. `choices`: CHOICES.
    """

    episodes: pl.DataFrame
    beside: pl.DataFrame
    choices: pl.DataFrame
    conversations: int
    totals: Mapping[str, int]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The funnel so far."""
        return step(self.totals["entered"], self.totals["withheld"], self.totals["kept"])

    def told(self) -> pl.DataFrame:
        """The event of each reply, by kind, message, at, event."""
        replies = self.beside.filter(pl.col("reply").is_not_null())
        return replies.select(pl.lit("message").alias("kind"), "at", message="reply", event="reply_event")


def tables(
    messages: pl.DataFrame, events: pl.DataFrame, refused: pl.DataFrame | None = None
) -> dict[str, pl.DataFrame]:
    """TABLES of the conversations of frames.MESSAGES and frames.EVENTS, without what frames.REFUSED withholds.

    All that is known of each conversation has to be there, in any order, each event once.
    """
    out = events.clear() if refused is None else withheld(messages, events, refused)
    kept_messages, kept = without(messages, events, out)
    found = {
        "answers": _answers(kept_messages, kept),
        "choices": kept.filter(pl.col("kind") == "choice").sort("conversation", "at", "event"),
        "talks": _talks(kept_messages, events, out, kept),
    }
    return {name: check(rows, TABLES[name], name) for name, rows in found.items()}


def seen(found: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> Seen:
    """From TABLES of all conversations, by conversation."""
    answers = found["answers"].lazy().collect()
    # Of one piece, column by column: where columns are in different pieces, each step would copy all of them to align.
    answers = pl.DataFrame([answers.drop_in_place(name).rechunk() for name in answers.columns])
    talks = (
        found["talks"].lazy().select((pl.col("messages") > 0).sum().alias("talks"), pl.exclude("conversation").sum())
    )
    (talked, *sums) = talks.collect().row(0)
    return Seen(
        answers.select(list(EPISODES)),
        answers.select("message", "reply", "at", "reply_event", "kinds"),
        found["choices"].lazy().collect(),
        talked,
        dict(zip([name for name in TALKS if name != "conversation"], sums, strict=True)),
    )


def program(*beside: Path) -> str:
    """A name for what makes the tables: another where a source is another, or a library's version.

    Sources of this package and of folders `beside`, as they are on the disk now: ask while they are being loaded.
    """
    whole = sha256(" ".join(version(name) for name in ("polars", "numpy")).encode())
    for folder in (Path(unspoken.__file__).parent, *beside):
        for path in sorted(folder.rglob("*.py")):
            whole.update(path.read_bytes())
    return whole.hexdigest()


def _answers(messages: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    told = events.filter(pl.col("kind") == "message").sort("at", "event")
    first = told.unique(["conversation", "message"], keep="first").select(
        "conversation", reply="message", reply_event="event"
    )
    kinds = pl.col("kinds_of_one").fill_null(0) | pl.col("kinds_of_all").fill_null(0)
    return (
        episodes(messages, events)
        .join(first, on=["conversation", "reply"], how="left", maintain_order="left")
        .join(_kinds(events, "one"), on=["conversation", "message"], how="left", maintain_order="left")
        .join(_kinds(events, "all"), on="conversation", how="left", maintain_order="left")
        .with_columns(kinds=kinds)
    )


def _kinds(events: pl.DataFrame, of: str) -> pl.DataFrame:
    """Kinds, as bits, of the acts on each message (one), or on each conversation and none of its messages (all)."""
    kind = pl.col("kind").cast(pl.Enum(KINDS), strict=False).to_physical().cast(pl.Int64)
    acts = events.filter(pl.col("kind") != "message", pl.col("message").is_null() == (of == "all"))
    whose = ["conversation"] if of == "all" else ["conversation", "message"]
    each = acts.select(*whose, kind.alias("kind")).drop_nulls().unique()  # each bit once: their sum is any of them
    return each.group_by(whose).agg((pl.lit(2, dtype=pl.Int64) ** pl.col("kind")).sum().alias(f"kinds_of_{of}"))


def _talks(messages: pl.DataFrame, events: pl.DataFrame, out: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    known = pl.col("message")
    counts = [
        empty(TALKS),
        messages.group_by("conversation").agg(
            messages=known.n_unique(), answers=known.filter(pl.col("role") == "assistant").n_unique()
        ),
        events.group_by("conversation").agg(entered=pl.len()),
        out.group_by("conversation").agg(withheld=pl.len()),
        kept.group_by("conversation").agg(
            pl.len().alias("kept"), *((pl.col("kind") == kind).sum().alias(kind) for kind in KINDS)
        ),
    ]
    rows = pl.concat(counts, how="diagonal_relaxed").group_by("conversation").agg(pl.all().sum())
    return rows.sort("conversation")
