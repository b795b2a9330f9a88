"""Status, jobs, models, reports: who sees what, and asking for jobs."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from unspoken.store import keys, models, projects, reports
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Dataset, Job


@pytest.fixture
def filled(engine, project, tmp_path, make_event, client):
    """A project with events, a model and a report, and another project beside it."""
    client.post("/v1/events", json=[make_event("message", user="ann"), make_event(), make_event(message="m9")])
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("<h1>Report</h1>")
    with transaction(engine) as session:
        other = projects.create(session, "other")
        dataset = Dataset(project_id=project.id, recipe={}, horizon={}, digest="d", funnel={})
        session.add(dataset)
        session.flush()
        models.record(session, project.id, dataset.id, "stated", tmp_path, {"model_hash": "abc"})
        report = reports.record(session, project.id, dataset.id, "cannot tell", {"sentence": "…"}, tmp_path / "report")
        _, key = keys.create(session, other.id, "secret")
    return report, {"authorization": f"Bearer {key}"}


def test_what_came_in_is_counted(client, filled):
    [project] = client.get("/v1/status").json()["projects"]
    assert project["name"] == "chat"
    assert project["kinds"] == {"vote": 2, "message": 1}
    assert [project[name] for name in ("events", "messages", "users", "conversations", "parked")] == [3, 1, 1, 1, 1]
    assert datetime.fromisoformat(project["last_received_at"]).tzinfo is not None


def test_models_and_reports_are_listed_without_paths(client, filled, tmp_path):
    [model] = client.get("/v1/models").json()["models"]
    [report] = client.get("/v1/reports").json()["reports"]
    assert (model["family"], model["digest"], report["verdict"]) == ("stated", "abc", "cannot tell")
    assert str(tmp_path) not in str(model) + str(report)
    page = client.get(report["page"])
    assert page.text == "<h1>Report</h1>"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "script-src" not in page.headers["content-security-policy"]


def test_a_key_sees_its_own_project_only(client, filled):
    report, other = filled
    assert [project["name"] for project in client.get("/v1/status", headers=other).json()["projects"]] == ["other"]
    assert client.get("/v1/models", headers=other).json() == {"models": []}
    assert client.get(f"/v1/reports/{report}/page", headers=other).status_code == 404


def test_a_report_whose_page_is_gone_says_so(client, filled, tmp_path):
    (tmp_path / "report" / "index.html").unlink()
    answer = client.get(f"/v1/reports/{filled[0]}/page")
    assert answer.status_code == 404
    assert "compare again" in answer.json()["detail"]


def test_without_a_key_only_this_machine_looks(stranger, here, filled):
    for path in ("/v1/status", "/v1/jobs", "/v1/models", "/v1/reports"):
        assert stranger.get(path).status_code == 401
        assert here.get(path).status_code == 200
    assert len(here.get("/v1/status").json()["projects"]) == 2


def test_a_name_or_a_proxy_from_elsewhere_is_not_this_machine(here):
    for headers in (
        {"host": "chat.example"},
        {"host": "127.0.0.1.chat.example"},
        {"host": "localhost@chat.example"},
        {"host": "chat.example@127.0.0.1"},
        {"host": "chat.example:x@localhost:8000"},
        {"host": "localhost/chat.example"},
        {"host": "localhost?chat.example"},
        {"host": "localhost#chat.example"},
        {"host": "localhost chat.example"},
        {"x-forwarded-for": "203.0.113.9"},
        {"authorization": "Bearer uns_admin_wrong"},
    ):
        assert here.get("/v1/status", headers=headers).status_code == 401
        assert here.get("/", headers=headers).status_code == 401


def test_every_loopback_name_is_this_machine(here):
    for host in ("localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "LOCALHOST"):
        assert here.get("/v1/status", headers={"host": host}).status_code == 200


def test_write_and_research_keys_see_nothing(stranger, key_of):
    for role in ("write", "research"):
        answer = stranger.get("/v1/status", headers={"authorization": f"Bearer {key_of(role)}"})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:unspoken:problem:not-allowed")


def test_a_job_is_queued_and_asked_for_twice_it_is_one(client, engine, project, broker):
    first = client.post("/v1/jobs", json={"name": "project.refresh"})
    second = client.post("/v1/jobs", json={"name": "project.refresh"})
    assert first.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    assert client.get(first.headers["location"]).json()["state"] == "queued"
    assert len(client.get("/v1/jobs").json()["jobs"]) == 1
    with reading(engine) as session:
        assert session.scalars(select(Job.project_id)).one() == project.id


def test_a_job_that_does_not_exist_is_refused(client, here, broker):
    answer = client.post("/v1/jobs", json={"name": "world.end"})
    assert (answer.status_code, "pairs.build" in answer.json()["detail"]) == (422, True)
    assert client.post("/v1/jobs", json={"nome": "pairs.build"}).json()["type"] == "urn:unspoken:problem:bad-input"
    assert client.post("/v1/jobs", json={"name": "pairs.build", "arguments": {"then": []}}).status_code == 422
    assert client.post("/v1/jobs", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert client.get("/v1/jobs/none").status_code == 404
    assert here.post("/v1/jobs", json={"name": "pairs.build"}).status_code == 401


def test_what_is_not_there_is_a_problem_too(stranger):
    for answer, status in ((stranger.get("/nothing"), 404), (stranger.get("/v1/events"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_path_that_is_almost_right_is_answered_with_the_right_one(client, make_event, count):
    for path, meant in (
        ("/v1/events/", "/v1/events"),
        ("/v1/event", "/v1/events"),
        ("/v1/jobs/j-1/", "/v1/jobs/j-1"),
        ("/openai/v1/chat/completion", "/openai/v1/chat/completions"),
    ):
        answer = client.post(path, json=make_event(), follow_redirects=False)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.json()["detail"].endswith(f"Did you mean {meant}?"), answer.json()["detail"]
    for path in ("/nothing/like/it", "/nothing//", "/v1/" + "events" * 1_000):
        answer = client.post(path, json=make_event())
        assert (answer.status_code, "Did you mean" in answer.json()["detail"]) == (404, False), path
    assert count() == 0


def test_times_carry_their_zone(client, engine, broker):
    client.post("/v1/jobs", json={"name": "pairs.build"})
    [job] = client.get("/v1/jobs").json()["jobs"]
    assert abs(datetime.fromisoformat(job["created_at"]) - datetime.now(UTC)).total_seconds() < 60


def test_a_name_that_no_database_holds_is_of_nothing(client, here, broker):
    for path in ("/v1/jobs/%00", "/v1/reports/%00/page"):
        assert client.get(path).status_code == 404, path
    answer = client.post("/v1/jobs", json={"name": "project.refresh", "arguments": {"dataset": "a\0"}})
    assert (answer.status_code, "arguments.dataset" in answer.json()["detail"]) == (422, True)
