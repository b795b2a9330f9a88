"""Projects and their keys on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from unspoken.errors import BadInput, Conflict, NotFound, NotSignedIn
from unspoken.store import keys, projects
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Key


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
            return projects.ensure(session, "chat", simulated=True, recipe="world", settings={"a": 1}).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ensure, range(8)))) == 1


def test_a_key_says_whose_it_is_until_it_is_revoked(engine, project):
    with transaction(engine) as session:
        key, plaintext = keys.create(session, project.id, "write")
    with reading(engine) as session:
        assert keys.authenticate(session, plaintext) == keys.Principal(project.id, "write", key.id)
    with transaction(engine) as session:
        keys.revoke(session, key.id)
    with reading(engine) as session, pytest.raises(NotSignedIn, match="revoked"):
        keys.authenticate(session, plaintext)


def test_only_the_hash_of_a_key_is_stored(engine, project):
    with transaction(engine) as session:
        key, plaintext = keys.create(session, project.id, "admin")
    with reading(engine) as session:
        row = session.get(Key, key.id)
    assert plaintext.startswith("uns_admin_")
    assert plaintext.removeprefix("uns_admin_") not in str(vars(row))


def test_an_unknown_key_is_refused(engine):
    for plaintext in ("", "uns_write_wrong", "\0", "\ud800", "é" * 300):
        with reading(engine) as session, pytest.raises(NotSignedIn, match="not known"):
            keys.authenticate(session, plaintext)


def test_an_unknown_role_and_an_unknown_id_are_refused(engine, project):
    with pytest.raises(BadInput, match="write, secret, research, admin"), transaction(engine) as session:
        keys.create(session, project.id, "owner")
    with pytest.raises(NotFound, match="no key"), transaction(engine) as session:
        keys.revoke(session, "nothing")
