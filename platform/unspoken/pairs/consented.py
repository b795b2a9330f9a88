"""Only what people agreed to goes into labels; what may not is counted in the funnel like anything else left out.

What somebody *said* about an answer (a vote, a rating, a choice) without consent is left out alone. A *message* or an
*act* without consent takes its whole conversation along: the text stands in the prompts of what follows, and a
conversation of which some acts may not be looked at would be read as one in which they were not done.

What a machine wrote, and a close that was inferred, needs no consent of its own: nobody gave any, and nobody refused.
"""

from typing import Any

import polars as pl

from unspoken.consent import allows
from unspoken.frames import REFUSED, check
from unspoken.pairs.funnel import Funnel
from unspoken.signals.episodes import STATED_KINDS

STEP = "events that may be learned from"
REASON = "no consent for training"
TAKEN_ALONG = "no consent for training of all of their conversation"


def refused(events: pl.DataFrame, purpose: str, *, assumed: bool) -> pl.DataFrame:
    """frames.REFUSED of event, consent; what store/consents.py says of the tables."""
    no = [each for each in events["consent"].unique() if not allows(each, purpose, assumed=assumed)]
    among = pl.col("consent").is_in(pl.Series(no, dtype=pl.String).implode(), nulls_equal=True)
    return check(events.filter(among).select("event", said=pl.col("consent").is_not_null()), REFUSED, "refused")


def consented(
    messages: pl.DataFrame, events: pl.DataFrame, refused: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, list[dict[str, Any]]]:
    """frames.MESSAGES and frames.EVENTS without what frames.REFUSED names, and the funnel's step; none for none."""
    out = withheld(messages, events, refused)
    kept_messages, kept = without(messages, events, out)
    return kept_messages, kept, step(len(events), len(out), len(kept))


def withheld(messages: pl.DataFrame, events: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """Those of the events that may not be used; what they take along is not among them."""
    refused = check(refused, REFUSED, "refused")
    by_machine = messages.filter((pl.col("role") != "user") & pl.col("user").is_null())["message"]
    inferred = (pl.col("kind") == "close") & (pl.col("cause") == "inferred")
    nobodys = inferred | ((pl.col("kind") == "message") & pl.col("message").is_in(by_machine.implode()))
    return events.join(refused, on="event").filter(pl.col("said") | ~nobodys.fill_null(False))


def without(messages: pl.DataFrame, events: pl.DataFrame, out: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Messages and events without those that are withheld, and without what these take along."""
    if out.is_empty():
        return messages, events
    behind = pl.col("conversation").is_in(
        out.filter(~pl.col("kind").is_in(STATED_KINDS))["conversation"].unique().implode()
    )
    return messages.filter(~behind), events.filter(~(behind | pl.col("event").is_in(out["event"].implode())))


def step(entered: int, withheld: int, kept: int) -> list[dict[str, Any]]:
    """The funnel's step; none where nothing was withheld."""
    if not withheld:
        return []
    funnel = Funnel()
    funnel.step(STEP, entered, kept, [(REASON, withheld), (TAKEN_ALONG, entered - withheld - kept)])
    return funnel.steps
