"""Keys and message tokens on both databases: made, followed, taken back, and never stored as they are."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select, update

from unspoken.errors import BadInput, Conflict, NotFound, NotSignedIn
from unspoken.events import hash_user
from unspoken.store import audit, keys, projects, tokens
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Key, Project


@pytest.fixture
def make(engine, project):
    def make(role="secret", **more):
        with transaction(engine) as session:
            return keys.create(session, project.id, role, **more)

    return make


def who(engine, plaintext):
    with reading(engine) as session:
        return keys.authenticate(session, plaintext)


def set_key(engine, key, **values):
    with transaction(engine) as session:
        session.execute(update(Key).where(Key.id == key.id).values(**values))


def row_of(engine, key):
    with reading(engine) as session:
        return session.get(Key, key.id)


def test_a_key_says_whose_it_is_until_it_is_revoked(engine, project, make):
    key, plaintext = make("write")
    assert who(engine, plaintext) == keys.Principal(project.id, "write", key.id)
    with transaction(engine) as session:
        keys.revoke(session, key.id)
    with pytest.raises(NotSignedIn, match="revoked"):
        who(engine, plaintext)


def test_a_key_carries_its_origins_and_its_rate(engine, make):
    _, plaintext = make("write", origins=["https://Shop.example/", "http://localhost:3000"], events_per_s=50)
    principal = who(engine, plaintext)
    assert principal.origins == ("http://localhost:3000", "https://shop.example")
    assert principal.events_per_s == 50


def test_only_the_hash_of_a_key_is_stored(engine, project, make):
    key, plaintext = make("admin")
    assert plaintext.startswith("uns_admin_")
    with reading(engine) as session:
        [written] = audit.listed(session, project.id)
    for stored in (vars(row_of(engine, key)), vars(written)):
        assert plaintext.removeprefix("uns_admin_") not in str(stored)


def test_an_unknown_key_is_refused(engine):
    for plaintext in ("", "uns_write_wrong", "\0", "\ud800", "é" * 300, "unt_", "unt_W10.x", "unt_\ud800.\0"):
        with pytest.raises(NotSignedIn, match="not known"):
            who(engine, plaintext)


def test_a_key_that_fits_nothing_is_refused(engine, project, make):
    for role, more, sentence in (
        ("owner", {}, "write, secret, research, admin"),
        ("secret", {"origins": ["https://shop.example"]}, "never goes into a page"),
        ("write", {"origins": ["shop.example"]}, "no origin"),
        ("write", {"origins": ["https://shop.example/path"]}, "no origin"),
        ("write", {"origins": ["https://*.example"]}, "no origin"),
        ("write", {"origins": ["null"]}, "no origin"),
        ("write", {"events_per_s": 0}, "above 0"),
        ("write", {"events_per_s": float("nan")}, "above 0"),
        ("write", {"name": "a\nb"}, "printable"),
    ):
        with pytest.raises(BadInput, match=sentence):
            make(role, **more)
    for unknown in ("nothing", "\0", ""):
        with pytest.raises(NotFound, match="no key"), transaction(engine) as session:
            keys.revoke(session, unknown)


def test_a_rotated_key_works_until_the_overlap_ends_and_the_new_one_is_like_it(engine, make):
    old, before = make("write", name="website", origins=["https://shop.example"], events_per_s=9)
    with transaction(engine) as session:
        new, after = keys.rotate(session, old.id, 3600)
    assert who(engine, before).key_id == old.id
    assert who(engine, after) == keys.Principal(old.project_id, "write", new.id, ("https://shop.example",), 9)
    assert (new.replaces, new.name) == (old.id, "website")
    assert timedelta(minutes=59) < row_of(engine, old).expires_at - now() <= timedelta(hours=1)
    set_key(engine, old, expires_at=now())
    with pytest.raises(NotSignedIn, match="replaced and ended"):
        who(engine, before)
    assert who(engine, after).key_id == new.id


def test_without_an_overlap_the_old_key_ends_at_once(engine, make):
    old, before = make()
    with transaction(engine) as session:
        keys.rotate(session, old.id, 0)
    with pytest.raises(NotSignedIn, match="replaced"):
        who(engine, before)


def test_a_key_has_one_follower_however_many_ask_at_once(engine, project, make):
    old, _ = make()

    def rotate(_):
        try:
            with transaction(engine) as session:
                return keys.rotate(session, old.id, 60)[0].id
        except Conflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        assert len([found for found in pool.map(rotate, range(6)) if found]) == 1
    with reading(engine) as session:
        assert len(keys.listed(session, project.id)) == 2


def test_a_key_that_is_over_has_no_follower(engine, make):
    old, _ = make()
    for overlap in (-1, keys.MOST_OVERLAP_S + 1, float("nan")):
        with pytest.raises(BadInput, match="overlap"), transaction(engine) as session:
            keys.rotate(session, old.id, overlap)
    with transaction(engine) as session:
        keys.revoke(session, old.id)
    with pytest.raises(Conflict, match="revoked"), transaction(engine) as session:
        keys.rotate(session, old.id, 60)


def test_revoking_what_is_revoked_changes_nothing(engine, project, make):
    key, _ = make()
    for _ in range(2):
        with transaction(engine) as session:
            at = keys.revoke(session, key.id).revoked_at
    assert row_of(engine, key).revoked_at == at
    with reading(engine) as session:
        assert [row.action for row in audit.listed(session, project.id)] == ["key.revoke", "key.create"]


def test_one_projects_change_does_not_reach_anothers_key(engine, make):
    key, plaintext = make()
    with transaction(engine) as session:
        other = projects.create(session, "other")
    for change in (lambda session: keys.revoke(session, key.id, project_id=other.id),
                   lambda session: keys.rotate(session, key.id, 0, project_id=other.id)):  # fmt: skip
        with pytest.raises(NotFound), transaction(engine) as session:
            change(session)
    assert who(engine, plaintext).key_id == key.id


def test_use_is_noted_at_most_once_a_minute(engine, make):
    key, plaintext = make()
    keys.used(engine, who(engine, plaintext))
    first = row_of(engine, key).last_used_at
    assert abs(now() - first) < timedelta(minutes=1)
    keys.used(engine, keys.Principal(key.project_id, "secret", key.id))  # as one who looked before the first wrote
    assert row_of(engine, key).last_used_at == first
    set_key(engine, key, last_used_at=first - timedelta(minutes=2))
    keys.used(engine, who(engine, plaintext))
    assert row_of(engine, key).last_used_at > first - timedelta(seconds=1)


def test_a_change_that_fails_leaves_no_audit(engine, project, make):
    key, _ = make()
    with pytest.raises(RuntimeError), transaction(engine) as session:
        keys.revoke(session, key.id)
        raise RuntimeError
    assert row_of(engine, key).revoked_at is None
    with reading(engine) as session:
        assert [row.action for row in audit.listed(session, project.id)] == ["key.create"]


# Message tokens


def test_a_token_speaks_for_one_user_about_one_message(engine, project, make):
    key, _ = make()
    before = now()
    token, ends = tokens.issue(project, key.id, "m1", "ann", 60)
    principal = who(engine, token)
    hashed = hash_user(project.user_secret, "ann")
    assert principal == keys.Principal(project.id, "token", key.id, message="m1", user=hashed)
    assert before + timedelta(seconds=58) < ends <= now() + timedelta(seconds=60)
    assert "ann" not in str(urlsafe_b64decode(token[4:].partition(".")[0] + "=="))


def test_a_token_ends(engine, project, make):
    key, _ = make()
    for seconds, ends in ((60, False), (0, True), (-86_400, True)):
        claims = tokens.Claims(project.id, key.id, "m1", "5e" * 32, int(now().timestamp()) + seconds)
        token = tokens.sign(claims, project.user_secret)
        if not ends:
            assert who(engine, token).role == "token"
            continue
        with pytest.raises(NotSignedIn, match="ended"):
            who(engine, token)


def test_revoking_the_key_ends_its_tokens_and_no_others(engine, project, make):
    revoked, kept = make()[0], make()[0]
    gone, there = (tokens.issue(project, key.id, "m1", "ann", 60)[0] for key in (revoked, kept))
    with transaction(engine) as session:
        keys.revoke(session, revoked.id)
    with pytest.raises(NotSignedIn, match="revoked"):
        who(engine, gone)
    assert who(engine, there).key_id == kept.id
    set_key(engine, kept, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(NotSignedIn, match="replaced"):
        who(engine, there)


def test_what_a_token_says_cannot_be_changed(engine, project, make):
    key, _ = make()
    token, _ = tokens.issue(project, key.id, "m1", "ann", 60)
    said, _, signature = token[4:].partition(".")
    other = urlsafe_b64encode(urlsafe_b64decode(said + "==").replace(b'"m1"', b'"m2"')).rstrip(b"=").decode()
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for forged in (f"unt_{other}.{signature}", f"unt_{said}.", f"unt_{said}", f"unt_{said}.{flipped}"):
        with pytest.raises(NotSignedIn, match="not known"):
            who(engine, forged)


def test_a_projects_secret_signs_no_other_projects_tokens(engine, project, make):
    key, _ = make()
    with transaction(engine) as session:
        other = projects.create(session, "other")
        theirs, _ = keys.create(session, other.id, "secret")
    mixed = Project(id=project.id, user_secret=other.user_secret)
    for token in (
        tokens.issue(mixed, key.id, "m1", "ann", 60)[0],  # another's secret
        tokens.issue(project, theirs.id, "m1", "ann", 60)[0],  # another's key
        tokens.issue(project, "nothing", "m1", "ann", 60)[0],
    ):
        with pytest.raises(NotSignedIn, match="not known"):
            who(engine, token)


def test_a_token_is_issued_for_what_an_event_can_hold(project):
    for message, user, ttl_s in (("", "a", 9), ("m" * 201, "a", 9), ("m", "", 9), ("m", "a\0", 9), ("m", "a", 0),
                                 ("m", "a", 86_401), ("m", "\ud800", 9)):  # fmt: skip
        with pytest.raises(BadInput):
            tokens.issue(project, "k", message, user, ttl_s)
    widest = tokens.issue(project, "k" * 64, "\U0001f600" * 200, "a", 86_400)[0]
    read = tokens.read(widest)
    assert read and read.message == "\U0001f600" * 200


SIGNED = tokens.issue(Project(id="p", user_secret="5e" * 32), "k", "m", "ann", 60)[0]


@given(st.text(max_size=80), st.integers(0, len(SIGNED)), st.integers(0, len(SIGNED)))
@example("", 0, 0)
@example("W1tbW1s", 4, 9)
def test_whatever_is_sent_as_a_token_is_read_or_refused_and_only_ours_is_genuine(text, start, end):
    changed = SIGNED[:start] + text + SIGNED[max(start, end) :]
    for said in (text, f"unt_{text}", changed):
        claims = tokens.read(said)
        assert claims is None or isinstance(claims.expires_at, datetime)
        assert tokens.genuine(said, "5e" * 32) == (said.removeprefix("unt_") == SIGNED[4:])


def test_no_key_of_another_project_is_listed(engine, project, make):
    make()
    with transaction(engine) as session:
        other = projects.create(session, "other")
        keys.create(session, other.id, "admin", name="theirs")
    with reading(engine) as session:
        assert [key.name for key in keys.listed(session, project.id)] == [""]
        assert len(session.scalars(select(Key)).all()) == 2


def test_half_a_character_in_a_token_is_no_fault_of_ours(engine, project, make):
    key, _ = make("secret")
    for place in range(4):
        claims = [project.id, key.id, "m1", "u"]
        claims[place] = "\ud800"
        said = urlsafe_b64encode(json.dumps([*claims, 2_000_000_000]).encode()).rstrip(b"=").decode()
        with pytest.raises(NotSignedIn):
            who(engine, f"unt_{said}.AAAA")
