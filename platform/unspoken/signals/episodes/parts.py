"""Episodes of more conversations than memory holds: range by range, each whole in itself."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl

from unspoken.frames import EVENTS, MESSAGES
from unspoken.signals.episodes import episodes

# Events of a part: with AT_ONCE parts in work, what bounds the memory, at about 1 GB.
PART_ROWS = 262_144
AT_ONCE = 2


def in_parts(messages: pl.LazyFrame, events: pl.LazyFrame, cuts: Sequence[str]) -> Iterator[pl.DataFrame]:
    """frames.EPISODES of each range of conversations between two of `cuts` (sorted), by conversation, time and id.

    Together they are the rows of all at once. Of the frames only the range's rows are read, where they say what stands
    where (Parquet sorted by conversation does).
    """

    def part(start: str | None, end: str | None) -> pl.DataFrame:
        within = pl.lit(True)
        if start is not None:
            within &= pl.col("conversation") >= start
        if end is not None:
            within &= pl.col("conversation") < end
        wanted = ((messages, MESSAGES), (events, EVENTS))
        read = pl.collect_all(
            [frame.filter(within).select(list(schema)) for frame, schema in wanted], engine="streaming"
        )
        return episodes(*read)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        made: deque[Future[pl.DataFrame]] = deque()
        for start, end in zip([None, *cuts], [*cuts, None], strict=True):
            if len(made) == AT_ONCE:
                yield made.popleft().result()
            made.append(pool.submit(part, start, end))
        while made:
            yield made.popleft().result()
