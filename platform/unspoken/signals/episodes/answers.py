"""Assistant messages with their prompt, path, siblings and continuation: what the tree alone says."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.signals.episodes.rows import NOWHERE, NULL, named, taken
from unspoken.signals.episodes.told import Messages
from unspoken.signals.tree import Rows, keys, spelled, tree

NEVER = NULL  # before all times


def answers_of(messages: Messages, is_answer: NDArray[np.bool_]) -> tuple[pl.DataFrame, Rows]:
    """A row per answer, but for those in a cycle, by conversation, time and id; and where each stands in `messages`."""
    frame, parent = messages.frame, messages.parent
    placed = tree(parent, is_answer)
    rows = np.flatnonzero(is_answer & ~placed.cyclic)
    prompt, root = parent[rows], placed.root[rows]
    latency_s = pl.Series(messages.at[rows] - messages.at[prompt]) / 1e6
    written_below = (frame["role"] == "user").to_numpy() & (parent != NOWHERE)
    next_at = np.full(len(messages), NEVER)
    np.maximum.at(next_at, parent[written_below], messages.at[written_below])
    answers = pl.concat(
        [
            frame.select("message", "conversation", "at", "chars", "finish", author="user")[rows],
            taken(frame.select("user", prompt="message"), prompt),
            frame.select(root="message", root_role="role", root_key="digest")[root],
            pl.DataFrame(
                {
                    "latency_s": latency_s.set(pl.Series(prompt == NOWHERE), None),
                    "prompt_key": _keys(messages, prompt),
                    "turn": placed.answers_above[rows] - 1,
                    "later_turns": placed.below[rows],
                    "answered_last": placed.below[rows] == 0,
                    "continued": next_at[rows] > NEVER,
                }
            ),
            _among_siblings(rows, prompt, next_at[rows]),
        ],
        how="horizontal",
    )
    return answers, rows


def _keys(messages: Messages, prompt: Rows) -> pl.Series:
    """The key of each prompt's path, on which stand messages with another one below alone."""
    above, place = named(messages.parent, len(messages))
    key = keys(place[messages.parent[above]], messages.frame["digest"].gather(above))
    each, number = named(prompt, len(messages))
    return taken(spelled(key[place[each]]).to_frame(), number[prompt]).to_series()


def _among_siblings(row: Rows, prompt: Rows, next_at: Rows) -> pl.DataFrame:
    """What an answer's siblings say. `next_at`: when the user last wrote below each, in microseconds."""
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
    return pl.DataFrame(
        {
            "siblings": siblings,
            "sibling_rank": rank,
            "last_generated": last,
            "kept": pl.Series(kept).set(pl.Series(~chosen), None),
            "back_navigated": kept & ~last,
        }
    )
