"""`unspoken up`: API, workers and scheduler as children of one process, which restarts what dies and ends with them.

The parent opens the API's socket itself: a port that is taken is known before anything starts, and while the API
restarts its callers wait instead of being refused. Every child is bound to the parent's life (unspoken.lifetime).
"""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from types import FrameType

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from unspoken import lifetime, migrate, upstream
from unspoken.errors import Conflict, Unavailable, UnspokenError
from unspoken.jobs import broker
from unspoken.settings import Settings, settings
from unspoken.store import database
from unspoken.store.tables import Job, Project

LOOK_S = 0.1
SHOW_S = 1.0
QUICK_S = 10.0  # a child that lived shorter than this died quickly
MOST_QUICK_DEATHS = 5
STOP_S = 8.0  # asked to end, a child has this long before it is killed
DEFAULT_HOME = Settings.model_fields["home"].default
LARGEST_LOG = 10_000_000  # bytes; a longer one is begun anew
Say = Callable[[str], None]


@dataclass
class Service:
    """One child: how it is started, and how often it died."""

    name: str
    arguments: list[str]
    log: Path
    descriptors: tuple[int, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)  # of its own, beside this process's environment
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    not_before: float = 0.0
    quick_deaths: int = field(default=0)

    def start(self) -> None:
        """Start it, bound to this process; must be called from the main thread."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "unspoken", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**lifetime.child_environment(), **self.settings},
                pass_fds=self.descriptors,
                process_group=0,  # Ctrl-C is for the parent, which then asks each child to end
            )
        self.started = time.monotonic()

    def look(self, say: Say) -> None:
        """Start it again, after a pause, when it died; Unavailable when it keeps dying."""
        if self.process is None:
            if time.monotonic() >= self.not_before:
                self.start()
            return
        status = self.process.poll()
        if status is None:
            return
        self.process = None
        quick = time.monotonic() - self.started < QUICK_S
        self.quick_deaths = self.quick_deaths + 1 if quick else 1
        if self.quick_deaths >= MOST_QUICK_DEATHS:
            raise Unavailable(
                f"{self.name} ended {self.quick_deaths} times within seconds of its start (last status {status}), so "
                f"everything is stopped. Its last words: {last_words(self.log)} The whole log: {self.log}"
            )
        pause = 0.1 * 2**self.quick_deaths
        self.not_before = time.monotonic() + pause
        say(f"{self.name} ended with status {status}; it starts again in {pause:g} s (log: {self.log})")

    def stop(self, deadline: float) -> None:
        """Wait until the deadline (monotonic) for it to end by itself, then kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()  # its leases run out, and the jobs are taken up at the next start
            self.process.wait()


def up(say: Say = print) -> None:
    """Run everything until SIGINT or SIGTERM.

    Conflict when this home runs already or the port is taken; Unavailable when a service keeps dying.
    """
    chosen = settings()
    home = chosen.home.absolute()
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        held.enter_context(only_one(home))
        door = held.enter_context(listening(chosen))
        url = f"http://{in_url(chosen.host)}:{door.getsockname()[1]}"
        (home / "up.lock").write_text(f"process {os.getpid()}, {url}\n")
        engine = database.connect()
        migrate.upgrade(engine)
        broker.check()
        model = held.enter_context(local_model(chosen))
        services = [
            Service("api", ["serve", "--fd", str(door.fileno())], logs / "api.log", (door.fileno(),), model.settings),
            Service("data", ["worker", "--queue", "data"], logs / "data.log"),
            Service("gpu", ["worker", "--queue", "gpu"], logs / "gpu.log"),
            Service("scheduler", ["worker", "--beat"], logs / "scheduler.log"),
        ]
        if model.door is not None:
            number = model.door.fileno()
            services.append(Service("model", ["upstream", "--fd", str(number)], logs / "model.log", (number,),
                                    model.settings))  # fmt: skip
        what = {
            "api": url,
            "model": "a small local model for the chat, loaded at the first question",
            "data": "labels, pairs and reports",
            "gpu": f"training, on {chosen.device}",
            "scheduler": f"looks for lost jobs every {chosen.sweep_s:g} s",
        }
        with told_to_end() as end:
            try:
                for service in services:
                    if service.log.exists() and service.log.stat().st_size > LARGEST_LOG:
                        service.log.unlink()
                    service.start()
                    say(f"{service.name:<10} {what[service.name]}")
                say(f"{'home':<10} {home} (logs in {logs})")
                say(f"{'dashboard':<10} {url}/")
                if chosen.chat != "off":
                    ready = model.settings or chosen.upstream_url
                    say(f"{'chat':<10} {url}/chat{'' if ready else ' (which says what is missing)'}")
                say(f"{'sign in':<10} with a key of `{command('keys create --project NAME --role admin')}`")
                say("Ctrl-C ends all of it.")
                _watch(services, engine, end, say)
            finally:
                stop(services)
    say("Everything has ended.")


