"""Commands that run the platform: everything at once, or one service alone."""

import importlib.util
import os
import socket
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unspoken.errors import BadInput, Unavailable
from unspoken.settings import settings


class Queue(StrEnum):
    """Which jobs a worker takes."""

    data = "data"
    gpu = "gpu"
    all = "all"


class Direction(StrEnum):
    """Which way tables go."""

    up = "up"
    down = "down"
    current = "current"


def demo(
    short: Annotated[bool, typer.Option("--short", help="Part of the data: shows the way, proves nothing.")] = False,
    home: Annotated[Path | None, typer.Option(help="Where to put it; UNSPOKEN_HOME by default.")] = None,
) -> None:
    """The whole loop on real chats and on simulated ones with a known truth; a report for each.

    Example: `unspoken demo --home ./demo`. A second run goes on where the first one stopped.
    """
    from unspoken import demo as loop

    _needs_train_extra()
    if home is not None:  # the workers that the demo starts read it from there
        os.environ["UNSPOKEN_HOME"] = str(home.absolute())
        settings.cache_clear()
    loop.run(short=short)


def up() -> None:
    """API, workers and scheduler in one command, on SQLite and a broker made of files.

    Example: `UNSPOKEN_PORT=8080 unspoken up`, then open the address it prints. Ctrl-C ends all of it; jobs that were
    running go on at the next start.
    """
    from unspoken import up as everything

    _needs_train_extra()
    everything.up(typer.echo)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; UNSPOKEN_HOST by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; UNSPOKEN_PORT by default.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Server processes behind the one port.")] = 1,
    fd: Annotated[int | None, typer.Option(hidden=True, help="A listening socket that was handed down.")] = None,
) -> None:
    """The API alone: takes events and shows what came of them. Needs neither polars nor torch.

    Example: `unspoken serve --host 0.0.0.0 --port 8000`, beside `unspoken worker` on the same database. Told to end, it
    answers what it has taken. Several processes share the work on PostgreSQL; on SQLite one writes at a time.
    """
    from unspoken import logs, redaction
    from unspoken import up as everything
    from unspoken.cli import serving

    chosen = settings().model_copy(
        update={key: value for key, value in (("host", host), ("port", port)) if value is not None}
    )
    logs.configure(chosen.log_format)
    redaction.redactor((), chosen.redact_hook)  # says in a sentence when it cannot be loaded
    if processes > 1 and chosen.database.startswith("sqlite"):
        typer.echo(f"{processes} processes on SQLite: they share the reading, and one of them writes at a time.")
    if fd is not None:
        serving.run(processes, socket.socket(fileno=fd))
        return
    with everything.listening(chosen) as door:
        typer.echo(f"listening on http://{everything.in_url(chosen.host)}:{door.getsockname()[1]}")
        serving.run(processes, door)


def worker(
    queue: Annotated[Queue, typer.Option(help="data: labels and reports; gpu: training.")] = Queue.all,
    beat: Annotated[
        bool, typer.Option("--beat", help="Run the scheduler instead: one of it beside any number of workers.")
    ] = False,
) -> None:
    """A worker, which does one job at a time; start as many as there is room for.

    Example: `unspoken worker --queue gpu` on the machine with the device, `unspoken worker --queue data` on another,
    `unspoken worker --beat` once. UNSPOKEN_DATABASE_URL and UNSPOKEN_BROKER_URL say where the work comes from.
    """
    from unspoken import jobs
    from unspoken.jobs import broker
    from unspoken.store import database

    _needs_train_extra()
    database.connect().dispose()  # these two say in a sentence what is not there
    broker.check()
    queues = [*(["data", "gpu"] if queue is Queue.all else [queue.value]), jobs.UPKEEP]
    if beat:
        role = ["beat", "--scheduler", "celery.beat:Scheduler", "--pidfile", ""]
    else:
        role = [
            "worker", "--queues", ",".join(queues), "--pool", "solo", "--hostname", f"{queue.value}-{os.getpid()}@%h",
            "--without-gossip", "--without-mingle", "--without-heartbeat",
        ]  # fmt: skip
    sys.stdout.flush()
    celery = [sys.executable, "-m", "celery", "--app", "unspoken_workers.app", "--quiet", *role, "--loglevel", "INFO"]
    os.execv(sys.executable, celery)  # in this process's place, so that signals reach it


def upstream(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8090,
    fd: Annotated[int | None, typer.Option(hidden=True, help="A listening socket that was handed down.")] = None,
) -> None:
    """The small local model behind /chat, as an OpenAI-compatible server for this machine alone.

    Example: `unspoken upstream`, then UNSPOKEN_UPSTREAM_URL=http://127.0.0.1:8090/v1 for `unspoken serve`; `unspoken
    up` does both by itself. With UNSPOKEN_UPSTREAM_KEY set, only who sends that key is answered.
    """
    from unspoken import logs
    from unspoken import up as everything
    from unspoken.upstream import model, server

    chosen = settings()
    logs.configure(chosen.log_format)
    if not model.installed():
        raise Unavailable(f"The local model is not installed. {model.HOW}")
    small = model.Model(chosen.threads)
    if fd is not None:
        server.run(small, chosen.upstream_key, socket.socket(fileno=fd))
        return
    with everything.listening(chosen.model_copy(update={"host": "127.0.0.1", "port": port})) as door:
        typer.echo(f"listening on http://127.0.0.1:{door.getsockname()[1]}/v1")
        server.run(small, chosen.upstream_key, door)


def migrate(
    direction: Annotated[Direction, typer.Argument(help="up, down, or current: where they are.")] = Direction.up,
    to: Annotated[str | None, typer.Option(help="A revision; `base` is none at all. Down needs one.")] = None,
) -> None:
    """Bring the database's tables up to this version. `unspoken up` does it by itself.

    Example: `UNSPOKEN_DATABASE_URL=postgresql://localhost/unspoken unspoken migrate`.
    """
    from unspoken import migrate as tables
    from unspoken.store import database

    engine = database.connect()
    if direction is Direction.up:
        tables.upgrade(engine, to or "head")
    elif direction is Direction.down:
        if to is None:
            raise BadInput("Going down loses data, so say how far: `unspoken migrate down --to base` drops all tables.")
        tables.downgrade(engine, to)
    typer.echo(f"{engine.url.render_as_string()} is at {tables.current(engine) or 'no revision'}.")


def _needs_train_extra() -> None:
    if importlib.util.find_spec("polars") is None:
        raise Unavailable(
            'Workers need the extra: pip install "unspoken[train]". The API alone needs none: unspoken serve.'
        )
