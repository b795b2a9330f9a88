"""The conversation as a tree: where every message stands, what text leads to it, and how much stands below it.

By doubling: what is known of the 2ᵏ messages from each one upwards, joined with what is known of the 2ᵏ above those, is
known of 2ᵏ⁺¹. As many rounds as the depth has binary digits, whole columns at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.errors import BadInput

DIGEST_CHARS = 32
# A prime, so that no order of texts cancels out, as some do modulo a power of two; four of them tell 2¹²⁴ paths apart.
BITS, PRIME, LANES = np.uint64(31), np.uint64(2**31 - 1), 4
# Of splitmix64 (Steele, Lea and Flood 2014).
GAMMA, MIX, AGAIN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Rows = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Tree:
    """An array each, of a number per message; other messages are named by their row.

    `root`: the first on its path. `answers_above`: assistants on its path, itself included. `below`: messages under it.
    `cyclic`: in a cycle of parents or under one, and then nothing else is known of it.
    """

    root: Rows
    answers_above: Rows
    below: Rows
    cyclic: NDArray[np.bool_]


def tree(parent: Rows, answer: NDArray[np.bool_]) -> Tree:
    """Places messages whose parents stand in rows `parent` (−1: a root)."""
    count = len(parent)
    root, answers_above, under = np.arange(count), answer.astype(np.int64), np.ones(count, dtype=np.int64)
    jump = parent.copy()
    for rest, above in _rounds(jump):
        np.add.at(under, above, under[rest])
        root[rest] = root[above]
        answers_above[rest] += answers_above[above]
    return Tree(root, answers_above, under - 1, jump >= 0)


def keys(parent: Rows, digest: pl.Series) -> Words:
    """LANES words for each message, equal for equal paths of text down to it; BadInput for a digest that is none.

    Of those in a cycle or under one nothing is known.
    """
    # A text maps x to factor·x + key modulo PRIME, in each lane; a path is its texts' maps one after the other.
    factor, key = _maps(digest)
    jump = parent.copy()
    for rest, above in _rounds(jump):
        key[rest] = _folded(key[rest] + factor[rest] * key[above])
        further = jump[above] >= 0  # the others' factors are not asked for again
        row, over = rest[further], above[further]
        factor[row] = _folded(factor[row] * factor[over])
    return modulo_prime(key)


def _rounds(jump: Rows) -> Iterator[tuple[Rows, Rows]]:
    """The rows that have a message above what is known of them, and that one; `jump` becomes −1 but for cycles."""
    rest = np.flatnonzero(jump >= 0)
    for _ in range(len(jump).bit_length()):  # whoever has a message above still has a cycle there
        if not len(rest):
            break
        above = jump[rest]
        yield rest, above
        jump[rest] = jump[above]
        rest = rest[jump[rest] >= 0]


def spelled(key: Words) -> pl.Series:
    """Keys as 32 hexadecimal digits each."""
    octets = np.ascontiguousarray(key, dtype=">u4").view(f"V{4 * LANES}")
    return pl.Series(octets.ravel().tolist(), dtype=pl.Binary).bin.encode("hex")


def _maps(digest: pl.Series) -> tuple[Words, Words]:
    """(factor, key) of each digest, both of 1 … PRIME − 1 in every lane; each letter changes all of them."""
    if (digest.str.len_bytes() != DIGEST_CHARS).any():
        digest = digest.str.pad_end(DIGEST_CHARS)
    letters = digest.str.join("").item().encode()
    if len(letters) != DIGEST_CHARS * len(digest):
        raise BadInput(f"A message's digest is not of {DIGEST_CHARS} letters; unspoken.events.digest makes them.")
    state = np.zeros(len(digest), dtype=np.uint64)
    for word in np.frombuffer(letters, dtype="<u8").reshape(len(digest), 4).T:
        state = _scattered((state ^ word) + GAMMA)
    words = _scattered(state[:, None] + np.arange(1, 2 * LANES + 1, dtype=np.uint64) * GAMMA)
    most = PRIME - np.uint64(1)
    words -= words // most * most  # what remains of a division, which takes three times as long
    words += np.uint64(1)
    return words[:, :LANES].copy(), words[:, LANES:].copy()


def modulo_prime(word: Words) -> Words:
    """`word % PRIME` of words of at most 2⁶² + 2³¹, several times faster."""
    word = _folded(word)
    return np.where(word >= PRIME, word - PRIME, word)


def _folded(word: Words) -> Words:
    """The same modulo PRIME, of at most 2³¹: 2³¹ is 1 modulo PRIME, so what stands above 31 bits is added to them."""
    for _ in range(2):
        low = word & PRIME
        word = word >> BITS
        word += low
    return word


def _scattered(word: Words) -> Words:
    word = (word ^ (word >> np.uint64(30))) * MIX
    word = (word ^ (word >> np.uint64(27))) * AGAIN
    return word ^ (word >> np.uint64(31))
