"""Chats to convert: messages and events as they are sealed, a conversation together, ids as a server has them."""

import numpy as np
import polars as pl

from unspoken.frames import EVENTS, MESSAGES, Schema

EVENTS_PER_CONVERSATION = 17.85  # of what is drawn here, to within a percent
START_US = 1_790_000_000_000_000
BETWEEN_US = 1_500_000  # from the start of one conversation to that of the next
HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
UUID_PLACES = [place for place in range(36) if place not in (8, 13, 18, 23)]
LOST = 0.01


def chats(conversations: int, seed: int, first: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """frames.MESSAGES and frames.EVENTS of so many conversations, numbered from `first`, by conversation and time."""
    random = np.random.default_rng([seed, first])
    asked = _prompts(conversations, first, random)
    answers = _answers(asked, random)
    # What is written on below: mostly the last answer to the prompt before.
    kept = answers.filter(pl.col("kept")).select("talk", pl.col("message").alias("parent"), turn=pl.col("turn") + 1)
    asked = asked.join(kept, on=["talk", "turn"], how="left", maintain_order="left")
    written = pl.concat([asked, answers], how="diagonal")
    acts = _acts(answers, random)
    events = pl.concat([written.with_columns(kind=pl.lit("message")), acts], how="diagonal").sort(
        "talk", "at", maintain_order=True
    )
    by_page = (pl.col("kind") != "message") & pl.col("cause").ne_missing("inferred")
    events = events.with_columns(
        event=_uuids(events["at"].to_numpy() // 1000, random),
        page=pl.when(by_page).then("page"),
        n=pl.when(by_page).then(by_page.cum_sum().over("page") - 1),
        user=pl.when(by_page | (pl.col("role") == "user")).then("user"),
        arm=pl.when(pl.col("kind") == "message").then(pl.lit('{"policy": "b"}')),
    ).filter(~by_page | pl.Series(random.random(len(events)) >= LOST))
    written = written.sort("talk", "at").with_columns(
        user=pl.when(pl.col("role") == "user").then("user"), finish=pl.lit("complete"), chars="length"
    )
    return (
        _typed(written, MESSAGES).sort("conversation", "at", "message"),
        _typed(events, EVENTS).sort("conversation", "at", "event"),
    )


def _prompts(conversations: int, first: int, random: np.random.Generator) -> pl.DataFrame:
    turns = random.geometric(0.5, conversations)
    talk = np.repeat(np.arange(conversations), turns)
    turn = np.arange(len(talk)) - np.repeat(np.cumsum(turns) - turns, turns)
    at = START_US + (first + talk) * BETWEEN_US + turn * 120_000_000
    starts = START_US + (first + np.arange(conversations)) * BETWEEN_US
    every = np.random.default_rng(conversations).permutation(conversations) // 8  # eight conversations a user
    names = {"conversation": _uuids(starts // 1000, random), "page": _uuids(starts // 1000, random)}
    return pl.DataFrame(
        {
            "talk": talk, "turn": turn, "at": at, "message": _uuids(at // 1000, random),
            "user": pl.Series(every).hash(1).gather(talk).cast(pl.String),
            "digest": pl.Series(random.zipf(1.3, len(talk)) % 1_000_000).hash(2).cast(pl.String),
            "length": random.integers(10, 400, len(talk)),
        }
    ).with_columns(*(name.gather(talk).alias(key) for key, name in names.items()), role=pl.lit("user"))  # fmt: skip


def _answers(asked: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """One to four to every prompt; `leaves`: how long the user looks at it, in ms."""
    tries = 1 + random.binomial(1, 0.08, len(asked)) * random.integers(1, 4, len(asked))
    of = np.repeat(np.arange(len(asked)), tries)
    rank = np.arange(len(of)) - np.repeat(np.cumsum(tries) - tries, tries)
    length = random.lognormal(6.3, 0.7, len(of)).astype(np.int64) + 1
    kept = (tries - 1 - (random.random(len(tries)) < 0.2) * (tries > 1))[of] == rank
    rows = asked.select("talk", "turn", "conversation", "page", "user", "at", parent="message")[of]
    at = rows["at"].to_numpy() + 900_000 + rank * 28_000_000
    return rows.with_columns(
        at=pl.Series(at), message=_uuids(at // 1000, random), role=pl.lit("assistant"),
        length=pl.Series(length), duration_ms=pl.Series(length * 5), kept=pl.Series(kept),
        digest=pl.Series(of * 4 + rank).hash(3).cast(pl.String), more=pl.Series(rank < tries[of] - 1),
        leaves=pl.Series(np.clip(length * 5 + random.lognormal(8.5, 0.6, len(of)), 600, 27_000).astype(np.int64)),
    )  # fmt: skip


def _acts(answers: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    chars, leaves = pl.col("length"), pl.col("leaves")

    def some(kind: str, chance: float, after_ms: pl.Expr, **fields: pl.Expr) -> pl.DataFrame:
        chosen = answers.filter(pl.Series(random.random(len(answers)) < chance))
        drawn = pl.Series(random.random(len(chosen)))
        return chosen.with_columns(share=drawn).select(
            "talk", "conversation", "page", "user", "message", pl.lit(kind).alias("kind"),
            (pl.col("at") + after_ms.cast(pl.Int64) * 1000).alias("at"), **fields,
        )  # fmt: skip

    share, reading = pl.col("share"), pl.lit("reading")
    seen = {"seen_chars": (chars * share).cast(pl.Int64), "total_chars": chars}
    beats = [some("heartbeat", 0.8**beat, beat * 5000 + leaves // 100, phase=reading, **seen) for beat in range(1, 6)]
    again = some("regenerate", 1, leaves + 900, more=pl.col("more"), phase=reading, **seen).filter("more").drop("more")
    return pl.concat(
        [
            *beats,
            again,
            some("expose", 0.98, pl.lit(40)),
            some("view", 0.97, leaves, visible_ms=leaves, active_ms=leaves * 3 // 4, idle_ms=leaves // 4,
                 hidden_ms=pl.lit(0), seen_chars=chars, total_chars=chars),
            some("pause", 0.3, leaves // 2, ms=(leaves * share / 2).cast(pl.Int64), phase=reading),
            some("copy", 0.1, leaves - 300, chars=(chars * share).cast(pl.Int64),
                 part=pl.when(share < 0.3).then(pl.lit("code")).otherwise(pl.lit("prose"))),
            some("vote", 0.15, leaves - 200, value=pl.when(share < 0.7).then(1.0).otherwise(-1.0)),
            some("stop", 0.05, leaves // 3, **seen),
            some("close", 0.2, leaves + 1000, phase=reading, cause=pl.lit("tab"), **seen),
            some("close", 0.03, leaves + 1500, phase=reading, cause=pl.lit("inferred"), silent_ms=pl.lit(1_800_000)),
            some("hide", 0.1, leaves // 2, phase=reading),
            some("return", 0.09, leaves // 2 + 900, phase=reading, away_ms=pl.lit(900)),
            some("select", 0.02, leaves + 1200, displayed=pl.col("message")),
            some("edit", 0.01, leaves + 1300, to=pl.col("parent")),
            some("share", 0.01, leaves + 1400),
            some("solicit", 0.05, leaves // 2, level=pl.lit("soft"), shown=share < 0.5, propensity=pl.lit(0.1)),
            some("rating", 0.01, leaves, scale=pl.lit("quality"), value=(share * 5).round(), lowest=pl.lit(0.0),
                 highest=pl.lit(5.0)),
        ],
        how="diagonal_relaxed",
    )  # fmt: skip


def _uuids(milliseconds: np.ndarray, random: np.random.Generator) -> pl.Series:
    """Ids as version 7 makes them: 48 bits of time, and the rest of chance."""
    raw = random.integers(0, 256, (len(milliseconds), 16), dtype=np.uint8)
    raw[:, :6] = milliseconds.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
    letters = np.full((len(raw), 36), ord("-"), dtype=np.uint8)
    letters[:, UUID_PLACES] = HEX[np.stack([raw >> 4, raw & 15], axis=2).reshape(len(raw), 32)]
    return pl.Series(letters.view("S36").ravel().tolist(), dtype=pl.Binary).cast(pl.String)


def _typed(rows: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Exactly the schema's columns; what was not drawn is null."""
    times = pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    rows = rows.with_columns(at=times)
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
