"""The conversation as a tree: prompts, paths and what stands below an answer."""

from dataclasses import dataclass
from hashlib import blake2b

import polars as pl


@dataclass(frozen=True)
class Node:
    """One message's place. `key` is equal for equal paths of text from the root down to here."""

    root: str
    key: str
    depth: int
    answers_above: int
    in_cycle: bool


@dataclass(frozen=True)
class Tree:
    """Every message's node, and how many messages and user messages stand below each."""

    nodes: dict[str, Node]
    below: dict[str, int]


def tree(messages: pl.DataFrame) -> Tree:
    """Place every message (frames.MESSAGES); a parent that never came makes its child a root, a cycle is marked."""
    ids: list[str] = messages["message"].to_list()
    parents = dict(zip(ids, messages["parent"].to_list(), strict=True))
    digests = dict(zip(ids, messages["digest"].to_list(), strict=True))
    roles = dict(zip(ids, messages["role"].to_list(), strict=True))
    nodes: dict[str, Node] = {}
    for start in ids:
        path, walking = [], set()
        at: str | None = start
        while at is not None and at in parents and at not in nodes and at not in walking:
            path.append(at)
            walking.add(at)
            at = parents[at]
        cyclic = at in walking
        above = None if cyclic or at is None else nodes.get(at)
        for message in reversed(path):
            key = blake2b(f"{above.key if above else ''}/{digests[message]}".encode(), digest_size=16).hexdigest()
            nodes[message] = above = Node(
                root=above.root if above else message,
                key=key,
                depth=above.depth + 1 if above else 0,
                answers_above=(above.answers_above if above else 0) + (roles[message] == "assistant"),
                in_cycle=cyclic or bool(above and above.in_cycle),
            )
    below = dict.fromkeys(ids, 0)
    # Deepest first, so that a message's own count is whole before its parent takes it.
    for message in sorted(ids, key=lambda m: -nodes[m].depth):
        parent = parents[message]
        if parent in below and not nodes[message].in_cycle:
            below[parent] += below[message] + 1
    return Tree(nodes, below)
