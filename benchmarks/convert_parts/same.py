"""Whether two folders hold the same episodes and pairs, by a digest of every column, at any size."""

from pathlib import Path

import polars as pl

DECIMALS = 6


def digests(folder: Path) -> dict[str, int]:
    """Rows of each table, and a number for every column that depends on each of its values and on whose it is.

    Path keys are made in two ways; what is compared is how they part the prompts.
    """
    episodes = pl.scan_parquet([*folder.rglob("episodes*.parquet")])
    found = {"episodes": episodes.select(pl.len()).collect().item()}
    keyed = episodes.select("prompt", "prompt_key").filter(pl.col("prompt_key").is_not_null())
    found["prompt_key"] = keyed.group_by("prompt_key").agg(pl.col("prompt").hash().sum()).select(
        pl.col("prompt").hash().sum()
    ).collect(engine="streaming").item()  # fmt: skip
    found |= _columns(episodes.drop("prompt_key"), pl.col("message"))
    for name in ("siblings", "votes"):
        pairs = pl.scan_parquet(folder / f"{name}.parquet").select("prompt", "chosen", "rejected", "weight")
        found[name] = pairs.select(pl.len()).collect().item()
        found |= {f"{name}.{each}": digest for each, digest in _columns(pairs, pl.col("rejected")).items()}
    return found


def _columns(rows: pl.LazyFrame, whose: pl.Expr) -> dict[str, int]:
    digest = rows.select(_told(name, kind, whose) for name, kind in rows.collect_schema().items())
    return digest.collect(engine="streaming").row(0, named=True)


def _told(name: str, kind: pl.DataType, whose: pl.Expr) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.List(pl.String):
        column = column.list.join(",")
    elif kind.is_float():
        column = column.round(DECIMALS) + 0.0
    elif kind.is_integer():
        column = column.cast(pl.Int64)
    elif kind.is_temporal():
        column = column.dt.epoch("us")
    return pl.struct(whose.alias("whose"), column.alias("value")).hash().sum().alias(name)
