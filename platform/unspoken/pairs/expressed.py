"""The expressed family: what users write back. A camp of its own, in neither of the two that are compared."""

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from unspoken.frames import LABELS, REPLIES, empty
from unspoken.pairs.funnel import Funnel
from unspoken.pairs.prompts import TextOf
from unspoken.signals import replies

Encode = Callable[[list[str]], Any]
_AT_ONCE = 20_000  # answers whose conversations' texts are held at a time


def labels(
    units: pl.DataFrame, told: pl.DataFrame, text_of: TextOf, encode: Encode | None, funnel: Funnel
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(frames.LABELS of the family, frames.REPLIES). Texts of prompts and replies are asked for, never an answer's.

    `told`: kind, message, at, event of what told the replies.
    """
    answered = funnel.keep(
        "expressed: answers with a reply",
        units.select("reply"),
        [("nobody wrote again below it", pl.col("reply").is_null())],
    )
    found, said = [empty(LABELS)], [empty(REPLIES)]
    known = 0
    for some in _conversations(units):
        wanted = pl.concat([some["prompt"], some["reply"]]).drop_nulls().unique().sort()
        texts = dict(text_of(wanted.to_list()))
        turns = replies.turns(some, told.join(some.select(message="reply"), on="message", how="semi"), texts)
        kept = replies.replies(turns, encode)
        known += turns["message"].n_unique()
        said.append(kept)
        found.append(replies.labels(kept, turns))
    replies.forget()  # a worker runs on, and what it read may be erased
    labelled = pl.concat(found)
    funnel.step(
        "expressed: replies about the answer",
        len(answered),
        len(labelled),
        [
            ("the reply's text is not known", len(answered) - known),
            ("it says nothing about the answer", known - len(labelled)),
        ],
    )
    return labelled, pl.concat(said).sort("message", "reply", maintain_order=True)


def _conversations(units: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The units in parts that cut no conversation: whether a complaint was open already is read across its turns."""
    runs = units["conversation"].rle().struct.field("len").cast(pl.Int64)
    part = ((runs.cum_sum() - runs) // _AT_ONCE).alias("part")
    first = 0
    for rows in runs.to_frame("rows").group_by(part, maintain_order=True).agg(pl.col("rows").sum())["rows"]:
        yield units.slice(first, rows)
        first += rows
