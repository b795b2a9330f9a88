"""What the events of the messages themselves say: how long the answer took, in which arm, on what topic."""

import polars as pl

from unspoken.signals.episodes.rows import Acts, first_of


def written(answers: pl.DataFrame, acts: Acts) -> pl.DataFrame:
    """Answers with duration_ms, completed (time), topic, policy, anchor and wrote_device."""
    said = first_of(acts.on("message", columns=("duration_ms", "ttft_ms", "arm", "topic", "device")))
    own = said.select("row", "duration_ms", "ttft_ms", "arm", own_topic="topic")
    of_prompt = said.select(prompt_row="row", wrote_device="device", prompt_topic="topic")
    # The time of an answer is that of its first token, and its duration counts from the request.
    streamed_ms = (pl.col("duration_ms") - pl.col("ttft_ms").fill_null(0)).clip(0).fill_null(0)
    return (
        answers.join(own, on="row", how="left", maintain_order="left")
        .join(of_prompt, on="prompt_row", how="left", maintain_order="left")
        .pipe(assigned, "arm")
        .with_columns(
            completed=pl.col("at") + pl.duration(milliseconds=streamed_ms),
            topic=pl.coalesce("prompt_topic", "own_topic"),
        )
        .drop("arm")
    )


def assigned(rows: pl.DataFrame, arm: str, prefix: str = "") -> pl.DataFrame:
    """Beside the column `arm` its policy and its anchor, each null where it names none."""
    each = rows.select(pl.col(arm).unique()).with_columns(  # they are few, and reading them takes long
        pl.col(arm).str.json_path_match(f"$.{name}").alias(f"{prefix}{name}") for name in ("policy", "anchor")
    )
    return rows.join(each, on=arm, how="left", maintain_order="left")
