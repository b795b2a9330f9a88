"""The pages of keys: a new one is shown once, a rotation says until when, and revoking asks first."""

import re
from urllib.parse import urlencode

import pytest

from unspoken.store import keys, page_key
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Key


def listed(engine, project):
    with reading(engine) as session:
        return keys.listed(session, project.id)


def shown(text):
    return re.findall(r'id="plaintext" readonly value="(uns_\w+?_[\w-]+)"', text)[0]


@pytest.fixture
def secret(engine, project):
    """A secret key of the project."""
    with transaction(engine) as session:
        return keys.create(session, project.id, "secret", name="server in Frankfurt")[0]


def test_a_new_key_is_shown_once_and_works(browser, engine, project):
    form = {
        "role": "write",
        "name": "shop",
        "origins": "https://shop.example\r\n https://b.example ",
        "events_per_s": "50",
    }
    answer = browser.post("/keys", data=form)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert '<script src="/static/copy.js" defer>' in answer.text
    assert browser.get("/static/copy.js").headers["content-type"].startswith("text/javascript")
    plaintext = shown(answer.text)
    with reading(engine) as session:
        assert keys.authenticate(session, plaintext).role == "write"
    newest = max(listed(engine, project), key=lambda key: key.created_at)
    assert (newest.origins, newest.events_per_s) == (["https://b.example", "https://shop.example"], 50)
    listing = browser.get("/keys").text
    assert plaintext not in listing
    assert "https://shop.example" in listing
    assert "key.create" in browser.get("/audit").text


def test_what_makes_no_key_is_told_in_a_sentence(browser, engine, project):
    before = len(listed(engine, project))
    for wrong in (
        {"x": ""}, {"role": "god"}, {"role": "write", "origins": "shop"},
        {"role": "secret", "origins": "https://a.example"}, {"role": "write", "events_per_s": "many"},
        {"role": "write", "events_per_s": "nan"}, {"role": "write", "events_per_s": "-1"},
        {"role": "write", "name": "x" * 201}, {"role": "write", "name": "\u202e"},
    ):  # fmt: skip
        answer = browser.post("/keys", data=wrong)
        assert answer.status_code == 422, wrong
        assert "<h1>The input does not fit</h1>" in answer.text
    assert len(listed(engine, project)) == before


def test_a_rotated_key_goes_on_as_long_as_was_chosen(browser, engine, project, secret):
    asked = browser.get(f"/keys/{secret.id}/rotate").text
    assert "server in Frankfurt" in asked
    answer = browser.post(f"/keys/{secret.id}/rotate", data={"overlap_s": "3600"})
    assert answer.status_code == 201
    follower = shown(answer.text)
    with reading(engine) as session:
        assert keys.authenticate(session, follower).role == "secret"
        old = session.get_one(Key, secret.id)
        assert old.expires_at is not None
    text = browser.get("/keys").text
    assert "ends 2" in text
    assert f"/keys/{secret.id}/rotate" not in text  # it has a follower
    assert browser.post(f"/keys/{secret.id}/rotate", data={"overlap_s": "3600"}).status_code == 409
    for overlap in ("x", "-1", "1e99", "nan"):
        assert browser.post(f"/keys/{secret.id}/rotate", data={"overlap_s": overlap}).status_code in (409, 422)


def test_revoking_asks_first_and_then_does_it(browser, engine, secret):
    asked = browser.get(f"/keys/{secret.id}/revoke")
    assert "cannot be taken back" in asked.text
    with reading(engine) as session:
        assert session.get_one(Key, secret.id).revoked_at is None
    assert browser.post(f"/keys/{secret.id}/revoke", data={}).headers["location"] == "/keys?done=revoked"
    with reading(engine) as session:
        assert session.get_one(Key, secret.id).revoked_at is not None
    assert "No longer in force (1)" in browser.get("/keys").text
    for nothing in ("none", "%00"):
        assert browser.post(f"/keys/{nothing}/revoke", data={}).status_code == 404
        assert browser.get(f"/keys/{nothing}/revoke").status_code == 404


def test_the_key_of_the_chat_is_not_rotated_and_revoking_it_says_what_that_does(browser, client, engine, key_of):
    with transaction(engine) as session:
        _, plaintext = page_key.ensure(session, "chat", None)
        key_id = keys.authenticate(session, plaintext).key_id
        namesake, _ = keys.create(
            session, keys.authenticate(session, plaintext).project_id, "write", name=page_key.NAME
        )
    text = browser.get("/keys").text
    assert f"/keys/{key_id}/rotate" not in text
    assert f"/keys/{key_id}/revoke" in text
    assert f"/keys/{namesake.id}/rotate" in text
    refused = [
        browser.get(f"/keys/{key_id}/rotate"),
        browser.post(f"/keys/{key_id}/rotate", data={"overlap_s": "3600"}),
        client.post(f"/v1/keys/{key_id}/rotate", headers={"authorization": f"Bearer {key_of('admin')}"}),
    ]
    for answer in refused:
        assert answer.status_code == 409
        assert "key of the page /chat" in answer.text
    with reading(engine) as session:
        assert keys.authenticate(session, plaintext).key_id == key_id
    assert "closes the chat of this project for good" in browser.get(f"/keys/{key_id}/revoke").text
    assert "closes the chat" not in browser.get(f"/keys/{namesake.id}/revoke").text


def test_who_did_not_sign_in_is_led_to_the_form_and_then_to_the_question(here, secret):
    text = here.get("/keys").text
    assert text.count("(sign in)") == 2
    assert f'href="/keys/{secret.id}' not in text
    for deed in ("rotate", "revoke"):
        assert f'href="/signin?{urlencode({"back": f"/keys/{secret.id}/{deed}"})}"' in text


def test_who_revokes_their_own_key_is_warned_and_signed_out(browser, engine, project, admin_key):
    with reading(engine) as session:
        own = keys.authenticate(session, admin_key).key_id
    assert "signs you out" in browser.get(f"/keys/{own}/revoke").text
    assert "your session" in browser.get(f"/keys/{own}/rotate").text
    assert browser.post(f"/keys/{own}/revoke", data={}).status_code == 303
    assert browser.get("/keys").status_code == 401
