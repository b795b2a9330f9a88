"""Assistant messages with their prompt, path, siblings and continuation: what the tree alone says."""

import numpy as np
import polars as pl

from unspoken.signals.episodes.rows import taken
from unspoken.signals.tree import Rows, Words, spelled, tree

NEVER = np.iinfo(np.int64).min


def answers_of(messages: pl.DataFrame, parent: Rows) -> pl.DataFrame:
    """A row per answer, but for those in a cycle, by conversation, time and id; messages as frames.MESSAGES, in order.

    `parent`: the row of each message's parent. `row` and `prompt_row`: where in `messages` answer and prompt stand.
    """
    is_answer = (messages["role"] == "assistant").to_numpy()
    placed = tree(parent, messages["digest"], is_answer)
    rows = np.flatnonzero(is_answer & ~placed.cyclic)
    at, root = parent[rows], placed.root[rows]
    prompts, roots = taken(messages, at), messages[root]
    answers = messages[rows].select(
        "message",
        "conversation",
        "at",
        "chars",
        "finish",
        author="user",
        row=pl.Series(rows),
        prompt_row=pl.Series(at),
        user=prompts["user"],
        prompt=prompts["message"],
        latency_s=(pl.col("at") - prompts["at"]).dt.total_microseconds() / 1e6,
        prompt_key=_keys(placed.key, at),
        root=roots["message"],
        root_role=roots["role"],
        root_key=roots["digest"],
        turn=pl.Series(placed.answers_above[rows] - 1),
        later_turns=pl.Series(placed.below[rows]),
    )
    written_below = (messages["role"] == "user").to_numpy() & (parent >= 0)
    next_at = np.full(len(messages), NEVER)
    np.maximum.at(next_at, parent[written_below], messages["at"].to_physical().to_numpy()[written_below])
    return _among_siblings(answers, next_at[rows])


def _keys(key: Words, rows: Rows) -> pl.Series:
    # Siblings have one prompt and so one key.
    each, of = np.unique(rows, return_inverse=True)
    keys = spelled(key[each])
    return keys.gather(of).set(pl.Series(rows < 0), None)


def _among_siblings(answers: pl.DataFrame, next_at: Rows) -> pl.DataFrame:
    """Beside the answers, what their siblings say. `next_at`: when the user last wrote below each, in microseconds."""
    prompt, row = answers["prompt_row"].to_numpy(), answers["row"].to_numpy()
    # An answer without a prompt has no siblings: each is its own group.
    _, group, count = np.unique(np.where(prompt >= 0, prompt, -2 - row), return_inverse=True, return_counts=True)
    by_group = np.argsort(group, kind="stable")
    rank = np.empty(len(group), dtype=np.int64)
    rank[by_group] = np.arange(len(group)) - np.repeat(np.cumsum(count) - count, count)
    latest = np.full(len(count), NEVER)
    np.maximum.at(latest, group, next_at)
    siblings, latest = count[group], latest[group]
    last, chosen = rank == siblings - 1, (siblings > 1) & (latest > NEVER)
    kept = chosen & (next_at == latest)
    return answers.with_columns(
        (pl.col("later_turns") == 0).alias("answered_last"),
        siblings=pl.Series(siblings),
        sibling_rank=pl.Series(rank),
        continued=pl.Series(next_at > NEVER),
        last_generated=pl.Series(last),
        kept=pl.Series(kept).set(pl.Series(~chosen), None),
        back_navigated=pl.Series(kept & ~last),
    )
