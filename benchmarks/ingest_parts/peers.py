"""The peers, each started and spoken to as its documentation says, on its default database (SQLite)."""

import json
import pickle
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.ingest_parts.servers import Ours, free_port, start
from benchmarks.ingest_parts.stream import identities

TARGETS = 200  # spans or traces that the feedback is about
AT = "2026-11-01T12:00:00Z"


class Peer(Ours):
    """A server that takes one feedback a request."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs, self.process, self.port = folder, programs, None, 0
        folder.mkdir(parents=True, exist_ok=True)

    def feedback(self, number: int, path: Path) -> Path:
        """A file of prebuilt requests for load.py."""
        built = []
        for place, identity in enumerate(islice(identities(int(time.time())), number)):
            address, body = self.request(place % TARGETS, identity)
            head = f"POST {address} HTTP/1.1\r\nHost: localhost:{self.port}\r\nContent-Type: application/json\r\n"
            built.append(((head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body, [identity]))
        path.write_bytes(pickle.dumps(built))
        return path

    def request(self, target: int, identity: str) -> tuple[str, bytes]:
        """Address and body of one feedback."""
        raise NotImplementedError

    def _post(self, address: str, value: object) -> int:
        asked = urllib.request.Request(
            f"http://localhost:{self.port}{address}", json.dumps(value).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def _ready(self) -> None:
        """The first feedback is taken: spans are written some time after they were acknowledged."""
        asked = [self.request(target, identity) for target, identity in enumerate(_fresh(TARGETS))]
        until = time.monotonic() + 60
        for address, body in asked:
            while (status := self._post(address, json.loads(body))) >= 300:
                if time.monotonic() > until:
                    raise RuntimeError(f"{self.name} answers {status} to {address}")
                time.sleep(0.2)


class Phoenix(Peer):
    """Arize Phoenix: POST /v1/span_annotations?sync=true, which answers after the commit, as ours does."""

    name = "phoenix"

    def start(self) -> None:
        """Serve, with spans to annotate."""
        self.port = free_port()
        env = {
            "PHOENIX_WORKING_DIR": str(self.folder), "PHOENIX_PORT": str(self.port), "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_GRPC_PORT": str(free_port()), "PHOENIX_TELEMETRY_ENABLED": "false",
        }  # fmt: skip
        self.process = start([str(self.programs / "phoenix"), "serve"], self.port, self.folder / "log", env, 180)
        spans = [
            {
                "name": "answer", "span_kind": "LLM", "status_code": "OK", "start_time": AT, "end_time": AT,
                "context": {"trace_id": f"{target + 1:032x}", "span_id": f"{target + 1:016x}"},
            }
            for target in range(TARGETS)
        ]  # fmt: skip
        if (status := self._post("/v1/projects/default/spans", {"data": spans})) >= 300:
            raise RuntimeError(f"phoenix answers {status} to spans")
        self._ready()

    def request(self, target: int, identity: str) -> tuple[str, bytes]:
        """One annotation; its identifier is new, so it is a row of its own."""
        said = {
            "span_id": f"{target + 1:016x}", "name": "vote", "annotator_kind": "HUMAN", "identifier": identity,
            "result": {"label": "up", "score": 1}, "metadata": {"user": "user-000001"},
        }  # fmt: skip
        return "/v1/span_annotations?sync=true", json.dumps({"data": [said]}).encode()


class Mlflow(Peer):
    """MLflow: POST /api/3.0/mlflow/traces/ID/assessments; one worker, because ours runs in one process too."""

    name = "mlflow"

    def start(self) -> None:
        """Serve, with traces to assess."""
        self.port = free_port()
        command = [
            str(self.programs / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}",
            "--default-artifact-root", str(self.folder / "artifacts"),
        ]  # fmt: skip
        self.process = start(command, self.port, self.folder / "log", {"MLFLOW_DISABLE_TELEMETRY": "true"}, 300)
        for target in range(TARGETS):
            info = {
                "trace_id": f"tr-{target + 1:032x}", "request_time": AT, "execution_duration": "1s", "state": "OK",
                "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
            }  # fmt: skip
            if (status := self._post("/api/3.0/mlflow/traces", {"trace": {"trace_info": info}})) >= 300:
                raise RuntimeError(f"mlflow answers {status} to a trace")
        self._ready()

    def request(self, target: int, identity: str) -> tuple[str, bytes]:
        """One assessment."""
        trace = f"tr-{target + 1:032x}"
        said = {
            "assessment_name": "vote", "trace_id": trace, "source": {"source_type": "HUMAN", "source_id": "user-001"},
            "feedback": {"value": True}, "create_time": AT, "last_update_time": AT, "metadata": {"id": identity},
        }  # fmt: skip
        return f"/api/3.0/mlflow/traces/{trace}/assessments", json.dumps({"assessment": said}).encode()


def _fresh(number: int) -> Iterator[str]:
    return islice(identities(1), number)
