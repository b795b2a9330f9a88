"""Columns, types and units of every frame that crosses a boundary.

Times are `occurred_at`: UTC, microseconds, the client's clock corrected by the sending time. Users and authors are
keyed hashes, never the chatbot's own ids. Text stands in TEXTS alone.
"""

from collections.abc import Mapping

import polars as pl

from unspoken.errors import BadInput

TIME = pl.Datetime("us", "UTC")
Schema = Mapping[str, pl.DataType | type[pl.DataType]]

MESSAGES: Schema = {
    "message": pl.String,
    "conversation": pl.String,
    "parent": pl.String,  # null: a root
    "role": pl.String,  # user, assistant, system, tool
    "user": pl.String,  # hash of who wrote it, null when not known or when a machine did
    "at": TIME,
    "finish": pl.String,  # complete, length, stopped, error, unknown; null when not said
    "chars": pl.Int64,  # length of the text in characters
    "digest": pl.String,  # hash of the normalised text: equal digests are equal prompts
}

# What kinds say beyond the envelope, under the names of docs/events.md; null where a kind has no such field.
FIELDS: Schema = {
    "value": pl.Float64,
    "lowest": pl.Float64,
    "highest": pl.Float64,
    "scale": pl.String,
    "phase": pl.String,
    "cause": pl.String,
    "seen_chars": pl.Int64,
    "total_chars": pl.Int64,
    "visible_ms": pl.Int64,
    "active_ms": pl.Int64,
    "idle_ms": pl.Int64,
    "hidden_ms": pl.Int64,
    "silent_ms": pl.Int64,
    "away_ms": pl.Int64,
    "ms": pl.Int64,
    "duration_ms": pl.Int64,
    "ttft_ms": pl.Int64,
    "chars": pl.Int64,
    "part": pl.String,
    "chosen": pl.String,
    "rejected": pl.List(pl.String),
    "tie": pl.Boolean,
    "previous": pl.String,
    "displayed": pl.String,
    "to": pl.String,
    "level": pl.String,
    "shown": pl.Boolean,
    "answered": pl.Boolean,
    "propensity": pl.Float64,
    "role": pl.String,
    "topic": pl.String,  # meta.topic of a message, where the chatbot says one
}

EVENTS: Schema = {
    "event": pl.String,  # the client's id
    "kind": pl.String,
    "at": TIME,
    "conversation": pl.String,
    "user": pl.String,
    "message": pl.String,
    "page": pl.String,
    "n": pl.Int64,  # running number within the page: a gap is an event that was lost
    "device": pl.String,
    "arm": pl.String,  # random assignments as a JSON object, null for none
    **FIELDS,
}

REFUSED: Schema = {
    "event": pl.String,
    "said": pl.Boolean,  # whether it named purposes and this is not one of them; false: it said nothing at all
}

EPISODES: Schema = {
    "message": pl.String,  # the answer (an assistant message)
    "conversation": pl.String,
    "user": pl.String,  # hash of who was answered, null when not known
    "author": pl.String,  # hash of the person who wrote the answer; null for a machine
    "prompt": pl.String,  # the message answered
    "root": pl.String,  # the conversation's first message on this path
    "prompt_key": pl.String,  # equal for equal paths of text up to the prompt
    "root_role": pl.String,  # system where the conversation opens with a given text
    "root_key": pl.String,  # equal for equal opening texts
    "turn": pl.Int64,  # 0 for the first answer on its path
    "at": TIME,
    "latency_s": pl.Float64,  # from the prompt to the answer
    "chars": pl.Int64,
    "finish": pl.String,
    "topic": pl.String,  # of the prompt: what the chatbot said it is, else null (pairs may cluster prompts)
    "device": pl.String,
    "policy": pl.String,  # arm.policy: which model or setting answered
    "anchor": pl.String,  # arm.anchor: how the answer was spoiled on purpose; null for an ordinary one
    "lost": pl.Int64,  # events of its pages that never came, by gaps in their numbers
    "exposed": pl.Boolean,  # someone saw it: expose, view, or any act on it
    "duration_ms": pl.Int64,  # of the generation, null when not said
    "visible_ms": pl.Int64,
    "active_ms": pl.Int64,
    "idle_ms": pl.Int64,
    "hidden_ms": pl.Int64,
    "seen_chars": pl.Int64,
    "total_chars": pl.Int64,
    "stopped": pl.Boolean,
    "closed": pl.String,  # phase of the close, null when there was none
    "close_cause": pl.String,
    "disconnected": pl.Boolean,  # the server lost the client while it sent: of unknown cause
    "regenerated": pl.Boolean,
    "regenerate_phase": pl.String,
    "regenerated_unread": pl.Boolean,  # regenerate before 1.5 s, or 15 % of the reading time, were over
    "copied_share": pl.Float64,  # 0 … 1 of its characters
    "copied_code_chars": pl.Int64,  # null: none was copied
    "copied_prose_chars": pl.Int64,
    "shared": pl.Boolean,
    "selected": pl.Boolean,  # the user went back to it from a sibling
    "edited": pl.Boolean,  # the prompt it answers was edited afterwards
    "longest_pause_ms": pl.Int64,  # while reading; null: no pause is known
    "next_act": pl.String,  # the first after it was complete: message, regenerate, edit, close, copy, select, share
    "next_after_ms": pl.Int64,  # from completion to that act, hidden and away time taken off where it is known
    "reply": pl.String,  # the user's next message below it, the earliest
    "reply_after_ms": pl.Int64,
    "siblings": pl.Int64,  # answers to the same prompt message, this one included
    "sibling_rank": pl.Int64,  # 0 for the first generated
    "last_generated": pl.Boolean,
    "kept": pl.Boolean,  # parent of the next user message; null when no sibling was
    "back_navigated": pl.Boolean,  # kept though it was not the last generated
    "continued": pl.Boolean,  # the user wrote again below it
    "later_turns": pl.Int64,  # turns below it, by anyone
    "answered_last": pl.Boolean,  # nothing stands below it
    "vote": pl.Int64,  # 1, −1; null when none or withdrawn
    "rating": pl.Float64,  # 0 … 1, mean over scales of the answer, else of its conversation; null when none
    "rating_by": pl.String,  # "answer" or "conversation"
    "rating_lowest": pl.Float64,  # the least and the greatest value given, on the scale's own range
    "rating_highest": pl.Float64,
    "solicit_level": pl.String,  # none, soft, firm: the assignment, null where none was logged
    "solicit_shown": pl.Boolean,
    "solicit_answered": pl.Boolean,
    "solicit_propensity": pl.Float64,
    "evidence": pl.List(pl.String),  # ids of the revealed events that speak of it
    "stated_evidence": pl.List(pl.String),  # ids of the stated events that speak of it
}

