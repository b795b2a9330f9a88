"""Nothing is acknowledged before it is committed: a server killed right after its answer has kept what it promised."""

import os
import signal
import socket
import subprocess
import sys

import httpx
from sqlalchemy import func, select

from unspoken.store import keys
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Event

SERVER = "import sys, uvicorn; from unspoken.api.app import create_app; uvicorn.run(create_app(), fd=int(sys.argv[1]))"


def test_what_was_answered_survives_kill_9(database_url, engine, project, make_event, tmp_path):
    with transaction(engine) as session:
        _, key = keys.create(session, project.id, "write")
    environment = os.environ | {
        "UNSPOKEN_DATABASE_URL": database_url,
        "UNSPOKEN_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with socket.create_server(("127.0.0.1", 0)) as door, (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(door.fileno())],
            env=environment,
            pass_fds=[door.fileno()],
            stdout=log,
            stderr=log,
        )
        try:
            where = f"http://127.0.0.1:{door.getsockname()[1]}/v1/events?key={key}"
            batch = [make_event("vote") for _ in range(200)]
            answer = httpx.post(where, json=batch, timeout=60, trust_env=False)
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait(20)
    assert answer.json() == {"stored": 200, "repeated": 0}
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 200
