"""Runs one stage of the command line beside a worker: shows its progress, and ends it when the work is to end.

A process of its own, because compute threads and a device's state do not survive a fork, and because memory that a
stage took is given back when it ends. It dies with the worker (see unspoken.lifetime).
"""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from unspoken.errors import UnspokenError
from unspoken.lifetime import child_environment
from unspoken_workers.lease import Lease

LOOK_S = 0.2
TAIL = 2_000  # characters of stderr in a failure's text


class StageBroke(Exception):
    """The stage ended in a way it does not explain: killed, or a defect. Worth another attempt."""


def stage(arguments: Sequence[str], lease: Lease, folder: Path) -> None:
    """Run `unspoken ARGUMENTS --progress json`. UnspokenError with its sentence when it says why it cannot be done."""
    said = folder / "stderr.txt"
    command = [sys.executable, "-m", "unspoken", *arguments, "--progress", "json"]
    with (
        said.open("wb") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=child_environment(),
            process_group=0,  # a Ctrl-C in the terminal is for the worker, which then ends its child
        ) as child,
    ):
        try:
            _follow(child, lease)
        finally:
            child.kill()
    if child.returncode == 0:
        return
    tail = said.read_text(errors="replace").strip()[-TAIL:]
    if child.returncode == 2 and "error: " in tail:
        raise UnspokenError(tail.rpartition("error: ")[2].strip())
    raise StageBroke(f"`unspoken {arguments[0]}` ended with {child.returncode}: {tail or 'and said nothing'}")


def _follow(child: "subprocess.Popen[bytes]", lease: Lease) -> None:
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    assert child.stdout is not None
    threading.Thread(target=_pump, args=(child.stdout, lines), name="progress", daemon=True).start()
    while True:
        lease.check()
        try:
            line = lines.get(timeout=LOOK_S)
        except queue.Empty:
            continue
        if line is None:
            break
        _show(line, lease)
    while True:  # it closed its output and is ending
        lease.check()
        try:
            child.wait(LOOK_S)
            return
        except subprocess.TimeoutExpired:
            continue


def _pump(source: IO[bytes], lines: "queue.SimpleQueue[bytes | None]") -> None:
    for line in source:
        lines.put(line)
    lines.put(None)


def _show(line: bytes, lease: Lease) -> None:
    try:
        said = json.loads(line)
        share, note = float(said["progress"]), str(said.get("note", ""))
    except (ValueError, TypeError, KeyError):  # a library's own words on stdout
        return
    lease.progress(share, note)
