"""Range by range is all at once."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.signals.test_episodes_reference import framed, world

from unspoken.signals.episodes import episodes
from unspoken.signals.episodes.parts import in_parts


@pytest.mark.parametrize("cuts", [[], ["c5"], ["a", "c1", "c140", "c141", "c99", "z"]])
def test_ranges_of_conversations_together_are_all_of_them(cuts, tmp_path):
    for frame, name in zip(framed(*world(5)), ("message", "event"), strict=True):
        once = frame.unique(name, keep="first", maintain_order=True).sort("conversation", "at", name)
        once.write_parquet(tmp_path / name)
    messages, events = (pl.scan_parquet(tmp_path / name) for name in ("message", "event"))
    parts = list(in_parts(messages, events, cuts))
    assert len(parts) == len(cuts) + 1
    assert_frame_equal(pl.concat(parts), episodes(messages.collect(), events.collect()))
