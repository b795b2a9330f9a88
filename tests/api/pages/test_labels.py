"""The funnel of labels: the newest in force, earlier ones by their address, withdrawn ones marked, of one project."""

import re
from datetime import timedelta
from html import unescape

from unspoken.store import projects
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.tables import Dataset

HOSTILE = "<script>alert(1)</script>"


def made(engine, project_id, age, steps, *, withdrawn=False, finished=True):
    at = now() - timedelta(hours=age)
    with transaction(engine) as session:
        dataset = Dataset(
            project_id=project_id, recipe={"name": "chat"}, horizon={}, digest=f"{age}", funnel={"steps": steps},
            created_at=at, finished_at=at if finished else None, withdrawn_at=now() if withdrawn else None,
        )  # fmt: skip
        session.add(dataset)
        session.flush()
        return dataset.id


def step(name, entered, kept, reason="nobody voted"):
    dropped = [{"reason": reason, "count": entered - kept}] if entered > kept else []
    return {"step": name, "entered": entered, "kept": kept, "dropped": dropped}


def words(answer):
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def test_the_newest_in_force_is_shown_by_family_with_reasons(here, engine, project):
    assert "No labels were made yet" in words(here.get("/labels"))
    old = made(engine, project.id, 3, [step("answers", 70, 69)])
    of_families = [step("stated: with a vote", 10, 4), step("expressed: with a reply", 10, 7, "nobody wrote")]
    made(engine, project.id, 2, [step("answers", 10, 10), *of_families, step("pairs", 4, 3, "odd")])
    made(engine, project.id, 1, [step("answers", 999, 999)], withdrawn=True)
    made(engine, project.id, 0, [step("answers", 888, 888)], finished=False)
    said = words(here.get("/labels"))
    assert "with a vote 4 of 10 (40 %)" in said
    assert "6 nobody voted" in said
    assert "Expressed with a reply 7 of 10" in said
    assert said.index("answers 10 of 10") < said.index("Stated") < said.index("with a vote") < said.index("1 odd")
    assert "999 of 999" not in said
    assert "888 of 888" not in said
    assert said.partition("Builds")[2].count("withdrawn") == 1
    assert "69 of 70 (99 %)" in words(here.get(f"/labels?dataset={old}"))


def test_the_bar_of_each_step_is_all_that_entered_it(here, engine, project):
    made(engine, project.id, 1, [step("conversations", 900, 900), step("answers", 2000, 500), step("none", 0, 0)])
    answer = here.get("/labels")
    assert re.findall(r'class="dropped" y="3" width="(\d+)"', answer.text) == ["100", "100", "0"]
    assert re.findall(r'class="kept" width="([\d.]+)"', answer.text) == ["100.00", "25.00", "0"]
    for word in ("par", "Recipe", "Siblings", "Unpaired labels", "People on one side"):
        assert word in words(answer)


def test_a_withdrawn_one_says_so(here, engine, project):
    gone = made(engine, project.id, 1, [step("answers", 5, 5)], withdrawn=True)
    for path in ("/labels", f"/labels?dataset={gone}"):
        assert "because a user in it was erased" in words(here.get(path))


def test_hostile_names_and_an_empty_account_are_shown(here, engine, project):
    made(engine, project.id, 1, [step(HOSTILE, 5, 4, HOSTILE), step("none", 0, 0)])
    answer = here.get("/labels")
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    empty = made(engine, project.id, 2, [])
    assert "left no account" in words(here.get(f"/labels?dataset={empty}"))


def test_another_projects_dataset_is_not_there(here, engine, project):
    with transaction(engine) as session:
        other = projects.create(session, "other").id
    theirs = made(engine, other, 1, [step("answers", 5, 5)])
    for asked in (theirs, "nobody", "%00"):
        assert here.get(f"/labels?project=chat&dataset={asked}").status_code == 404
    assert "No labels were made yet" in words(here.get("/labels?project=chat"))