LABELS: Schema = {
    "message": pl.String,
    "user": pl.String,
    "family": pl.String,  # stated, expressed, revealed
    "rule": pl.String,  # which rule, with its version: "vote/1"
    "p": pl.Float64,  # P(the answer was worth more to this user than their par)
    "mean": pl.Float64,  # of the worth u ~ N(0, 1) given the acts, and its deviation; null without a label model
    "sd": pl.Float64,
    # Logits that each act moved p by, greatest first.
    "moved": pl.List(pl.Struct({"act": pl.String, "by": pl.Float64})),
    "evidence": pl.List(pl.String),
}

REPLIES: Schema = {
    "message": pl.String,  # the answer that is spoken about
    "reply": pl.String,  # the user's message that speaks
    "reply_class": pl.String,  # one of events.EXPRESSED
    "p": pl.Float64,  # P(it is of that class)
    "lo": pl.Float64,  # log-odds that the answer was worth more than par, by measured sensitivity and specificity
    "how": pl.String,  # rule, classifier
}

UNPAIRED: Schema = {
    "message": pl.String,
    "prompt_key": pl.String,  # evaluation compares answers of one key only
    "user": pl.String,  # whose label it is; null when not recorded
    "people": pl.List(
        pl.String
    ),  # hashes of everyone in the exchange, sorted: all of them stand on one side of a split
    "family": pl.String,
    "rule": pl.String,
    "p": pl.Float64,
    "weight": pl.Float64,
    "evidence": pl.List(pl.String),
    "split": pl.String,  # train, test
}

PAIRS: Schema = {
    "prompt": pl.String,
    "prompt_key": pl.String,
    "chosen": pl.String,
    "rejected": pl.String,
    "user": pl.String,
    "people": pl.List(pl.String),
    "family": pl.String,
    "rule": pl.String,
    "p": pl.Float64,  # P(chosen is the better one); 1 where position is a nuisance (siblings)
    "margin": pl.Float64,  # logits: the chosen answer has to win by that much
    "weight": pl.Float64,
    "evidence": pl.List(pl.String),
    "split": pl.String,
}

TEXTS: Schema = {
    "message": pl.String,
    "prompt": pl.String,  # what was answered, as the model reads it
    "turns": pl.List(
        pl.Struct({"role": pl.String, "content": pl.String})
    ),  # the path before it, at most 64 turns, the last one last
    "answer": pl.String,
    "neutral": pl.Boolean,  # trains neither arm: the feature reduction is fitted on these
}


def check(frame: pl.DataFrame, schema: Schema, name: str) -> pl.DataFrame:
    """The frame with exactly the schema's columns in its order; BadInput names what is missing or of another type."""
    missing = [column for column in schema if column not in frame.columns]
    if missing:
        raise BadInput(f"{name} lacks the columns {', '.join(missing)}; it has {', '.join(frame.columns) or 'none'}.")
    try:
        return frame.select(pl.col(column).cast(dtype) for column, dtype in schema.items())
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{name} has a column of another type: {error}") from error


def empty(schema: Schema) -> pl.DataFrame:
    """No rows, the right columns."""
    return pl.DataFrame(schema=dict(schema))
