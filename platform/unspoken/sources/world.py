"""A world folder, or a file of events, read line by line. The folder `truth/` is never opened here."""

import gzip
import json
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput


def events(source: Path) -> Iterator[dict[str, Any]]:
    """Events of WORLD/events.jsonl.gz, or of a .jsonl or .jsonl.gz file; BadInput names the line that is no JSON."""
    path = source / "events.jsonl.gz" if source.is_dir() else source
    if not path.is_file():
        raise BadInput(
            f"There are no events at {path}. A world folder holds events.jsonl.gz (make one: unspoken simulate --out "
            "WORLD); a file is named .jsonl or .jsonl.gz."
        )
    read = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                read += 1
                if line.strip():
                    yield json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}, line {read} is not JSON: {error}") from None
    except (EOFError, OSError, zlib.error) as error:
        raise BadInput(f"{path} cannot be read beyond line {read}: {error}") from None


def about(source: Path) -> dict[str, Any]:
    """What world.toml says of how the world was made; {} where there is none."""
    path = source / "world.toml"
    if not source.is_dir() or not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is not TOML: {error}") from None
