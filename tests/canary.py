"""A word that stands nowhere else, planted wherever a person's data can stand, and the search for it afterwards.

Whoever makes the platform store something new, in a file or a table, plants the word there too, and adds to `readable`
what it takes to look into a new kind of file. A search that opens nothing finds nothing, so the test looks first while
the data is there.
"""

import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Engine, inspect, text

WORD = "quokkaplume"


def planted(events: Iterable[dict[str, Any]], owned: set[str], user: str) -> Iterator[dict[str, Any]]:
    """The events, those of the people `owned` made the user's: the word stands in each free text of theirs.

    Opening prompts stay as they are, so that their answers are compared with other people's.
    """
    conversations: set[str] = set()
    for event in events:
        more: dict[str, Any] = {}
        if event.get("user") in owned:
            conversations.add(event["conversation"])
            more |= {"user": user, "arm": {"policy": WORD}, "session": f"s-{WORD}", "page": f"p-{WORD}"}
            if event["kind"] == "vote":
                more |= {"reasons": [WORD], "comment": f"I am {WORD}"}
        if event["conversation"] in conversations:
            more |= {"conversation": f"{event['conversation']}-{WORD}"}
        if event["kind"] == "message" and event["conversation"] in conversations:
            more |= {"meta": {"note": [WORD]}}
            if event.get("parent") is not None:
                more |= {"text": f"{event['text']} {WORD}"}
        yield event | more


def traces(word: str, home: Path, engine: Engine) -> set[str]:
    """Where the word stands: `table.column` of the database, and the path of every file below the home folder.

    A file counts when its bytes hold the word, or what they decode to: Parquet, gzip, zip and npz are opened.
    """
    found = {f"{table}.{column}" for table, column in _columns(word, engine)}
    for path in sorted(home.rglob("*")):
        if path.is_file() and any(_holds(word, content) for content in readable(path)):
            found.add(path.relative_to(home).as_posix())
    return found


def readable(path: Path) -> Iterator[bytes]:
    """The file's bytes, then what is packed in them."""
    content = path.read_bytes()
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            yield from (packed.read(name) for name in packed.namelist())
    if content[:4] == b"PAR1":
        yield pl.read_parquet(io.BytesIO(content)).write_ndjson().encode()


def _holds(word: str, content: bytes) -> bool:
    return any(word.encode(coding) in content for coding in ("utf-8", "utf-16-le"))


def _columns(word: str, engine: Engine) -> Iterator[tuple[str, str]]:
    """Every column of every table that is there, whether or not the code knows of it."""
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            for column in inspect(connection).get_columns(table):
                named = f'"{column["name"]}"'
                asked = text(f'SELECT count(*) FROM "{table}" WHERE CAST({named} AS TEXT) LIKE :word')
                if connection.scalar(asked, {"word": f"%{word}%"}):
                    yield table, str(column["name"])
