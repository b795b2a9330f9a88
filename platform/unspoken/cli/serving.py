"""`unspoken serve`: one server process on a listening socket, or several that share it."""

import signal
import socket
import subprocess
import sys
import time
from types import FrameType

from unspoken import lifetime
from unspoken.errors import Unavailable

LOOK_S = 0.2
QUICK_S = 5.0  # a process that ends sooner was never able to serve
MOST_QUICK_DEATHS = 5
STOP_S = 8.0


def run(processes: int, door: socket.socket) -> None:
    """Serve until told to end: here, or from so many processes. Raises Unavailable when these keep dying."""
    if processes > 1:
        _several(processes, door)
        return
    from unspoken.api import server
    from unspoken.api.app import create_app

    server.run(create_app(), door)


def _several(number: int, door: socket.socket) -> None:
    """Each has its own writer, its own metrics and its own count of what a key has sent; one that dies is replaced."""
    ended: list[int] = []

    def note(which: int, _frame: FrameType | None) -> None:
        ended.append(which)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, note)
    running = [(_start(door), time.monotonic()) for _ in range(number)]
    quick_deaths = 0
    try:
        while not ended:
            for place, (process, since) in enumerate(running):
                if process.poll() is None:
                    continue
                quick_deaths = quick_deaths + 1 if time.monotonic() - since < QUICK_S else 1
                if quick_deaths >= MOST_QUICK_DEATHS:
                    raise Unavailable(f"The server processes keep ending (status {process.returncode}); see the log.")
                running[place] = (_start(door), time.monotonic())
            time.sleep(LOOK_S)
    finally:
        _stop([process for process, _ in running])


def _start(door: socket.socket) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "unspoken", "serve", "--fd", str(door.fileno())],
        stdin=subprocess.DEVNULL,
        env=lifetime.child_environment(),
        pass_fds=[door.fileno()],
        process_group=0,  # Ctrl-C is for the parent, which then asks each to end
    )


def _stop(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_S
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
