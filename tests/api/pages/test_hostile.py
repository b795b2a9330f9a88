"""Names and words of strangers on every page: nothing runs, nothing turns the page around, nothing makes it endless."""

import re

from unspoken import jobs
from unspoken.api.deps import COOKIE
from unspoken.store import audit, keys, projects, sessions
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.keys import Principal
from unspoken.store.tables import Dataset, Erasure, Job, Key, Model, Report

BIDI = "\u202e\u2066\u200f"
SCRIPT = "<script>alert('x')</script>"
ATTRIBUTE = "\"'><img src=x onerror=alert(1)>"
HOSTILE = f"{SCRIPT}{ATTRIBUTE}{BIDI}{{{{1337*7331}}}}"
LONG = (HOSTILE + "A" * 1_000_000)[:1_000_000]
PAGES = (
    "/",
    "/live",
    "/conversations",
    "/signals",
    "/labels",
    "/models",
    "/reports",
    "/jobs",
    "/keys",
    "/erasure",
    "/audit",
)


def plant(engine, client, make_event, name):
    """A project of that name, with hostile words wherever something can be named; a session for it."""
    with transaction(engine) as session:
        project = projects.create(session, name)
        key, _ = keys.create(session, project.id, "admin", name=SCRIPT + ATTRIBUTE)
        secret = keys.create(session, project.id, "secret")[1]
        session.get_one(Key, key.id).name = HOSTILE[:200]
        dataset = Dataset(project_id=project.id, recipe={}, horizon={}, digest=SCRIPT, funnel={}, finished_at=now())
        session.add(dataset)
        session.flush()
        for family in ("stated", "<b>x</b>", "../'\""):
            manifest = {"base_model": LONG, "labels": HOSTILE, "held_out_accuracy": HOSTILE, HOSTILE: 1}
            session.add(
                Model(project_id=project.id, dataset_id=dataset.id, family=family, folder="", digest=SCRIPT + family,
                      manifest=manifest)
            )  # fmt: skip
        summary = {"sentence": LONG, "labels_sentence": LONG}
        session.add(
            Report(project_id=project.id, dataset_id=dataset.id, verdict=HOSTILE[:64], summary=summary, folder="")
        )
        made = [
            Job(project_id=project.id, name=HOSTILE[:64], state=state, note=LONG, error=LONG, worker=HOSTILE[:200],
                arguments={HOSTILE: LONG, "family": HOSTILE}, result={HOSTILE: [LONG, {HOSTILE: None}]})
            for state in ("running", "failed", "<i>odd")
        ]  # fmt: skip
        session.add_all(made)
        session.add(Erasure(project_id=project.id, user=SCRIPT, asked_by=HOSTILE[:200], counts={HOSTILE: 3}))
        audit.write(session, project.id, HOSTILE[:200], HOSTILE[:64], HOSTILE[:200], {HOSTILE: LONG, "x": [HOSTILE]})
        session.flush()
        note = sessions.begin(session, Principal(project.id, "admin", key.id))
        paths = [f"/jobs/{job.id}" for job in made] + [f"/keys/{key.id}/rotate", f"/keys/{key.id}/revoke"]
    odd = dict(conversation=HOSTILE[:200], message=HOSTILE[:200], page=HOSTILE[:200], session=HOSTILE[:200])
    events = [
        make_event("message", text=LONG, user=HOSTILE[:200], model=HOSTILE[:200], **odd),
        make_event("vote", comment=HOSTILE, reasons=[SCRIPT], user=HOSTILE[:200], **odd),
    ]
    answer = client.post("/v1/events", json=events, headers={"authorization": f"Bearer {secret}"})
    assert answer.json()["stored"] == 2, answer.text
    return note, paths


def test_nothing_that_strangers_wrote_runs_or_turns_a_page_around(elsewhere, here, client, make_event, engine):
    name = (SCRIPT + ATTRIBUTE + "é")[:200]
    note, paths = plant(engine, client, make_event, name)
    elsewhere.cookies.set(COOKIE, note)
    for browser in (elsewhere, here):
        for path in (*PAGES, *paths):
            for headers in ({}, {"hx-request": "true"}):
                answer = browser.get(path, headers=headers)
                assert answer.status_code == 200, (path, answer.text[:300])
                text = answer.text
                for bad in ("<script>", "<img", "<b>x", "<i>odd", str(1337 * 7331)):
                    assert bad not in text, (path, bad)
                assert not re.search(r"<[^>]*\bonerror=alert\(1\)>[^<]*>", re.sub(r'"[^"]*"', '""', text)), path
                assert len(text) < 200_000, (path, len(text))
                for found in re.finditer(BIDI[0], re.sub(r"<(\w+)[^>]*>", r"<\1>", text)):  # outside of attributes
                    before = re.sub(r"<(\w+)[^>]*>", r"<\1>", text)[: found.start()]
                    assert before.rfind("<bdi>") > before.rfind("</bdi>"), (path, before[-200:])


def test_a_hostile_project_is_reached_by_its_name(here, client, make_event, engine):
    name = (SCRIPT + ATTRIBUTE + "&?#/é")[:200]
    plant(engine, client, make_event, name)
    with transaction(engine) as session:
        projects.create(session, "other")
    text = here.get("/jobs").text
    [address] = set(re.findall(r'href="(/jobs\?project=[^"]*script[^"]*)"', text, re.IGNORECASE))
    there = here.get(address.replace("&amp;", "&"))
    assert there.status_code == 200
    assert "other</bdi></b>" not in there.text
    assert here.get("/jobs", params={"project": LONG[:50_000]}).status_code == 404
    assert jobs.JOBS  # the page names them all
    assert "report.compare" in there.text


def test_whatever_stands_in_an_address_is_only_text(browser):
    for path in PAGES:
        for value in (HOSTILE, "%00", "\ud800", "x" * 4_000, "٣"):
            said = value.encode("utf-8", "surrogatepass")
            names = ("kind", "conversation", "state", "name", "done", "paused", "back", "q", "who")
            for asked in (dict.fromkeys(names, said), {"project": said}):
                answer = browser.get(path, params=asked)
                assert answer.status_code in (200, 404), (path, asked.keys(), value[:30])
                assert SCRIPT not in answer.text
