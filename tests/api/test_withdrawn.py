"""What was made of an erased user's data says so wherever it is listed, and is not shown."""

import pytest
from sqlalchemy import update

from unspoken.store import models, reports
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.tables import Dataset, Model, Report


@pytest.fixture
def report_id(engine, project, tmp_path):
    """A withdrawn dataset, its model and its report, whose page is still there."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "index.html").write_text("<p>private words</p>")
    with transaction(engine) as session:
        dataset = Dataset(project_id=project.id, recipe={}, horizon={}, digest="d", funnel={})
        session.add(dataset)
        session.flush()
        models.record(session, project.id, dataset.id, "stated", tmp_path, {"model_hash": "abc"})
        report = reports.record(session, project.id, dataset.id, "same", {"sentence": "The same."}, folder)
        for table in (Dataset, Model, Report):
            session.execute(update(table).values(withdrawn_at=now()))
    return report


def test_lists_say_when_it_was_withdrawn(client, report_id):
    assert client.get("/v1/models").json()["models"][0]["withdrawn_at"]
    assert client.get("/v1/reports").json()["reports"][0]["withdrawn_at"]


def test_the_page_of_a_withdrawn_report_is_not_shown(client, report_id):
    answer = client.get(f"/v1/reports/{report_id}/page")
    assert answer.status_code == 404
    assert "was withdrawn" in answer.json()["detail"]
    assert "private words" not in answer.text


def test_the_front_page_marks_both_and_links_to_neither(here, report_id):
    page = here.get("/").text
    assert '<span class="badge">withdrawn</span>' in page
    assert "Withdrawn: <bdi>same</bdi>" in page
    assert f"/reports/{report_id}" not in page
