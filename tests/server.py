"""`unspoken serve` in processes of their own, for tests that need a real server."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@contextmanager
def reserved(port: int) -> Iterator[None]:
    """Whoever calls there is refused, and nobody else on this machine is given that port meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        yield


@dataclass
class Server:
    """`unspoken serve` in a process of its own."""

    process: "subprocess.Popen[bytes]"
    door: socket.socket
    address: tuple[str, int]
    log: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal, waits, and returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(120)


class Serve(Protocol):
    """Starts a server on a database, with settings and command line options."""

    def __call__(
        self, database_url: str, *options: str, files: int | None = None, port: int = 0, **settings: object
    ) -> Server:
        """A server whose socket listens already: a caller waits until it serves. It may open so many `files`."""
        ...


@contextmanager
def serving(folder: Path) -> Iterator[Serve]:
    """Starts servers whose home and logs lie in this folder, and kills those that are left at the end."""
    running: list[Server] = []

    def serve(database_url: str, *options: str, files: int | None = None, port: int = 0, **settings: object) -> Server:
        door = socket.create_server(("127.0.0.1", port), backlog=512)
        environment = os.environ | {
            "UNSPOKEN_DATABASE_URL": database_url,
            "UNSPOKEN_HOME": str(folder / "home"),
            "PYTHONPATH": os.pathsep.join(sys.path),
            **{f"UNSPOKEN_{name.upper()}": str(value) for name, value in settings.items()},
        }
        log = folder / f"server-{len(running)}.log"
        with log.open("wb") as stream:
            command = [sys.executable, "-m", "unspoken", "serve", "--fd", str(door.fileno()), *options]
            limited = [] if files is None else ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"]
            process = subprocess.Popen(
                [*limited, *command],
                env=environment,
                pass_fds=[door.fileno()],
                stdout=stream,
                stderr=stream,
            )
        running.append(Server(process, door, door.getsockname(), log))
        return running[-1]

    try:
        yield serve
    finally:
        for server in running:
            server.door.close()
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait(120)
