"""The sealed truth of a world folder that any program wrote: what docs/events.md leaves open is taken as it comes, and
what cannot be used is said in a sentence.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unspoken.errors import BadInput

_WEIGHTS, _MARKS = ("w_stated", "w_revealed"), ("bot", "brigade")
_NOT_ATTRIBUTES = (
    "message", "user", "u_stated", "u_revealed", "policy", "topic", "anchor", "filler", "par", "p_bayes", *_WEIGHTS,
    *_MARKS,
)  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """answers: message, user, u_revealed, u_stated where it is there, attributes as floats. labels: message, p_bayes,
    or None where nobody knows it. users: user, and of par, bot, brigade, w_stated, w_revealed what is there; `notes`
    say what is not used and why.
    """

    answers: pl.DataFrame
    labels: pl.DataFrame | None
    users: pl.DataFrame
    attributes: tuple[str, ...]
    notes: tuple[str, ...]


def read(folder: Path) -> Truth:
    """BadInput unless truth/answers.parquet has message, user and u_revealed; the other two files may be missing."""
    path = folder / "truth" / "answers.parquet"
    if not path.is_file():
        raise BadInput(f"{folder} has no truth/answers.parquet (message, user, u_revealed); docs/events.md says more.")
    notes: list[str] = []
    answers = _once(_read(path, ("message", "user", "u_revealed")), "message", path)
    for worth in ("u_revealed", "u_stated"):
        if worth in answers.columns:
            answers = _number(answers, worth, path)
    if len(answers) and answers["u_revealed"].null_count() == len(answers):
        raise BadInput(f"{path}: u_revealed is known of no answer; a number for each, or for some, was needed.")
    users = _users(folder / "truth" / "users.parquet", answers, notes)
    attributes = _attributes(answers, users)
    users = _weights(users, attributes, notes)
    answers = answers.with_columns(pl.col(name).cast(pl.Float64).fill_nan(None) for name in attributes)
    if gaps := [name for name in attributes if answers[name].null_count()]:
        notes.append(f"{', '.join(gaps)}: not known of every answer; the mean stands in for what is not.")
    return Truth(answers, _labels(folder / "truth" / "labels.parquet"), users, attributes, tuple(notes))


def _read(path: Path, needed: Sequence[str]) -> pl.DataFrame:
    """The file, its ids as text, whichever type they came in."""
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{path} is no Parquet file that can be read ({error}). Write it again.") from None
    if missing := [name for name in needed if name not in table.columns]:
        raise BadInput(f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(table.columns) or 'none'}.")
    ids = [name for name in ("message", "user") if name in table.columns]
    if wrong := [name for name in ids if not (table[name].dtype.is_integer() or table[name].dtype == pl.String)]:
        raise BadInput(f"{path}: {wrong[0]} is {table[wrong[0]].dtype}; ids as the events name them were needed.")
    return table.with_columns(pl.col(ids).cast(pl.String))


def _once(table: pl.DataFrame, column: str, path: Path) -> pl.DataFrame:
    """Equal rows are one; BadInput where one id has two."""
    table = table.unique(maintain_order=True)
    twice = table.filter(pl.col(column).is_duplicated())[column]
    if len(twice):
        raise BadInput(f"{path} has several rows for the {column} {json.dumps(twice[0])}; one row for each was needed.")
    return table


def _number(table: pl.DataFrame, column: str, path: Path) -> pl.DataFrame:
    """The column as a float, null where it is not known: Pandas writes NaN there."""
    if not (table[column].dtype.is_numeric() or table[column].dtype == pl.Null):
        raise BadInput(f"{path}: {column} is {table[column].dtype}; a number was needed.")
    return table.with_columns(pl.col(column).cast(pl.Float64).fill_nan(None))


def _labels(path: Path) -> pl.DataFrame | None:
    if not path.is_file():
        return None
    labels = _read(path, ("message",))
    if "p_bayes" not in labels.columns:
        return None
    labels = _once(_number(labels, "p_bayes", path).select("message", "p_bayes"), "message", path)
    outside = labels.filter(~pl.col("p_bayes").is_between(0, 1))["p_bayes"]
    if len(outside):
        raise BadInput(f"{path}: a p_bayes is {outside[0]}; a probability, from 0 to 1, was needed.")
    return labels


def _users(path: Path, answers: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Everybody who is in either file."""
    everybody = answers.select("user").drop_nulls().unique(maintain_order=True)
    if not path.is_file():
        return everybody
    users = _once(_read(path, ("user",)).filter(pl.col("user").is_not_null()), "user", path)
    if "par" in users.columns:
        users = _number(users, "par", path)
    for mark in _MARKS:
        if mark in users.columns:
            if not (users[mark].dtype.is_integer() or users[mark].dtype in (pl.Boolean, pl.Null)):
                raise BadInput(f"{path}: {mark} is {users[mark].dtype}; true or false was needed.")
            users = users.with_columns(pl.col(mark).cast(pl.Boolean))
    strangers = everybody.join(users, on="user", how="anti")
    if len(strangers):
        notes.append(f"{len(strangers):,} users of the answers are not in users.parquet: taken for people, with par 0.")
    return pl.concat([users, strangers], how="diagonal")


def _attributes(answers: pl.DataFrame, users: pl.DataFrame) -> tuple[str, ...]:
    """Those that the weights name, where they are structs; else every other column of numbers or of true and false."""
    for column in _WEIGHTS:
        if column in users.columns and isinstance(kind := users[column].dtype, pl.Struct):
            named = [field.name for field in kind.fields]
            return tuple(name for name in answers.columns if name in named)
    return tuple(
        name
        for name, kind in answers.schema.items()
        if name not in _NOT_ATTRIBUTES and (kind.is_numeric() or kind == pl.Boolean)
    )


def _weights(users: pl.DataFrame, attributes: tuple[str, ...], notes: list[str]) -> pl.DataFrame:
    """Weights as lists in the order of the attributes; left out, with a note, where they are something else."""
    if not attributes:
        notes.append("answers.parquet has no column of an attribute: no direction is told.")
        return users.drop(_WEIGHTS, strict=False)
    for column in (name for name in _WEIGHTS if name in users.columns):
        kind = users[column].dtype
        if isinstance(kind, pl.Struct) and all(name in [each.name for each in kind.fields] for name in attributes):
            of = [pl.col(column).struct.field(name).cast(pl.Float64) for name in attributes]
            known = pl.all_horizontal(each.is_not_null() for each in of)
            users = users.with_columns(pl.when(known).then(pl.concat_list(of)).alias(column))
            continue
        if isinstance(kind, pl.Array):
            users = users.with_columns(pl.col(column).arr.to_list())
            kind = users[column].dtype
        numbers = isinstance(kind, pl.List) and kind.inner.is_numeric()
        lengths = set(users[column].drop_nulls().list.len().to_list()) if numbers else set()
        if numbers and lengths == {len(attributes)}:
            continue
        is_now = f"lists of {', '.join(map(str, sorted(lengths)))} numbers" if lengths else str(kind)
        notes.append(
            f"{column} of users.parquet is {is_now}, and {len(attributes)} numbers were needed, one for each attribute "
            f"({', '.join(attributes)}), or a struct by their names: what goes by it is not told."
        )
        users = users.drop(column)
    return users
