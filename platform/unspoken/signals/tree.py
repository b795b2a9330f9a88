"""The conversation as a tree: where every message stands, what text leads to it, and how much stands below it.

By doubling: what is known of the 2ᵏ messages from each one upwards, joined with what is known of the 2ᵏ above those, is
known of 2ᵏ⁺¹. As many rounds as the depth has binary digits, whole columns at a time.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.errors import BadInput

DIGEST_CHARS = 32
HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
# A prime, so that no order of texts cancels out, as some do modulo a power of two; four of them tell 2¹²⁴ paths apart.
PRIME, LANES = np.uint64(2**31 - 1), 4
# Of splitmix64 (Steele, Lea and Flood 2014).
GAMMA, MIX, AGAIN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Rows = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Tree:
    """An array each, of a number per message; other messages are named by their row.

    `root`: the first on its path. `key`: LANES words, equal for equal paths of text down to it. `answers_above`:
    assistants on its path, itself included. `below`: messages under it. `cyclic`: in a cycle of parents or under one,
    and then nothing else is known of it.
    """

    root: Rows
    key: Words
    answers_above: Rows
    below: Rows
    cyclic: NDArray[np.bool_]


def tree(parent: Rows, digest: pl.Series, answer: NDArray[np.bool_]) -> Tree:
    """Places messages whose parents stand in rows `parent` (−1: a root); BadInput for a digest that is none."""
    count = len(parent)
    root, answers_above, under = np.arange(count), answer.astype(np.int64), np.ones(count, dtype=np.int64)
    # A text maps x to factor·x + key modulo PRIME, in each lane; a path is its texts' maps one after the other.
    factor, key = _maps(digest)
    jump = parent.copy()
    rest = np.flatnonzero(jump >= 0)
    for _ in range(count.bit_length()):  # whoever has a message above still has a cycle there
        if not len(rest):
            break
        above = jump[rest]
        more = under.copy()
        np.add.at(more, above, under[rest])
        under = more
        root[rest] = root[above]
        answers_above[rest] += answers_above[above]
        key[rest] = modulo_prime(key[rest] + factor[rest] * key[above])
        factor[rest] = modulo_prime(factor[rest] * factor[above])
        jump[rest] = jump[above]
        rest = rest[jump[rest] >= 0]
    return Tree(root, key, answers_above, under - 1, jump >= 0)


def spelled(key: Words) -> pl.Series:
    """Keys as 32 hexadecimal digits each."""
    octets = key.astype(">u4").view(np.uint8)
    letters = HEX[np.stack([octets >> 4, octets & 15], axis=2)].reshape(len(key), DIGEST_CHARS)
    return pl.Series(letters.view(f"S{DIGEST_CHARS}").ravel().tolist(), dtype=pl.Binary).cast(pl.String)


def _maps(digest: pl.Series) -> tuple[Words, Words]:
    """(factor, key) of each digest, both of 1 … PRIME − 1 in every lane; each letter changes all of them."""
    letters = digest.str.pad_end(DIGEST_CHARS).str.join("").item().encode()
    if len(letters) != DIGEST_CHARS * len(digest):
        raise BadInput(f"A message's digest is not of {DIGEST_CHARS} letters; unspoken.events.digest makes them.")
    state = np.zeros(len(digest), dtype=np.uint64)
    for word in np.frombuffer(letters, dtype="<u8").reshape(len(digest), 4).T:
        state = _scattered((state ^ word) + GAMMA)
    words = _scattered(state[:, None] + np.arange(1, 2 * LANES + 1, dtype=np.uint64) * GAMMA) % (PRIME - np.uint64(1))
    words += np.uint64(1)
    return words[:, :LANES].copy(), words[:, LANES:].copy()


def modulo_prime(word: Words) -> Words:
    """`word % PRIME`, several times faster: 2³¹ is 1 modulo PRIME, so what stands above 31 bits is added to them."""
    for _ in range(2):
        word = (word & PRIME) + (word >> np.uint64(31))
    # Of a word below 2⁶² no more than PRIME is left, which is 0.
    word[word == PRIME] = 0
    return word


def _scattered(word: Words) -> Words:
    word = (word ^ (word >> np.uint64(30))) * MIX
    word = (word ^ (word >> np.uint64(27))) * AGAIN
    return word ^ (word >> np.uint64(31))
