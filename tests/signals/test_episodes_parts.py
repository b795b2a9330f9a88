"""Nothing crosses from one conversation to another."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.signals.test_episodes_reference import framed, world

from unspoken.signals.episodes import episodes


@pytest.mark.parametrize("cuts", [[], ["c5"], ["a", "c1", "c140", "c141", "c99", "z"]])
def test_episodes_of_ranges_of_conversations_together_are_those_of_all(cuts):
    # Each id once: of two conversations with one id, the first keeps it.
    frames = [
        frame.unique(name, keep="first", maintain_order=True)
        for frame, name in zip(framed(*world(5)), ("message", "event"), strict=True)
    ]
    parts = []
    for start, end in zip(["", *cuts], [*cuts, "~"], strict=True):
        within = (pl.col("conversation") >= start) & (pl.col("conversation") < end)
        parts.append(episodes(*(frame.filter(within) for frame in frames)))
    assert_frame_equal(pl.concat(parts), episodes(*frames))
