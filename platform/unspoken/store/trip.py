"""Several statements in one trip to PostgreSQL, over a connection that psycopg made.

psycopg's own pipeline looks at the socket before each statement and gives the interpreter's lock away every time, then
waits for it: here they leave together, and the lock is given away once.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()  # names, by connection


class Statement(NamedTuple):
    """Prepared under its name where it is sent for the first time; its values are $1, $2, … and go as text."""

    name: str
    text: str


def trip(connection: Any, sent: Iterable[tuple[Statement, Sequence[str]]], *, commit: bool = False) -> list[Any]:
    """The result of each statement, as libpq has it: all in the connection's transaction, begun where none is.

    `commit` ends the transaction in the same trip, when none of them failed.
    """
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus, TransactionStatus

    packed = [(statement, [value.encode() for value in values]) for statement, values in sent]
    if not packed:
        return []
    line, known = connection.pgconn, _prepared.setdefault(connection, set())
    steps: list[
        str | None
    ] = []  # of each result: the name that it prepares; empty: BEGIN or COMMIT; None: a statement's own
    begins = line.transaction_status == TransactionStatus.IDLE
    line.enter_pipeline_mode()
    if begins:
        line.send_query_params(b"BEGIN", None)
        steps.append("")
    for statement, values in packed:
        name = statement.name.encode()
        if statement.name not in known and statement.name not in steps:
            line.send_prepare(name, statement.text.encode())
            steps.append(statement.name)
        line.send_query_prepared(name, values)
        steps.append(None)
    if commit:
        line.send_query_params(b"COMMIT", None)
        steps.append("")
    line.pipeline_sync()
    results = connection.wait(_results(line))
    line.exit_pipeline_mode()
    failed = None
    for step, result in zip(steps, results, strict=True):
        if result.status == ExecStatus.FATAL_ERROR:
            failed = failed or result
        elif step and failed is None:
            known.add(step)
    if failed is not None:
        raise error_from_result(failed)
    return [result for step, result in zip(steps, results, strict=True) if step is None]


def _results(line: Any) -> Generator[Any, Any, list[Any]]:
    """What `connection.wait` drives: all is sent, then every result is taken up to the end of the trip."""
    from psycopg import OperationalError
    from psycopg.pq import ConnStatus, ExecStatus
    from psycopg.waiting import Ready, Wait

    while line.flush():
        if (yield Wait.RW) & Ready.R:
            line.consume_input()
    found: list[Any] = []
    while True:
        while line.is_busy():
            yield Wait.R
            line.consume_input()
        result = line.get_result()
        if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
            return found
        if result is not None:
            found.append(result)
        elif line.status == ConnStatus.BAD:
            raise OperationalError(line.get_error_message())