def command(words: str) -> str:
    """`unspoken …` as it has to be typed to mean this home."""
    home = settings().home
    return f"unspoken {words}" if home == DEFAULT_HOME else f"UNSPOKEN_HOME={quote(str(home))} unspoken {words}"


@dataclass(frozen=True)
class LocalModel:
    """The socket of the local model, and what its server and the API are told; neither where there is none."""

    door: socket.socket | None = None
    settings: dict[str, str] = field(default_factory=dict)


@contextmanager
def local_model(chosen: Settings) -> Iterator[LocalModel]:
    """A port of this machine for the local model, where it is installed and no other upstream is set."""
    if chosen.upstream_url or chosen.chat == "off" or not upstream.installed():
        yield LocalModel()
        return
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}/v1"
        key = secrets.token_urlsafe(24)  # other programs and pages on this machine have no use for it
        yield LocalModel(door, {"UNSPOKEN_UPSTREAM_URL": url, "UNSPOKEN_UPSTREAM_KEY": key})


def _watch(services: list[Service], engine: Engine, ended: list[int], say: Say) -> None:
    activity, shown = Activity(say), time.monotonic()
    while not ended:
        for service in services:
            service.look(say)
        if time.monotonic() - shown >= SHOW_S:
            shown = time.monotonic()
            try:
                with database.reading(engine) as session:
                    activity.show(session)
            except UnspokenError as error:  # the database is away: say so, and keep the services that wait for it
                say(error.detail)
        time.sleep(LOOK_S)


class Activity:
    """Says what the jobs are doing: a line when one begins, reaches another tenth, or ends."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._seen: dict[str, str] = {}
        self._since: set[str] | None = None

    def show(self, session: Session) -> None:
        """Say what has changed since the last call; the first call only remembers what is over."""
        newest = select(Job, Project.name).outerjoin(Project).order_by(Job.created_at.desc()).limit(50)
        rows = session.execute(newest).all()
        if self._since is None:
            self._since = {row.id for row, _ in rows if row.state in ("done", "failed")}
        for row, project in reversed(rows):
            line = _line(row, project)
            if row.id not in self._since and line != self._seen.get(row.id):
                self._seen[row.id] = line
                if line:
                    self._say(line)


def _line(job: Job, project: str | None) -> str:
    name = " ".join(word for word in (project, job.name, job.arguments.get("family")) if word)
    if job.state == "running":
        return f"  {name}: {int(job.progress * 10) * 10} %"
    if job.state == "done":
        return f"  {name}: done"
    if job.state == "failed":
        return f"  {name}: failed. {job.error}"
    return ""


def stop(services: list[Service]) -> None:
    """Ask every child to end, then see to it that it does."""
    for service in services:
        if service.process and service.process.poll() is None:
            service.process.terminate()
    deadline = time.monotonic() + STOP_S
    for service in services:
        service.stop(deadline)


@contextmanager
def told_to_end() -> Iterator[list[int]]:
    """A list that holds the signal once SIGINT or SIGTERM has come."""
    got: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        got.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home folder's lock; Conflict says who holds it. A process that was killed holds nothing."""
    path = home / "up.lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = path.read_text().strip() or "another process"
            raise Conflict(
                f"unspoken is already running on {home} ({who}). End it there with Ctrl-C, or choose another home "
                "with UNSPOKEN_HOME."
            ) from None
        path.write_text(f"process {os.getpid()}\n")  # what is left of an earlier one says nothing any more
        yield


@contextmanager
def listening(chosen: Settings) -> Iterator[socket.socket]:
    """The API's socket; Conflict when the port is taken, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((chosen.host, chosen.port))
            door.listen(2048)
        except (OSError, OverflowError) as error:
            raise Conflict(
                f"Port {chosen.port} on {chosen.host} cannot be listened on: {error}. Choose another one with "
                "UNSPOKEN_PORT (0 takes a free one), or end what uses it."
            ) from error
        yield door


def last_words(log: Path) -> str:
    """The last line with a word in it that a service wrote."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line.strip()[-400:] for line in reversed(lines) if any(map(str.isalnum, line))), "none.")


def in_url(host: str) -> str:
    """The host as a browser on this machine writes it."""
    if host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host
