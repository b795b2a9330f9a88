"""What kinds say beyond the envelope, out of the JSON of `events.fields` into the columns of frames.FIELDS.

msgspec and not Polars reads it: what stands beside the columns (`meta`, and on PostgreSQL a number written out in 300
digits) may be anything that JSON can say, and must stop nobody's build.
"""

import json
from typing import Any

import msgspec
import polars as pl

from unspoken.events.kinds import CLASSES, Envelope
from unspoken.frames import FIELDS

_TYPES: dict[Any, Any] = {
    pl.Float64: float, pl.Int64: int, pl.String: str, pl.Boolean: bool, pl.List(pl.String): list[str],
}  # fmt: skip


def _columns(kind: str) -> list[str]:
    return [
        name for name in CLASSES[kind].__struct_fields__ if name in FIELDS and name not in Envelope.__struct_fields__
    ]


def _decoder(kind: str) -> msgspec.json.Decoder[list[Any]]:
    """Reads a list of the kind's objects; what has no column is passed over."""
    fields = [(name, _TYPES[FIELDS[name]] | None, None) for name in _columns(kind)]
    meta = [("meta", Any, None)] if "meta" in CLASSES[kind].__struct_fields__ else []
    return msgspec.json.Decoder(list[msgspec.defstruct(kind, [*fields, *meta])])  # type: ignore[misc]


_COLUMNS = {kind: _columns(kind) for kind in CLASSES}
_DECODERS = {kind: _decoder(kind) for kind in CLASSES}


def own_fields(kinds: pl.Series, objects: pl.Series) -> pl.DataFrame:
    """frames.FIELDS, a row for each JSON object of an event of that kind."""
    every = pl.DataFrame([kinds.alias("kind"), objects.alias("object")]).with_row_index("row")
    parts = [pl.DataFrame(schema={"row": pl.UInt32, **FIELDS})]
    for (kind,), some in every.filter(pl.col("object") != "{}").group_by("kind", maintain_order=True):
        said = _DECODERS[str(kind)].decode(f"[{some['object'].str.join(',').item()}]")
        columns = [
            pl.Series(name, [getattr(each, name) for each in said], FIELDS[name]) for name in _COLUMNS[str(kind)]
        ]
        if kind == "message":
            columns.append(pl.Series("topic", [_topic(each.meta) for each in said], pl.String))
        parts.append(pl.DataFrame([some["row"], *columns]))
    found = pl.concat(parts, how="diagonal")
    return every.select("row").join(found, on="row", how="left", maintain_order="left").drop("row")


def canonical(objects: pl.Series) -> pl.Series:
    """The same JSON objects with their keys in order: one database keeps them as they came, the other does not."""
    found = objects.drop_nulls().unique().to_list()
    written = [json.dumps(json.loads(each), sort_keys=True) for each in found]
    return objects.replace_strict(found, written, return_dtype=pl.String) if found else objects


def _topic(meta: Any) -> str | None:
    topic = meta.get("topic") if meta else None
    return topic if isinstance(topic, str) else None
