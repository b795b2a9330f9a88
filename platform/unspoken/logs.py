"""What a process logs: lines for people, or one JSON object a line. Never a message's text, never a key.

Whoever logs passes words of the program and numbers. An exception is shown by its type, the first line of what it says
and where it happened: what follows that line is, in a database's errors, the very values that were sent.
"""

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

CHATTY = ("alembic", "httpx")  # they tell at each look, and at each request with its address
SAID = 300  # characters of an exception's own words
Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class People(logging.Formatter):
    """`2026-10-01T12:00:00.123Z INFO unspoken.api request method=GET path=/healthz status=200 ms=0.8`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the frames of an exception below it."""
        said = " ".join(f"{name}={value}" for name, value in fields(record).items())
        line = f"{_moment(record)} {record.levelname} {record.name} {_plain(record.getMessage())} {said}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    def formatException(self, ei: Raised) -> str:
        """The exceptions that led here, the first one first, without the values that they name."""
        return "\n".join(_raised(ei[1])) if ei[1] else ""


class Objects(People):
    """One JSON object a line: `at`, `level`, `logger`, `message`, the fields, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, on one line."""
        line = {"at": _moment(record), "level": record.levelname.lower(), "logger": record.name}
        line |= {"message": record.getMessage()} | fields(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Seldom:
    """Says whether something is to be logged again: once in `every_s` seconds, so that an outage is no flood."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next = 0.0

    def __call__(self) -> bool:
        """True at the first time, and when long enough has passed since the last True."""
        at = time.monotonic()
        if at < self._next:
            return False
        self._next = at + self._every_s
        return True


def configure(form: Literal["text", "json"]) -> None:
    """Everything this process logs goes to stderr in that form, from INFO on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Objects() if form == "json" else People())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What was passed beside the message, as `log.info("request", extra={"fields": {…}})`."""
    return getattr(record, "fields", {})


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(message: str) -> str:
    """On one line: a line break in a message would begin a line that nobody logged."""
    return message.strip().replace("\r", "\\r").replace("\n", "\\n")


def _raised(error: BaseException) -> list[str]:
    chain: list[BaseException] = []
    reason: BaseException | None = error
    while reason is not None and reason not in chain:
        chain.append(reason)
        reason = reason.__cause__ or (None if reason.__suppress_context__ else reason.__context__)
    lines = []
    for each in reversed(chain):
        frames = "".join(traceback.format_tb(each.__traceback__)).rstrip()
        said = str(each).partition("\n")[0][:SAID]
        lines += [frames, f"{type(each).__module__}.{type(each).__qualname__}: {said}"]
    return [line for line in lines if line]
