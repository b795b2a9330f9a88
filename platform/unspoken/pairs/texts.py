"""The texts of a dataset, joined when they are needed: records hold ids only."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import polars as pl

from unspoken.frames import TEXTS
from unspoken.pairs.built import Built

NEUTRAL = 1024
PROMPT_CHARS = 800  # the end of a long path is what was answered
MOST_TURNS = 64  # of the path before an answer: what is further above, no model reads, and paths of paths grow for ever


def answers(built: Built) -> tuple[set[str], set[str]]:
    """(answers with a record, answers that train nothing: at most 1,024, chosen by hash)."""
    recorded = {*built.unpaired["message"], *built.pairs["chosen"], *built.pairs["rejected"]}
    training = built.unpaired.filter(pl.col("split") == "train")["message"]
    pairs = built.pairs.filter(pl.col("split") == "train")
    taught = {*training, *pairs["chosen"], *pairs["rejected"]}
    free = (message for message in built.episodes["message"] if message not in taught)
    neutral = sorted(free, key=lambda message: blake2b(message.encode(), digest_size=8).digest())[:NEUTRAL]
    return recorded, set(neutral)


def needed(messages: pl.DataFrame, built: Built) -> list[str]:
    """Ids of every message whose text the dataset's answers and their prompts are made of."""
    parent = dict(messages.select("message", "parent").iter_rows())
    recorded, neutral = answers(built)
    found: set[str] = set()
    for answer in recorded | neutral:
        found.update(_path(answer, parent))
    return sorted(found)


def texts(messages: pl.DataFrame, text_of: Mapping[str, str], built: Built) -> pl.DataFrame:
    """frames.TEXTS: each answer with the last turns before it, and the last 800 characters of them joined."""
    parent = dict(messages.select("message", "parent").iter_rows())
    role = dict(messages.select("message", "role").iter_rows())
    recorded, neutral = answers(built)
    rows = []
    for answer in sorted(recorded | neutral):
        *before, own = reversed(list(_path(answer, parent)))
        turns = [{"role": role[message], "content": text_of.get(message, "")} for message in before]
        prompt = "\n".join(turn["content"] for turn in turns)[-PROMPT_CHARS:]
        rows.append((answer, prompt, turns, text_of.get(own, ""), answer in neutral))
    return pl.DataFrame(rows, schema=dict(TEXTS), orient="row")


def _path(message: str, parent: Mapping[str, str | None]) -> Iterable[str]:
    """The message and what stands above it, upwards, MOST_TURNS at most; a cycle ends it."""
    seen: set[str] = set()
    at: str | None = message
    while at is not None and at in parent and at not in seen and len(seen) <= MOST_TURNS:
        seen.add(at)
        yield at
        at = parent[at]
