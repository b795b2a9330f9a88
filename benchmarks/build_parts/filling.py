"""A database with drawn chats, and more events for some of their conversations, as ingesting would write them."""

from random import Random
from typing import Any

import polars as pl
from benchmarks.convert_parts.chats import EVENTS_PER_CONVERSATION, START_US, chats
from sqlalchemy import Engine, text

from unspoken.frames import EVENTS, FIELDS, empty
from unspoken.store.bare import bare
from unspoken.store.database import transaction
from unspoken.store.rows import EVENT, MESSAGE

AT_ONCE = 10_000  # conversations
LONGEST = 40  # characters of a prompt, or little more
WORDS = [a + b for a in "bdfgklmnprst" for b in ("asil", "ode", "ump", "inter", "ello", "a", "en", "ight")]


def fill(engine: Engine, events: int, seed: int) -> pl.DataFrame:
    """About so many events in project number 1; an answer of each conversation: conversation, message, at."""
    conversations = int(events / EVENTS_PER_CONVERSATION)
    answers = []
    for first in range(0, conversations, AT_ONCE):
        messages, acts = chats(min(AT_ONCE, conversations - first), seed, first)
        written = messages.filter(pl.col("role") == "assistant")
        answers.append(written.unique("conversation", keep="first", maintain_order=True))
        _insert(engine, acts.sort("at"), messages.sort("at"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return pl.concat(answers).select("conversation", "message", "at").sort("conversation")


def shared(engine: Engine, answers: pl.DataFrame, number: int) -> None:
    """That each of these answers was shared: one event of each of their conversations."""
    place = pl.int_range(pl.len()).cast(pl.String).str.zfill(12)
    news = answers.with_columns(
        event=pl.lit(f"{START_US // 1000 + number:08x}-0000-4000-8000-") + place, kind=pl.lit("share")
    )
    _insert(engine, pl.concat([empty(EVENTS), news], how="diagonal"), None)


def _insert(engine: Engine, events: pl.DataFrame, messages: pl.DataFrame | None) -> None:
    at, project = pl.col("at").dt.epoch("us"), pl.lit(1).alias("project")
    own = pl.struct(list(FIELDS)).struct.json_encode().str.replace_all(r'"\w+":null,?', "").str.replace(",}", "}")
    known = events.with_columns(project, id="event", at=at, received_at=at, occurred_at=at, fields=own)
    rows = _in_order(known, EVENT)
    with transaction(engine) as session:
        store = bare(session.connection())
        store.insert_events(rows)
        if messages is not None:
            said = messages.with_columns(project, id="message", occurred_at=at)
            texts = [_text(row) for row in messages.select("role", "digest", "chars").iter_rows(named=True)]
            store.insert_messages(_in_order(said.with_columns(text=pl.Series(texts)), MESSAGE))


def _in_order(frame: pl.DataFrame, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    none = [pl.lit(None).alias(name) for name in names if name not in frame.columns]
    return frame.with_columns(none).select(names).rows()


def _text(row: dict[str, Any]) -> str:
    """Equal for equal digests, and short: to read long replies would take most of a build's time."""
    if row["role"] != "user":
        return "x" * int(row["chars"])  # an answer's text is never read
    random, whole = Random(row["digest"]), ""
    while len(whole) < min(row["chars"], LONGEST):
        whole += random.choice(WORDS) + " "
    return whole
