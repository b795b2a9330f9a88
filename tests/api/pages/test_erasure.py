"""The page of erasures: asked for with an id typed twice, shown as a hash with what went, and the export beside it."""

import json

from unspoken.events import hash_user
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Audit, Erasure, Job

WHO = "ann quokkaplume/☃"


def test_a_person_is_erased_when_their_id_was_typed_twice(browser, broker, engine, project, count):
    for again in ("", "ann", WHO + "x"):
        refused = browser.post("/erasure", data={"user": WHO, "again": again})
        assert refused.status_code == 422
        assert "nothing was erased" in refused.text
    assert browser.post("/erasure", data={"user": "", "again": ""}).status_code == 422
    assert browser.post("/erasure", data={"user": "x" * 201, "again": "x" * 201}).status_code == 422
    assert count(Erasure) == 0
    answer = browser.post("/erasure", data={"user": f" {WHO} ", "again": WHO})
    assert (answer.status_code, answer.headers["location"]) == (303, "/erasure?done=asked")
    with reading(engine) as session:
        [row] = session.query(Erasure).all()
        [job] = session.query(Job).all()
        assert row.user == hash_user(project.user_secret, WHO)
        assert row.asked_by.startswith("key ")
        assert job.arguments == {"erasure": row.seq}
    text = browser.get("/erasure").text
    assert row.user[:10] in text
    assert f"/jobs/{job.id}" in text
    assert 'hx-trigger="every 2s"' in text
    assert "Erasing." in text
    assert f"{row.asked_by[:12]}…</bdi>" in text
    part = {"hx-request": "true"}
    assert "erasure-said" not in browser.get("/erasure", headers=part).text
    with transaction(engine) as session:
        session.get_one(Erasure, row.seq).finished_at = now()
    over = browser.get("/erasure", headers=part).text
    assert '<div id="erasure-said" hx-swap-oob="true">\n</div>' in over  # what was said goes with the next look
    assert "Erasing." not in browser.get("/erasure?done=asked").text
    assert "quokkaplume" not in text + browser.get("/audit").text + browser.get(f"/jobs/{job.id}").text


def test_what_went_is_counted(browser, engine, project):
    with transaction(engine) as session:
        session.add(
            Erasure(project_id=project.id, user="a" * 64, asked_by="command line", finished_at=now(),
                    counts={"events": 1812, "messages": 64})
        )  # fmt: skip
        session.add(Erasure(project_id=project.id, user="b" * 64, asked_by="x", finished_at=now()))
    text = browser.get("/erasure").text
    assert "1\u202f812" in text
    assert "nothing was held" in text
    assert 'hx-trigger="every 20s"' in text


def test_a_person_is_given_what_is_held_of_them(browser, client, make_event, engine):
    client.post("/v1/events", json=[make_event("message", user=WHO, text="Mine."), make_event("vote", user=WHO)])
    answer = browser.post("/erasure/export", data={"user": WHO})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="user.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[-1]["counts"] == {"user": 1, "message": 1, "event": 2}
    with reading(engine) as session:
        assert [row.action for row in session.query(Audit).filter(Audit.action == "user.exported")] == ["user.exported"]
    assert browser.post("/erasure/export", data={"user": ""}).status_code == 422
    assert browser.get("/erasure/export").status_code == 405  # no address names a person
