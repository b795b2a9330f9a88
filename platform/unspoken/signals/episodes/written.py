"""What the events of the messages themselves say: how long the answer took, in which arm, on what topic."""

import numpy as np
import polars as pl

from unspoken.signals.episodes.columns import Found
from unspoken.signals.episodes.rows import NOWHERE, NULL
from unspoken.signals.episodes.told import Acts, Messages
from unspoken.signals.tree import Rows


def written(acts: Acts, messages: Messages, own: Rows) -> tuple[Found, Rows]:
    """duration_ms, arm, topics and wrote_device; and when each message was complete, in microseconds.

    `own`: of each message the number of its own event.
    """
    of_prompt = np.where(messages.parent == NOWHERE, NOWHERE, own[messages.parent])
    says = acts.events.select("arm", own_topic="topic")
    prompt_says = acts.events.select(wrote_device="device", prompt_topic="topic")
    duration_ms, ttft_ms = (acts.said(name, own) for name in ("duration_ms", "ttft_ms"))
    # The time of an answer is that of its first token, and its duration counts from the request.
    streamed_ms = np.where(duration_ms == NULL, 0, duration_ms - np.where(ttft_ms == NULL, 0, ttft_ms))
    return (
        Found({"duration_ms": duration_ms}, [(says, own), (prompt_says, of_prompt)]),
        messages.at + np.maximum(streamed_ms, 0) * 1000,
    )


def assigned(arm: pl.Series, prefix: str = "") -> pl.DataFrame:
    """The policy and the anchor of each arm, each null where it names none."""
    runs = arm.rename("value").rle().struct.unnest()  # they are few, and reading them takes long
    each = runs.select(pl.col("value").unique()).with_columns(
        pl.col("value").str.json_path_match(f"$.{name}").alias(f"{prefix}{name}") for name in ("policy", "anchor")
    )
    said = runs.join(each, on="value", how="left", maintain_order="left").drop("value", "len")
    return said[np.repeat(np.arange(len(runs)), runs["len"].to_numpy())]
