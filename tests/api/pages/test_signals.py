"""Signals over time: counts by day, rates of answers, as pictures and as a table, of one project."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from unspoken.api.pages.families import CONTEXT, FAMILIES, GROUPS
from unspoken.events import KINDS, parse
from unspoken.store import projects
from unspoken.store.columns import now
from unspoken.store.daily import daily
from unspoken.store.database import reading, transaction
from unspoken.store.fold import fold
from unspoken.store.ingest import ingest


@pytest.fixture
def happen(engine, project, make_event):
    """Stores so many events of a kind, so many days ago."""

    def happen(kind, days_ago=0, times=1, into=project, **fields):
        at = (now() - timedelta(days=days_ago)).isoformat()
        events = [parse(make_event(kind, at=at, **{"message": f"m{kind}{n}", **fields})) for n in range(times)]
        with transaction(engine) as session:
            ingest(session, into, events, sent_at=None, received_at=now())
        fold(engine)

    return happen


def words(answer):
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def test_each_kind_has_a_picture_and_a_rate(here, happen):
    happen("message", 1, 4, role="assistant")
    happen("message", 1, 1, role="user", message="u1")
    happen("vote", 1, 2)
    happen("copy", 0, 1)
    answer = here.get("/signals?days=7")
    said = words(answer)
    assert "vote 2" in said
    assert "50.0 per 100 answers" in said
    assert "25.0 per 100 answers" in said
    yesterday = (now() - timedelta(days=1)).date()
    assert f"<title>{yesterday}: 2</title>" in answer.text
    assert re.search(rf"{yesterday} 4 5 2 0", said)  # the table: answers, messages, votes, copies
    assert "Nothing happened" not in said


def test_what_says_only_that_something_was_shown_or_asked_is_in_neither_total(here, happen):
    happen("message", 1, 4, role="assistant")
    happen("vote", 1, 2)
    happen("copy", 1, 1)
    for kind in CONTEXT:
        happen(kind, 1, 3, **({"message": None} if kind in ("hide", "return") else {}))
    said = words(here.get("/signals"))
    assert re.search(r"All stated 2 .* 50\.0 per 100 answers All revealed 1 .* 25\.0 per 100 answers Stated:", said)
    context = said.partition("Context: what they were shown, or asked")[2]
    assert all(f"{kind} 3 " in context for kind in CONTEXT)


def test_every_kind_stands_in_one_group():
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(set(KINDS) - {"message"})
    assert set(FAMILIES) == set(KINDS)


def test_a_window_that_is_empty_shows_the_last_days_there_are(engine, here, happen):
    assert "No event has been counted yet" in words(here.get("/signals"))
    happen("vote", 200)
    happen("vote", 203, message="m2")
    said = words(here.get("/signals?days=7"))
    assert "Nothing happened in the last 7 days" in said
    assert "vote 2" in said
    assert "vote 1" in words(here.get("/signals?days=nonsense&project=chat")) or "vote 2" in said


def test_a_clock_that_is_ahead_and_another_project_change_nothing(engine, here, project, happen):
    with transaction(engine) as session:
        other = projects.create(session, "other")
    happen("vote")
    happen("vote", into=other, times=5)
    happen("copy", -400, message="ahead")
    with reading(engine) as session:
        found = daily(session, project.number, 30, now().date())
    assert {kind: sum(numbers) for kind, numbers in found.kinds.items()} == {"vote": 1}
    assert (len(found.dates), found.dates[-1], found.past) == (30, now().date(), False)


def test_days_begin_at_midnight_in_utc(engine, project, make_event):
    moments = ["2026-10-01T23:59:59.999999Z", "2026-10-02T00:00:00Z", "2026-10-02T01:30:00+02:00"]
    with transaction(engine) as session:
        events = [parse(make_event("vote", at=at)) for at in moments]
        ingest(session, project, events, sent_at=None, received_at=datetime(2026, 10, 3, tzinfo=UTC))
    fold(engine)
    with reading(engine) as session:
        found = daily(session, project.number, 2, datetime(2026, 10, 2, tzinfo=UTC).date())
    assert found.kinds == {"vote": [2, 1]}
