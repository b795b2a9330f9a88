"""Projects and what they go by, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from unspoken.errors import BadInput, Conflict, NotFound
from unspoken.store import audit, projects
from unspoken.store.database import reading, transaction


def test_a_project_is_found_by_name_and_by_id(engine, project):
    with reading(engine) as session:
        assert projects.get(session, "chat").id == projects.get(session, project.id).id == project.id
    assert len(bytes.fromhex(project.user_secret)) == 32


def test_a_missing_project_is_refused_with_those_there_are(engine, project):
    with reading(engine) as session, pytest.raises(NotFound, match="There are: chat"):
        projects.get(session, "shop")


def test_a_name_is_given_once(engine, project):
    with pytest.raises(Conflict, match="'chat' already"), transaction(engine) as session:
        projects.create(session, "chat")


def test_a_name_that_cannot_be_shown_is_refused(engine):
    for name in ("", "x" * 201, "a\nb", "a\0b"):
        with pytest.raises(BadInput, match="printable"), transaction(engine) as session:
            projects.create(session, name)


def test_eight_who_ensure_a_project_get_the_same(engine):
    def ensure(_):
        with transaction(engine) as session:
            return projects.ensure(session, "chat", simulated=True, recipe="world", settings={"about": {"a": 1}}).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ensure, range(8)))) == 1


def test_what_is_named_is_set_and_the_rest_stays(engine, project):
    change(engine, project, retention_days=90, redact=["email", "phone"])
    rules = change(engine, project, consent="required")
    assert (rules.retention_days, rules.redact, rules.consent) == (90, ("email", "phone"), "required")
    rules = change(engine, project, retention_days=None)
    assert (rules.retention_days, rules.redact) == (None, ("email", "phone"))


def test_settings_that_are_none_are_refused_and_change_nothing(engine, project):
    for changes, sentence in (
        ({"retension_days": 9}, "Did you mean `retention_days`"),
        ({"about": {}}, "no project setting 'about'"),
        ({"consent": "maybe"}, '`consent` is "maybe"'),
        ({"retention_days": "90"}, '`retention_days` is "90"'),
        ({"retention_days": True}, "valid integer"),
        ({"retention_days": 0}, "greater than or equal to 1"),
        ({"redact": "email"}, "`redact`"),
        ({"redact": ["iban"]}, "`redact`"),
        ({"grace_s": -1}, "`grace_s`"),
        ({"grace_s": float("inf")}, "`grace_s`"),
        ({"consent": "\ud800"}, "`consent`"),
        ({"consent": "required", "": 1}, "no project setting ''"),
    ):
        with pytest.raises(BadInput) as refused:
            change(engine, project, **changes)
        assert sentence in refused.value.detail
    with reading(engine) as session:
        assert projects.rules(projects.get(session, "chat")) == projects.Rules()
        assert audit.listed(session, project.id) == []


def test_what_an_importer_said_about_a_project_survives_a_change(engine):
    with transaction(engine) as session:
        shop = projects.create(session, "shop", settings={"about": {"facts": ["Real chats."]}})
    assert change(engine, shop, retention_days=5).about == {"facts": ["Real chats."]}


def test_a_change_is_in_the_audit_and_no_change_is_not(engine, project):
    change(engine, project, retention_days=90)
    change(engine, project, retention_days=90)
    with reading(engine) as session:
        [row] = audit.listed(session, project.id)
    assert (row.actor, row.action, row.subject) == ("command line", "project.set", project.id)
    assert row.details == {"before": {"retention_days": None}, "after": {"retention_days": 90}}


def test_two_who_change_different_settings_at_once_both_get_theirs(engine, project):
    chosen = [{"retention_days": 7}, {"consent": "required"}, {"redact": ["ip"]}, {"grace_s": 60}]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda changes: change(engine, project, **changes), chosen))
    with reading(engine) as session:
        rules = projects.rules(projects.get(session, "chat"))
    assert (rules.retention_days, rules.consent, rules.redact, rules.grace_s) == (7, "required", ("ip",), 60)


def change(engine, project, **changes):
    with transaction(engine) as session:
        return projects.rules(projects.change(session, project.id, changes))


def test_what_else_stands_in_the_settings_is_kept_and_does_no_harm(engine, project):
    with transaction(engine) as session:
        projects.get(session, project.name).settings = {"of_a_newer_version": [1], "consent": "required"}
    with transaction(engine) as session:
        changed = projects.change(session, project.id, {"retention_days": 30})
        assert projects.rules(changed).consent == "required"
        assert changed.settings == {"of_a_newer_version": [1], "consent": "required", "retention_days": 30}
