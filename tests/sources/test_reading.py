"""Lines, objects and rows of files that are whole, broken, packed, or much too long."""

import gzip
import tracemalloc

import pytest

from unspoken.errors import BadInput
from unspoken.sources.columns import parquet_rows
from unspoken.sources.reading import LINE_BYTES, NOT_AN_OBJECT, NOT_JSON, TOO_LONG, Reading, lines, objects, rows


def counts(reading: Reading) -> dict[str, int]:
    return {reason: each.count for reason, each in reading.left_out.items()}


def test_lines_that_are_no_objects_are_counted_with_where_the_first_stands(jsonl):
    path = jsonl({"a": 1}, b"", b"[1]", b"{'a': 1}", b"\xff", b"[" * 100_000, {"a": 2})
    reading = Reading()
    assert [found for _, found in objects(path, reading)] == [{"a": 1}, {"a": 2}]
    assert counts(reading) == {NOT_AN_OBJECT: 1, NOT_JSON: 3}
    assert reading.left_out[NOT_JSON].first == "log.jsonl, line 4"
    assert reading.done == reading.total == path.stat().st_size


def test_progress_of_a_packed_file_is_in_bytes_of_the_disk(jsonl):
    path = jsonl(*[{"n": number * 7919 % 99991} for number in range(20_000)], name="log.jsonl.gz")
    reading = Reading()
    shares = [reading.share or 0.0 for _ in lines(path, reading)]
    assert shares == sorted(shares) and 0.2 < shares[10_000] < 0.8 and shares[-1] == 1.0


def test_a_line_without_end_is_left_out_and_never_held_in_memory(tmp_path):
    path = tmp_path / "log.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": 1}\n')
        file.truncate(300_000_000)  # a hole in the disk, read as one line of zeros
        file.seek(0, 2)
        file.write(b'\n{"a": 2}\n')
    reading = Reading()
    tracemalloc.start()
    found = [each for _, each in objects(path, reading)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [{"a": 1}, {"a": 2}]
    assert counts(reading) == {TOO_LONG: 1}
    assert reading.left_out[TOO_LONG].first == "log.jsonl, line 2"
    assert peak < 4 * LINE_BYTES


def test_a_packed_file_that_ends_too_early_says_how_far_it_was_read(tmp_path):
    whole = gzip.compress(b"".join(b'{"n": %d}\n' % (number * 7919 % 99991) for number in range(9000)))
    (tmp_path / "log.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"cannot be read beyond line \d{3,4}"):
        list(objects(tmp_path / "log.jsonl.gz", Reading()))


def test_rows_are_read_by_their_header_and_a_torn_row_is_counted(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text('\ufeffa,b\n1,"two\nlines"\n3\n\n4,5,6\n7,8\n', encoding="utf-8")
    reading = Reading()
    assert [row for _, row in rows(path, reading, ("a",))] == [{"a": "1", "b": "two\nlines"}, {"a": "7", "b": "8"}]
    assert counts(reading) == {"a row with another number of cells": 2}
    assert reading.left_out["a row with another number of cells"].first == "log.csv, line 4"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "lacks the columns a; it has none"), (b"x,y\n1,2\n", "lacks the columns a; it has x, y")],
)
def test_a_table_with_other_columns_is_refused(tmp_path, content, said):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(BadInput, match=said):
        list(rows(tmp_path / "log.csv", Reading(), ("a",)))


def test_a_table_without_line_ends_is_refused_before_it_fills_the_memory(tmp_path):
    with (tmp_path / "log.csv").open("wb") as file:
        file.write(b"a,b\n")
        file.truncate(200_000_000)
    with pytest.raises(BadInput, match=r"line 2 is longer than 32 MB"):
        list(rows(tmp_path / "log.csv", Reading(), ("a",)))


def test_what_is_no_parquet_is_refused(tmp_path):
    import polars as pl

    (tmp_path / "log.parquet").write_text("a,b\n")
    with pytest.raises(BadInput, match="is not a Parquet file that can be read"):
        list(parquet_rows(tmp_path / "log.parquet", Reading()))
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(BadInput, match="lacks the columns a; it has x"):
        list(parquet_rows(tmp_path / "log.parquet", Reading(), ("a",)))
    with pytest.raises(BadInput, match="There is no file"):
        list(parquet_rows(tmp_path / "nothing.parquet", Reading()))


def test_rows_of_parquet_come_in_slices_and_all_of_them(tmp_path):
    import polars as pl

    pl.DataFrame({"x": range(12_345)}).write_parquet(tmp_path / "log.parquet")
    reading = Reading()
    assert [row["x"] for _, row in parquet_rows(tmp_path / "log.parquet", reading)] == list(range(12_345))
    assert reading.done == reading.total == 12_345
