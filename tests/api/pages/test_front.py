"""The page at `/`: readable without script, text escaped, closed to strangers."""

import re
import subprocess
import sys

from unspoken.store import projects
from unspoken.store.database import transaction
from unspoken.store.tables import Job, Report

HOSTILE = "<script>alert('x')</script>"


def test_the_page_shows_what_came_in(here, client, make_event, engine, project):
    client.post("/v1/events", json=[make_event("message"), make_event(), make_event("view", message="m9")])
    with transaction(engine) as session:
        report = Report(
            project_id=project.id, verdict="cannot tell", summary={"sentence": "Too few labels."}, folder=""
        )
        session.add(report)
        session.add(Job(project_id=project.id, name="run.train", state="running", progress=0.5, note="head 3 of 6"))
        session.add(Job(project_id=project.id, name="pairs.build", state="failed", error="Nothing to label."))
    answer = here.get("/")
    assert answer.status_code == 200
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))
    for words in ("chat", "Events 3", "Parked 1", "cannot tell", "Too few labels.", "head 3 of 6", "Nothing to label."):
        assert words in said
    assert f'href="/reports/{report.id}"' in answer.text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in answer.text
    assert 'hx-trigger="every 5s"' in answer.text
    part = here.get("/", headers={"hx-request": "true"}).text
    assert part.lstrip().startswith('<div id="now"')
    assert "cannot tell" in part


def test_a_verdict_is_said_once_and_the_labels_beside_it(here, engine, project):
    said = {"sentence": "Models: cannot tell.", "labels_sentence": "Labels: likes go with replies."}
    with transaction(engine) as session:
        session.add(Report(project_id=project.id, verdict="cannot tell", summary=said, folder=""))
    for path in ("/", "/reports"):
        text = here.get(path).text
        assert text.count("cannot tell") == 1
        assert "Labels: likes go with replies." in text


def test_an_address_that_nobody_knows_is_a_page_in_a_browser_and_a_problem_elsewhere(here, stranger):
    html = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for client in (here, stranger):
        answer = client.get("/jbos/<b>", headers=html)
        assert answer.status_code == 404
        assert "<h1>There is no such page</h1>" in answer.text
        assert "/jbos/&lt;b&gt;" in answer.text
        assert "content-security-policy" in answer.headers
        for path in ("/v1/nothing", "/openai/nothing", "/sdk/a/b", "/static/a/b"):
            assert client.get(path, headers=html).headers["content-type"] == "application/problem+json"
        assert client.get("/jbos").headers["content-type"] == "application/problem+json"


def test_an_empty_project_and_no_project_are_shown(here, engine):
    assert "Nothing has come in yet" in here.get("/").text
    with transaction(engine) as session:
        projects.create(session, "chat", simulated=True)
    assert "No event has come in yet" in here.get("/").text
    assert "simulated" in here.get("/").text


def test_names_and_errors_are_escaped(here, engine):
    with transaction(engine) as session:
        project = projects.create(session, HOSTILE)
        session.add(Job(project_id=project.id, name=HOSTILE, state="failed", error=HOSTILE))
        session.add(Report(project_id=project.id, verdict=HOSTILE, summary={"sentence": HOSTILE}, folder=""))
    assert "<script>" not in here.get("/").text


def test_no_script_and_no_foreign_source_may_run(here):
    answer = here.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    kinds = {"unspoken.css": "text/css", "icon.svg": "image/svg+xml", "htmx.min.js": "text/javascript"}
    for path, kind in ((f"/static/{name}", kind) for name, kind in kinds.items()):
        assert here.get(path).headers["content-type"].startswith(kind)
        assert path in answer.text
    assert here.get("/static/..%2Ffront.html").status_code == 404


def test_strangers_are_told_which_key_is_needed(stranger, key_of):
    closed = stranger.get("/")
    assert closed.status_code == 401
    assert closed.headers["content-type"].startswith("text/html")
    assert "admin" in closed.text
    assert 'action="/signin"' in closed.text
    assert stranger.get("/", headers={"authorization": f"Bearer {key_of('secret')}"}).status_code == 403
    assert stranger.get("/", headers={"authorization": f"Bearer {key_of('admin')}"}).status_code == 200


def test_the_collector_loads_neither_polars_nor_torch():
    code = "import sys, unspoken.api.app; print([name for name in ('polars', 'torch', 'numpy') if name in sys.modules])"
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert said.stdout.strip() == "[]"
