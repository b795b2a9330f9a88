"""Users whose evidence is left out of labels, with a reason and an undo."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from unspoken.errors import BadInput
from unspoken.store import projects, quarantine
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Audit, Quarantine

ANN, BOB, EVE = "a" * 64, "b" * 64, "e" * 64


@pytest.fixture
def does(engine, project):
    """Calls a function of the module on the project, in a transaction of its own."""

    def does(function, *arguments):
        with transaction(engine) as session:
            return function(session, project.id, *arguments)

    return does


@pytest.fixture
def deeds(engine):
    """actor, action of the audit, in order."""

    def deeds():
        with reading(engine) as session:
            return [tuple(row) for row in session.execute(select(Audit.actor, Audit.action).order_by(Audit.seq))]

    return deeds


def test_who_is_put_in_is_in_until_lifted(does, deeds):
    assert does(quarantine.put, ANN, "tests for us", "a test") is True
    assert does(quarantine.who).rows() == [(ANN, "tests for us")]
    assert does(quarantine.lift, ANN, "a test") is True
    assert does(quarantine.who).rows() == []
    assert deeds() == [("a test", "quarantine.put"), ("a test", "quarantine.lift")]


def test_doing_it_twice_does_it_once_and_the_first_reason_stays(does, deeds):
    does(quarantine.put, ANN, "tests for us", "a test")
    assert does(quarantine.put, ANN, "another", "a test") is False
    assert does(quarantine.who).rows() == [(ANN, "tests for us")]
    does(quarantine.lift, ANN, "a test")
    assert does(quarantine.lift, ANN, "a test") is False
    assert does(quarantine.lift, BOB, "a test") is False
    assert len(deeds()) == 2


def test_a_scan_leaves_alone_whom_somebody_lifted_and_a_person_may_still_put_them_in(does, deeds):
    flagged = [(ANN, "like a clock: within 0 s"), (BOB, "never asleep: 40 hours")]
    assert does(quarantine.scan, flagged) == [ANN, BOB]
    assert does(quarantine.scan, flagged) == []
    does(quarantine.lift, ANN, "a test")
    assert does(quarantine.scan, [*flagged, (EVE, "like a clock: within 1 s")]) == [EVE]
    assert does(quarantine.who)["user"].to_list() == [BOB, EVE]
    assert does(quarantine.put, ANN, "and still", "a test") is True
    assert [actor for actor, action in deeds() if action == "quarantine.put"].count("a test") == 1


def test_what_a_scan_would_leave_out_is_known_without_one(does):
    does(quarantine.put, ANN, "tests for us", "a test")
    does(quarantine.put, EVE, "wrongly", "a test")
    does(quarantine.lift, EVE, "a test")
    found = does(quarantine.apart, [(ANN, "like a clock"), (BOB, "never asleep"), (EVE, "like a clock")])
    assert found.rows() == [(ANN, "tests for us"), (BOB, "never asleep")]
    assert does(quarantine.who).height == 1


def test_the_list_keeps_who_was_lifted_newest_first(does):
    does(quarantine.put, ANN, "one", "a test")
    does(quarantine.lift, ANN, "a test")
    does(quarantine.put, BOB, "two", "a test")
    assert [(row.user, row.undone_at is None) for row in does(quarantine.listed)] == [(BOB, True), (ANN, False)]


def test_projects_do_not_know_each_others(engine, does):
    does(quarantine.put, ANN, "tests for us", "a test")
    with transaction(engine) as session:
        other = projects.create(session, "other")
        assert quarantine.who(session, other.id).is_empty()
        assert quarantine.lift(session, other.id, ANN, "a test") is False
        assert quarantine.put(session, other.id, ANN, "here too", "a test") is True


def test_two_who_put_the_same_user_in_at_once_make_one_row(engine, does):
    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(lambda n: does(quarantine.put, ANN, f"reason {n}", "a test"), range(4)))
    assert sorted(new) == [False, False, False, True]
    with reading(engine) as session:
        assert session.query(Quarantine).count() == 1


@pytest.mark.parametrize("reason", ["", "x" * 501, "two\nlines"])
def test_a_reason_is_one_line_of_words(does, reason):
    with pytest.raises(BadInput, match="1 to 500 printable characters"):
        does(quarantine.put, ANN, reason, "a test")


def test_the_audit_names_a_row_and_nobody(engine, does):
    does(quarantine.put, ANN, "ann is rude", "a test")
    with reading(engine) as session:
        [row] = session.scalars(select(Audit))
        [held] = session.scalars(select(Quarantine))
    assert (row.subject, row.details) == (f"quarantine {held.id}", {})
