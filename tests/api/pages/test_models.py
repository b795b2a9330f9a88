"""The page of models, and the routes that do the same for programs: what is in force, and changing it."""

import re

import pytest
from sqlalchemy import select

from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Dataset, Model, Report


@pytest.fixture
def trained(engine, project):
    """Three stated models (the last withdrawn) and a revealed one, of one dataset that led to two reports."""
    with transaction(engine) as session:
        dataset = Dataset(project_id=project.id, recipe={}, horizon={}, digest="d" * 64, funnel={}, finished_at=now())
        session.add(dataset)
        session.flush()
        manifest = {"labels": 3142, "pairs": 194, "base_model": "minilm", "seed": 0, "variance_held": 0.98696}
        rows = [
            Model(project_id=project.id, dataset_id=dataset.id, family=family, folder="", digest=name * 64,
                  manifest=manifest | more)
            for name, family, more in (
                ("1", "stated", {}), ("2", "stated", {"held_out_accuracy": 0.6841}), ("3", "stated", {}),
                ("4", "revealed", {"simulated": True}),
            )
        ]  # fmt: skip
        rows[2].withdrawn_at = now()
        session.add_all(rows)
        led = {"project_id": project.id, "dataset_id": dataset.id, "summary": {}, "folder": ""}
        session.add(Report(**led, verdict="differ by more than the margin"))
        session.add(Report(**led, verdict="same", withdrawn_at=now()))
        session.flush()
        return [row.id for row in rows]


def test_a_model_is_shown_with_where_it_comes_from_and_leads(browser, engine, trained):
    text = browser.get("/models").text
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    for words in (
        "stated 3", "revealed 1", "222222222222", "labels 3 142", "pairs 194", "base minilm",
        "variance held 0.987", "0.684", "not measured", "differ by more than the margin", "withdrawn",
    ):  # fmt: skip
        assert words in said, words
    assert said.count("people simulated") == 1
    assert text.index("stated") < text.index("revealed models")
    with reading(engine) as session:
        [dataset] = session.scalars(select(Dataset.id))
    assert text.count(f'href="/labels?dataset={dataset}"') == 4
    assert text.count("/promote") == 3  # not the withdrawn one
    assert "/rollback" not in text


def test_a_promotion_is_one_press_and_going_back_another(browser, trained):
    first, second, withdrawn, _ = trained
    for model in (first, second):
        answer = browser.post(f"/models/{model}/promote", data={})
        assert (answer.status_code, answer.headers["location"]) == (303, "/models?done=promoted")
    text = browser.get("/models?done=promoted").text
    assert "Promoted." in text
    assert text.count("in force</span>") == 1
    assert "/models/stated/rollback" in text
    assert browser.post("/models/stated/rollback", data={}).headers["location"] == "/models?done=back"
    first_again = browser.get("/models").text
    assert "/models/stated/rollback" not in first_again
    assert re.search(
        r"<small id=\"(\w+)\">No model of this family was in force before.*aria-describedby=\"\1\"", first_again
    )
    for refused in (
        browser.post("/models/stated/rollback", data={}),
        browser.post(f"/models/{withdrawn}/promote", data={}),
    ):
        assert refused.status_code == 409
        assert refused.headers["content-type"].startswith("text/html")
    audit = browser.get("/audit").text
    assert audit.count("model.promote") == 2
    assert audit.count("model.roll_back") == 1


def test_programs_promote_with_an_admin_key(client, key_of, trained):
    admin = {"authorization": f"Bearer {key_of('admin')}"}
    first, second, withdrawn, _ = trained
    assert client.post(f"/v1/models/{first}/promote").status_code == 403  # a secret key may not
    for model in (first, second):
        assert client.post(f"/v1/models/{model}/promote", headers=admin).json()["promoted"] is True
    assert [model["id"] for model in client.get("/v1/models").json()["models"] if model["promoted"]] == [second]
    answer = client.post("/v1/models/stated/rollback", headers=admin)
    assert (answer.status_code, answer.json()["id"]) == (200, first)
    assert "folder" not in answer.json()
    for path in ("/v1/models/stated/rollback", "/v1/models/revealed/rollback", f"/v1/models/{withdrawn}/promote"):
        assert client.post(path, headers=admin).status_code == 409
    assert client.post("/v1/models/nothing/promote", headers=admin).status_code == 404


def test_only_what_changes_is_sent_again(browser, trained):
    part = browser.get("/models", headers={"hx-request": "true"}).text
    assert "<!doctype" not in part
    assert part.startswith('<div id="models-now" hx-get="/models"')


def test_no_model_yet_says_how_to_get_one(browser):
    assert "None was trained yet" in browser.get("/models").text
