"""Which stored events may be learned from."""

from datetime import UTC, datetime

import pytest

from unspoken.events import parse
from unspoken.store import consents, projects
from unspoken.store.database import reading, transaction
from unspoken.store.ingest import ingest

GIVEN = ["2026-10:service,analytics,training", "2026-10:service", None, "2026-11: Training ", "2026-10"]


@pytest.fixture
def stored(engine, project, make_event):
    """An event for each of GIVEN; its id by its consent."""
    events = [parse(make_event("vote", **({"consent": consent} if consent else {}))) for consent in GIVEN]
    with transaction(engine) as session:
        ingest(session, project, events, sent_at=None, received_at=datetime.now(UTC))
    return dict(zip(GIVEN, (event.id for event in events), strict=True))


@pytest.mark.parametrize(
    ("rule", "out"), [("assumed", {"2026-10:service", "2026-10"}), ("required", {"2026-10:service", "2026-10", None})]
)
def test_the_events_without_the_purpose_are_named(engine, project, stored, rule, out):
    with transaction(engine) as session:
        projects.change(session, project.id, {"consent": rule})
    with reading(engine) as session:
        found = consents.refused(session, projects.get(session, "chat"), "training")
    assert set(found["event"]) == {stored[each] for each in out}
    assert dict(found.iter_rows()) == {stored[each]: each is not None for each in out}


def test_another_purpose_is_another_question(engine, project, stored):
    with reading(engine) as session:
        found = consents.refused(session, projects.get(session, "chat"), "service")
    assert set(found["event"]) == {stored["2026-11: Training "], stored["2026-10"]}


def test_a_project_whose_events_all_agree_has_none(engine, project, make_event):
    with reading(engine) as session:
        assert consents.refused(session, project, "training").is_empty()
