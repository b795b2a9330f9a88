"""Only what people agreed to goes into labels; what may not is counted in the funnel like anything else left out.

What somebody *said* about an answer (a vote, a rating, a choice) without consent is left out alone. A *message* or an
*act* without consent takes its whole conversation along: the text stands in the prompts of what follows, and a
conversation of which some acts may not be looked at would be read as one in which they were not done.

What a machine wrote, and a close that was inferred, needs no consent of its own: nobody gave any, and nobody refused.
"""

from typing import Any

import polars as pl

from unspoken.frames import REFUSED, check
from unspoken.pairs.funnel import Funnel
from unspoken.signals.episodes import STATED_KINDS

STEP = "events that may be learned from"
REASON = "no consent for training"
TAKEN_ALONG = "no consent for training of all of their conversation"


def consented(
    messages: pl.DataFrame, events: pl.DataFrame, refused: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, list[dict[str, Any]]]:
    """frames.MESSAGES and frames.EVENTS without what frames.REFUSED names, and the funnel's step; none for none."""
    refused = check(refused, REFUSED, "refused")
    by_machine = messages.filter((pl.col("role") != "user") & pl.col("user").is_null())["message"]
    inferred = (pl.col("kind") == "close") & (pl.col("cause") == "inferred")
    nobodys = inferred | ((pl.col("kind") == "message") & pl.col("message").is_in(by_machine.implode()))
    out = events.join(refused, on="event").filter(pl.col("said") | ~nobodys.fill_null(False))
    if out.is_empty():
        return messages, events, []
    behind = out.filter(~pl.col("kind").is_in(STATED_KINDS))["conversation"].unique().implode()
    funnel = Funnel()
    kept = funnel.keep(
        STEP,
        events,
        [
            (REASON, pl.col("event").is_in(out["event"].implode())),
            (TAKEN_ALONG, pl.col("conversation").is_in(behind)),
        ],
    )
    return messages.filter(~pl.col("conversation").is_in(behind)), kept, funnel.steps
