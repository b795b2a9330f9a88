"""Which model is in force: the newest promotion of a family counts, and going back goes one further each time."""

import pytest
from sqlalchemy import Engine, select

from unspoken.errors import Conflict, NotFound
from unspoken.store import audit, projects, promotions
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Model, Project, Promotion


def made(engine: Engine, project: Project, *names: str, family: str = "stated") -> list[str]:
    with transaction(engine) as session:
        rows = [
            Model(project_id=project.id, family=family, folder="", digest=name, manifest={}) for name in names
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def promote(engine, project, model, actor="key k1"):
    with transaction(engine) as session:
        promotions.promote(session, project.id, model, actor=actor)


def back(engine, project, family="stated"):
    with transaction(engine) as session:
        return promotions.roll_back(session, project.id, family, actor="key k1").id


def in_force(engine, project):
    with reading(engine) as session:
        return promotions.promoted(session, project.id)


def withdraw(engine, model):
    with transaction(engine) as session:
        session.get_one(Model, model).withdrawn_at = now()


def test_the_last_one_promoted_is_in_force_for_its_family(engine, project):
    one, two = made(engine, project, "one", "two")
    [other] = made(engine, project, "three", family="revealed")
    assert in_force(engine, project) == {}
    for model in (one, two, other):
        promote(engine, project, model)
    assert in_force(engine, project) == {"stated": two, "revealed": other}


def test_promoting_what_is_in_force_changes_nothing(engine, project):
    [one] = made(engine, project, "one")
    promote(engine, project, one)
    promote(engine, project, one)
    with reading(engine) as session:
        assert len(session.scalars(select(Promotion)).all()) == 1


def test_each_step_back_goes_one_further(engine, project):
    one, two, three = made(engine, project, "one", "two", "three")
    for model in (one, two, three):
        promote(engine, project, model)
    assert back(engine, project) == two
    assert back(engine, project) == one
    with pytest.raises(Conflict, match="No earlier model"):
        back(engine, project)
    assert in_force(engine, project) == {"stated": one}


def test_after_a_step_back_a_new_promotion_leads_back_to_where_one_was(engine, project):
    one, two, three = made(engine, project, "one", "two", "three")
    for model in (one, two):
        promote(engine, project, model)
    back(engine, project)
    promote(engine, project, three)
    assert back(engine, project) == one


def test_an_earlier_model_promoted_again_is_a_step_forward(engine, project):
    one, two = made(engine, project, "one", "two")
    for model in (one, two, one):
        promote(engine, project, model)
    assert back(engine, project) == two


def test_a_withdrawn_model_is_neither_promoted_nor_gone_back_to(engine, project):
    one, two, three = made(engine, project, "one", "two", "three")
    for model in (one, two, three):
        promote(engine, project, model)
    withdraw(engine, two)
    assert back(engine, project) == one
    with pytest.raises(Conflict, match="was withdrawn"):
        promote(engine, project, two)
    withdraw(engine, one)
    with reading(engine) as session:
        assert promotions.can_roll_back(session, project.id, ["stated"]) == set()


def test_one_can_leave_a_model_that_was_withdrawn_while_in_force(engine, project):
    one, two = made(engine, project, "one", "two")
    for model in (one, two):
        promote(engine, project, model)
    withdraw(engine, two)
    with reading(engine) as session:
        assert promotions.can_roll_back(session, project.id, ["stated", "revealed"]) == {"stated"}
    assert back(engine, project) == one


def test_another_projects_model_is_none(engine, project):
    with transaction(engine) as session:
        other = projects.create(session, "other")
    [theirs] = made(engine, other, "theirs")
    for model in (theirs, "nothing", "\0", "x" * 500):
        with pytest.raises(NotFound):
            promote(engine, project, model)
    promote(engine, other, theirs)
    for family in ("stated", "\0", "", "x" * 500):
        with pytest.raises(Conflict):
            back(engine, project, family)


def test_a_deleted_model_is_no_longer_in_force(engine, project):
    one, two = made(engine, project, "one", "two")
    for model in (one, two):
        promote(engine, project, model)
    with transaction(engine) as session:
        session.delete(session.get_one(Model, two))
    assert in_force(engine, project) == {"stated": one}


def test_each_change_stands_in_the_audit_with_who_made_it(engine, project):
    one, two = made(engine, project, "one", "two")
    promote(engine, project, one)
    promote(engine, project, two, actor="key k2")
    back(engine, project)
    with reading(engine) as session:
        rows = [
            (row.actor, row.action, row.subject, row.details["before"]) for row in audit.listed(session, project.id)
        ]
        written = session.execute(select(Promotion.model_id, Promotion.back).order_by(Promotion.seq)).all()
    assert rows == [
        ("key k1", "model.roll_back", one, two),
        ("key k2", "model.promote", two, one),
        ("key k1", "model.promote", one, None),
    ]
    assert [tuple(row) for row in written] == [(one, False), (two, False), (one, True)]
