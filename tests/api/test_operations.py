"""Alive, ready, measured, logged."""

import json
import logging

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from unspoken import logs
from unspoken.api.app import create_app
from unspoken.jobs.broker import producer
from unspoken.settings import settings
from unspoken.store import keys, projects
from unspoken.store.database import connect, transaction

PATH = "/v1/events"
CANARY = "a canary that nobody may log"


def test_alive_is_said_to_anybody(stranger):
    assert stranger.get("/healthz").json()["status"] == "ok"


def test_ready_names_what_it_has_and_what_it_lacks(stranger, engine, broker):
    said = stranger.get("/readyz").json()
    assert (said["status"], said["database"], said["broker"]) == ("ready", "ok", "ok")
    assert said["migrations"]
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    answer = stranger.get("/readyz")
    assert (answer.status_code, "unspoken migrate" in answer.json()["detail"]) == (503, True)
    assert answer.json()["checks"] == {"database": "ok", "migrations": "0000", "broker": "ok"}
    assert answer.headers["retry-after"]


def test_a_broker_that_is_away_is_named(stranger, broker, monkeypatch):
    monkeypatch.setenv("UNSPOKEN_BROKER_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    producer.cache_clear()
    answer = stranger.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == "unavailable"
    assert answer.json()["checks"]["database"] == "ok"
    assert "broker" in answer.json()["detail"]


@pytest.fixture
def measured(here):
    """The metrics as they are now: value by name and labels but the process."""

    def measured():
        answer = here.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {
            (sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "process")): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    return measured


def test_what_was_done_is_counted(client, stranger, key_of, make_event, measured):
    twice = [make_event(), make_event()]
    client.post(PATH, json=twice)
    client.post(PATH, json=twice)
    client.post(PATH, json=[make_event(), make_event(value=9), make_event("votes")])
    stranger.post(f"{PATH}?key={key_of('write')}", json=make_event("copy"), headers={"dnt": "1"})
    stranger.post(f"{PATH}?key=wrong", json=make_event())
    found = measured()
    assert found["unspoken_events_stored_total",] == 3
    assert found["unspoken_events_repeated_total",] == 2
    assert found["unspoken_events_declined_total",] == 1
    assert found["unspoken_events_refused_total", "bad-event"] == 2
    assert found["unspoken_requests_total", PATH, "200"] == 3
    assert found["unspoken_requests_total", PATH, "207"] == 1
    assert found["unspoken_requests_total", PATH, "401"] == 1
    assert found["unspoken_commit_seconds_count",] == 3
    assert found["unspoken_request_seconds_bucket", "+Inf", PATH] == 5
    assert found["unspoken_queue_events",] == found["unspoken_queue_bytes",] == 0


def test_a_request_of_any_other_route_is_counted_by_its_route(client, measured):
    client.get("/v1/jobs/secret-name")
    client.get("/nothing/secret-name")
    found = measured()
    assert found["unspoken_requests_total", "/v1/jobs/{job_id}", "404"] == 1
    assert found["unspoken_requests_total", "(none)", "404"] == 1
    assert not any("secret-name" in label for labels in found for label in labels)


def test_metrics_are_for_this_machine_or_an_admin(stranger, here, key_of):
    assert here.get("/metrics").status_code == 200
    assert stranger.get("/metrics").status_code == 401
    for role, status in (("admin", 200), ("secret", 403), ("write", 403)):
        assert stranger.get("/metrics", headers={"authorization": f"Bearer {key_of(role)}"}).status_code == status


def test_the_log_of_a_server_is_json_and_holds_no_text_and_no_key(
    database_url, key_of, make_event, serve, wait_for_exit, client
):
    key = key_of("write")
    server = serve(database_url, log_format="json")
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as web:
        for event in (make_event("message", text=CANARY), make_event(comment=CANARY, value=9), {"kind": CANARY}):
            web.post(f"{PATH}?key={key}", json=event)
        web.get(f"/{CANARY}")
        web.get("/v1/status", headers={"authorization": f"Bearer {key}"})
    wait_for_exit(server)
    said = server.log.read_text()
    assert "canary" not in said
    assert key not in said
    lines = [json.loads(line) for line in said.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert [(line["method"], line["route"], line["status"], line["events"]) for line in requests] == [
        ("POST", PATH, 200, 1),
        ("POST", PATH, 422, 1),
        ("POST", PATH, 422, 1),
        ("GET", "(none)", 404, 0),
        ("GET", "/v1/status", 403, 0),
    ]
    assert all(line["ms"] > 0 and line["at"].endswith("Z") for line in requests)


@pytest.fixture
def wait_for_exit():
    """Ends a server as an operator does."""

    def wait_for_exit(server):
        assert server.end() in (0, -15), server.log.read_text()

    return wait_for_exit


@pytest.mark.parametrize("form", [logs.People, logs.Objects])
def test_a_failure_is_logged_without_the_values_that_a_database_names(sqlite_engine, form):
    logger = logging.getLogger("test.failure")
    engine = connect(str(sqlite_engine.url))
    try:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO events (id) VALUES (:it)"), {"it": CANARY})
    except Exception as error:
        record = logger.makeRecord(logger.name, 40, __file__, 1, "it failed", (), (type(error), error, None))
    said = form().format(record)
    assert "canary" not in said
    assert "IntegrityError" in said
    assert "test_operations.py" in said


def test_a_message_cannot_begin_a_line_of_its_own():
    logger = logging.getLogger("test.lines")
    record = logger.makeRecord(logger.name, 20, __file__, 1, "one\nERROR two", (), None, extra={"fields": {"ms": 1}})
    assert logs.People().format(record).endswith("INFO test.lines one\\nERROR two ms=1")
    assert json.loads(logs.Objects().format(record))["message"] == "one\nERROR two"


def test_a_fault_of_the_server_is_a_problem_and_is_logged(sqlite_engine, make_event, caplog):
    with transaction(sqlite_engine) as session:
        _, key = keys.create(session, projects.create(session, "chat").id, "write")
        broken = "CREATE TRIGGER broken BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'broken'); END"
        session.execute(text(broken))
    with TestClient(create_app(sqlite_engine)) as client:
        answer = client.post(f"{PATH}?key={key}", json=make_event("message"))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["type"] == "urn:unspoken:problem:internal"
    assert any("POST /v1/events failed" in record.getMessage() for record in caplog.records)


def test_a_stranger_is_not_told_where_the_database_lies(migrated_file, tmp_path, caplog):
    path = tmp_path / "secret-place" / "unspoken.db"
    path.parent.mkdir()
    path.write_bytes(migrated_file.read_bytes())
    engine = connect(f"sqlite:///{path}")
    with TestClient(create_app(engine), raise_server_exceptions=False) as client:
        engine.dispose()
        path.write_bytes(b"no database at all, whatever its name says" * 100)
        answers = [client.post(PATH, headers={"Authorization": "Bearer k"}, json=[]), client.get("/readyz")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert "secret-place" not in "".join(answer.text for answer in answers)
    assert "secret-place" in caplog.text
    engine.dispose()
