"""`unspoken up`: one command runs everything, and nothing outlives it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import unspoken
from unspoken.errors import Unavailable
from unspoken.up import Service, stop

ROOT = Path(unspoken.__file__).parents[2]
SOURCES = os.pathsep.join([str(ROOT / "platform"), str(ROOT / "workers")])
SERVICES = 4


def until(holds: Callable[[], Any], seconds: float = 240.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not come about in {seconds} s")


class Up:
    """A running `unspoken up` and what it says."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.out = home.with_suffix(".out")
        environment = {
            **os.environ,
            "UNSPOKEN_HOME": str(home),
            "UNSPOKEN_PORT": "0",
            "UNSPOKEN_DATABASE_URL": "",
            "UNSPOKEN_BROKER_URL": "",
            "PYTHONPATH": SOURCES,
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "unspoken", "up"],
                env=environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.out.read_text()

    def ready(self) -> str:
        """Its address, once everything has been started."""
        until(lambda: "Ctrl-C" in self.said() or self.process.poll() is not None)
        found = re.search(r"http://\S+", self.said())
        assert found, self.said()
        return found.group()

    def tree(self) -> list[psutil.Process]:
        """All processes below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> None:
        """Kill it and what it left, whatever the test did."""
        if self.process.poll() is None:
            for each in self.tree():
                each.kill()
            self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def begin(home: str = "home", **settings: str) -> Up:
        started.append(Up(tmp_path / home, **settings))
        return started[-1]

    yield begin
    for each in started:
        each.end()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def answers(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=240) as answer:
        return answer.read()


def test_everything_runs_the_page_answers_and_ctrl_c_ends_all_of_it(start):
    up = start()
    url = up.ready()
    assert b"<html" in answers(url)
    for line in (
        rf"dashboard +{url}/",
        rf"chat +{url}/chat\b",
        rf"sign in .*UNSPOKEN_HOME={up.home} unspoken keys create",
    ):
        assert re.search(line, up.said()), up.said()
    children = until(lambda: len(up.tree()) >= SERVICES and up.tree())
    until(lambda: all("ready" in (up.home / f"logs/{name}.log").read_text() for name in ("data", "gpu")))
    second = start("home", UNSPOKEN_PORT="0")
    assert second.process.wait(240) == 2
    assert "already running" in second.said() and url in second.said()

    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(240) == 0
    assert not alive(children)
    assert "Everything has ended." in up.said()
    assert "Traceback" not in up.said() + "".join(path.read_text() for path in (up.home / "logs").iterdir())


def test_kill_9_of_the_parent_leaves_no_orphan_and_the_home_can_be_used_again(start):
    up = start()
    up.ready()
    children = until(lambda: len(up.tree()) >= SERVICES and up.tree())
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait()
    until(lambda: not alive(children), seconds=120)
    again = start()
    assert b"<html" in answers(again.ready())


def test_a_service_that_dies_is_started_again(start):
    up = start()
    url = up.ready()
    (api,) = until(lambda: [each for each in up.tree() if "serve" in each.cmdline()])
    answers(url)
    api.kill()
    until(lambda: "api ended with status -9" in up.said())
    assert b"<html" in answers(url)


def test_a_service_that_does_not_end_when_it_is_asked_to_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("unspoken.up.STOP_S", 0.5)
    services = [Service(name, [], tmp_path / f"{name}.log") for name in ("stubborn", "obedient")]
    program = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.{}); print('there'); time.sleep(900)"
    for service, how in zip(services, ("SIG_IGN", "SIG_DFL"), strict=True):
        service.process = subprocess.Popen([sys.executable, "-uc", program.format(how)], stdout=subprocess.PIPE)
        assert service.process.stdout and service.process.stdout.readline() == b"there\n"
    began = time.monotonic()
    stop(services)
    assert 0.5 <= time.monotonic() - began < 60
    assert [service.process and service.process.returncode for service in services] == [
        -signal.SIGKILL,
        -signal.SIGTERM,
    ]
    for service in services:
        assert service.process and service.process.stdout
        service.process.stdout.close()


def test_a_service_that_keeps_dying_is_given_up_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", SOURCES)
    monkeypatch.setattr("unspoken.up.QUICK_S", 240.0)  # so long may it take here to find that there is no such command
    said: list[str] = []
    service = Service("api", ["nonsense"], tmp_path / "api.log")
    with pytest.raises(Unavailable, match=r"api ended 5 times within seconds of its start .*No such command"):
        until(lambda: service.look(said.append))
    assert len(said) == 4


def test_a_broker_that_is_not_there_is_said_before_anything_starts(start):
    for url in ("nonsense://here", "redis://127.0.0.1:1/0"):
        up = start(UNSPOKEN_BROKER_URL=url)
        assert up.process.wait(240) == 2
        assert up.said().startswith("error: ") and "UNSPOKEN_BROKER_URL" in up.said()


def test_a_port_that_is_taken_is_said_before_anything_starts(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        up = start(UNSPOKEN_PORT=str(taken.getsockname()[1]))
        assert up.process.wait(240) == 2
        assert "UNSPOKEN_PORT" in up.said()
        assert not (up.home / "unspoken.db").exists()
