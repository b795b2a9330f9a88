"""Near-duplicate texts by MinHash over runs of five characters (Broder 1997), found in bands of equal hashes.

Two texts are near-duplicates where the estimated share of common runs, J, is .8 or more; what hangs together by such
steps is one cluster. At J = .8 a pair shares a band with a chance of .9999997, and the estimate's standard error is
.035.
"""

from collections.abc import Sequence

import numpy as np

from unspoken.events.digests import normalized

ALIKE = 0.8
RUN, HASHES, BAND = 5, 128, 4
_EMPTY = np.uint32(0xFFFFFFFF)
_random = np.random.default_rng(20261121)
_FACTORS = _random.integers(0, 2**64, HASHES, dtype=np.uint64) | np.uint64(1)
_TERMS = _random.integers(0, 2**64, HASHES, dtype=np.uint64)
_POWERS = _random.integers(0, 2**64, RUN, dtype=np.uint64) | np.uint64(1)
_AT_ONCE = 4096


def clusters(texts: Sequence[str]) -> np.ndarray:
    """For each text the index of the first one of its cluster, shape (n,); its own where it is alone."""
    signatures = np.empty((len(texts), HASHES), np.uint32)
    for row, text in enumerate(texts):
        signatures[row] = _signature(text)
    first = np.arange(len(texts))
    for one, other in zip(*_alike(signatures), strict=True):
        a, b = _root(first, int(one)), _root(first, int(other))
        first[max(a, b)] = min(a, b)
    return np.array([_root(first, index) for index in range(len(texts))], dtype=int)


def _signature(text: str) -> np.ndarray:
    """The least of each hash over the text's runs, shape (HASHES,), without case, width and spacing."""
    plain = " ".join(normalized("NFKC", text).casefold().split())
    letters = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    if len(letters) < RUN:
        letters = np.pad(letters, (0, RUN - len(letters)))
    runs = np.unique(np.lib.stride_tricks.sliding_window_view(letters, RUN) @ _POWERS)
    least = np.full(HASHES, _EMPTY)
    for start in range(0, len(runs), _AT_ONCE):
        mixed = _mixed(runs[start : start + _AT_ONCE])[:, None] * _FACTORS + _TERMS
        least = np.minimum(least, (mixed >> np.uint64(32)).min(0).astype(np.uint32))
    return least


def _mixed(x: np.ndarray) -> np.ndarray:
    """Steele 2014 (splitmix64): spreads what differs in a few bits over all of them."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    spread: np.ndarray = x ^ (x >> np.uint64(31))
    return spread


def _alike(signatures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of indices with J ≥ .8. Within a band each is held against the bucket's first and the one before it."""
    found: list[np.ndarray] = []
    for start in range(0, HASHES, BAND):
        band = np.ascontiguousarray(signatures[:, start : start + BAND])
        keys = band.view([("", band.dtype)] * BAND).ravel()
        order = np.argsort(keys, kind="stable")
        same = np.r_[False, keys[order][1:] == keys[order][:-1]] if len(order) else np.array([], dtype=bool)
        opens = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
        member = np.flatnonzero(same)
        for partner in (opens[member], member - 1):
            found.append(np.stack([order[partner], order[member]], 1))
    pairs = np.unique(np.concatenate(found), axis=0)
    kept = []
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        shared = (signatures[some[:, 0]] == signatures[some[:, 1]]).mean(1)
        kept.append(some[shared >= ALIKE])
    close = np.concatenate(kept) if kept else np.empty((0, 2), dtype=int)
    return close[:, 0], close[:, 1]


def _root(first: np.ndarray, index: int) -> int:
    """The cluster's first member; the way there is shortened for the next who asks."""
    while first[index] != index:
        first[index] = first[first[index]]
        index = int(first[index])
    return index
