"""What the user did next: the reply, the edit of the prompt, and the first act after the answer was complete."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from unspoken.events import KINDS
from unspoken.signals.episodes.away import away_ms
from unspoken.signals.episodes.columns import Found, Listed
from unspoken.signals.episodes.rows import NOWHERE, NULL
from unspoken.signals.episodes.told import Acts, Messages
from unspoken.signals.tree import Rows

# In the order that counts at one moment.
NEXT = ("message", "regenerate", "edit", "close", "copy", "select", "share")
ON_ANSWER = tuple(kind for kind in NEXT if kind not in ("message", "edit"))
RANK = np.array([NEXT.index(kind) if kind in NEXT else NOWHERE for kind in KINDS])
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Wrote:
    """What users wrote below a message, by conversation, time and id: its row, and that of the message above."""

    row: Rows
    below: Rows


def following(messages: Messages, acts: Acts, own: Rows, completed: Rows) -> tuple[Found, Listed, Listed]:
    """The columns, and the events that continued the answer and that edited its prompt.

    `own`: of each message the number of its own event, `completed`: when it was complete. Of messages that are no
    answers nothing is asked.
    """
    user = (messages.frame["role"] == "user").to_numpy()
    below = np.flatnonzero(user & (messages.parent != NOWHERE))
    wrote = Wrote(below, messages.parent[below])
    reply = np.full(len(messages), NOWHERE)
    reply[wrote.below[::-1]] = wrote.row[::-1]  # the first one stays
    # A clock that was off may set the reply before the end of what it replies to.
    replied = np.where(reply == NOWHERE, NEVER, np.maximum(messages.at[reply], completed))
    edits = _edits(messages, acts, own, wrote)
    edited = np.full(len(messages) + 1, NEVER)  # one more, for the prompt of a root
    np.minimum.at(edited, edits["row"].to_numpy(), edits["at"].to_numpy())
    edited = edited[messages.parent]
    next_act, next_at = _first_acts(messages, acts, completed, replied, edited)
    away = away_ms(acts, messages.talk, completed, next_at)
    milliseconds = (next_at - completed) // 1000
    found = Found(
        {
            "edited": edited != NEVER,
            "next_after_ms": np.where(next_act == NOWHERE, NULL, np.maximum(milliseconds - away, 0)),
            "reply_after_ms": np.where(reply == NOWHERE, NULL, (replied - completed) // 1000),
        },
        [
            (messages.frame.select(reply="message"), reply),
            (pl.DataFrame({"next_act": NEXT}), next_act),
        ],
    )
    continued = Listed(wrote.below, own[wrote.row], np.arange(len(messages)))
    return found, continued, Listed(edits["row"].to_numpy(), edits["number"].to_numpy(), messages.parent)


def _edits(messages: Messages, acts: Acts, own: Rows, wrote: Wrote) -> pl.DataFrame:
    """row (of the prompt), at, number (of the event), by time and id: edits, and prompts written beside it."""
    told = acts.on("edit")
    several = np.bincount(wrote.below, minlength=len(messages))[wrote.below] > 1
    # By what stands above and by user, and of each by time; an edit of the one is the next one.
    row, below = wrote.row[several], wrote.below[several]
    user = messages.frame["user"].gather(row).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    who = below * (len(messages) + 1) + user
    order = np.argsort(who, kind="stable")
    again = np.flatnonzero(who[order][1:] == who[order][:-1])
    earlier, later = row[order[again]], row[order[again + 1]]
    number = np.concatenate([told.number, own[later]])
    ids = acts.events["event"].gather(pl.Series(number).set(pl.Series(number) == NOWHERE, None))
    return pl.DataFrame(
        {
            "row": np.concatenate([told.row, earlier]),
            "at": np.concatenate([acts.at[told.number], messages.at[later]]),
            "number": number,
            "event": ids,
        }
    ).sort("row", "at", "event")


def _first_acts(messages: Messages, acts: Acts, completed: Rows, replied: Rows, edited: Rows) -> tuple[Rows, Rows]:
    """For each message which of NEXT came first at or after its completion, NOWHERE for none, and when."""
    done = acts.on(*ON_ANSWER)
    left = acts.all("select").saying("previous")
    previous = messages.named(acts.events["previous"].gather(left.number), acts.talk[left.number])
    known = previous != NOWHERE
    row = np.concatenate([done.row, previous[known]])
    number = np.concatenate([done.number, left.number[known]])
    at, rank = acts.at[number], RANK[acts.kind[number]]
    counts = at >= completed[row]
    # Time and rank in one number, of which the least is the first.
    first = np.full(len(messages), NEVER)
    np.minimum.at(first, row[counts], at[counts] * len(NEXT) + rank[counts])
    for kind, when in (("message", replied), ("edit", edited)):
        counts = (when != NEVER) & (when >= completed)
        first[counts] = np.minimum(first[counts], when[counts] * len(NEXT) + NEXT.index(kind))
    none = first == NEVER
    return np.where(none, NOWHERE, first % len(NEXT)), np.where(none, completed, first // len(NEXT))
