"""Rows of a Parquet file, a slice at a time. It needs polars, of the extra `train`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput
from unspoken.sources.reading import Reading

SLICE = 5_000


def parquet_rows(path: Path, reading: Reading, needed: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where it stands, and the cells by column, of each row; BadInput when it is no Parquet or columns are missing."""
    import polars as pl

    if not path.is_file():
        raise BadInput(f"There is no file {path}. Check the path.")
    try:
        whole = pl.scan_parquet(path)
        header = whole.collect_schema().names()
        reading.total += int(whole.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{path} is not a Parquet file that can be read: {error}") from None
    if missing := [name for name in needed if name not in header]:
        raise BadInput(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(header)[:500] or 'none'}.")
    number = 0
    while number < reading.total:
        try:
            some = whole.slice(number, SLICE).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise BadInput(f"{path} cannot be read beyond row {number}: {error}") from None
        if some.is_empty():
            return
        for row in some.iter_rows(named=True):
            number += 1
            reading.done += 1
            yield f"{path.name}, row {number}", row
