"""Signing in: a key becomes a cookie that scripts cannot read, other sites cannot send, and a revoked key ends."""

import logging
from datetime import timedelta

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from tests.api.pages.conftest import SAME

from unspoken.api.deps import COOKIE
from unspoken.api.pages.forms import same_origin
from unspoken.api.pages.frame import own_path
from unspoken.api.pages.session import MOST_WRONG
from unspoken.errors import NotAllowed
from unspoken.store import keys, projects, sessions
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.keys import Principal
from unspoken.store.tables import Key


def test_an_admin_key_becomes_a_cookie_and_leads_back(elsewhere, admin_key):
    asked = elsewhere.get("/models?project=chat")
    assert asked.status_code == 401
    assert 'name="back" value="/models?project=chat"' in asked.text
    answer = elsewhere.post("/signin", data={"key": f" {admin_key}\n", "back": "/models?project=chat"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/models?project=chat")
    said = answer.headers["set-cookie"].lower()
    for flag in ("httponly", "samesite=strict", "secure", "path=/", "max-age=43200"):
        assert flag in said
    assert "domain" not in said
    assert admin_key not in answer.headers["set-cookie"] + answer.text
    assert elsewhere.get("/models?project=chat").status_code == 200


def test_without_tls_the_cookie_is_not_marked_secure_unless_a_proxy_has_it(app, admin_key):
    for headers, secure in (({}, False), ({"x-forwarded-proto": "https"}, True)):
        with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5), follow_redirects=False) as client:
            answer = client.post("/signin", data={"key": admin_key}, headers=SAME | headers)
            assert ("secure" in answer.headers["set-cookie"].lower()) is secure


def test_a_key_that_is_none_is_told_so_in_a_sentence(elsewhere):
    for key in ("", "uns_admin_wrong", "x" * 5000, "unt_e30.aaaa", "Bearer x", "ключ", "\ud800"):
        answer = elsewhere.post("/signin", data={"key": key.encode("utf-8", "surrogatepass")})
        assert answer.status_code in (400, 401)
        assert "set-cookie" not in answer.headers
        assert "key" in answer.text or "form" in answer.text
        assert len(answer.text) < 5000


def test_only_an_admin_key_signs_in(elsewhere, key_of):
    for role in ("write", "secret", "research"):
        answer = elsewhere.post("/signin", data={"key": key_of(role)})
        assert answer.status_code == 403
        assert "admin key" in answer.text
        assert "set-cookie" not in answer.headers


def test_tries_are_few_and_a_right_key_still_works(app, elsewhere, admin_key):
    for _ in range(MOST_WRONG):
        assert elsewhere.post("/signin", data={"key": "uns_admin_guess"}).status_code == 401
    refused = elsewhere.post("/signin", data={"key": "another guess"})
    assert refused.status_code == 429
    # Behind a proxy everybody has this address: nobody may lock the others out.
    assert elsewhere.post("/signin", data={"key": admin_key}).status_code == 303
    assert elsewhere.post("/signin", data={"key": "another guess"}).status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    with TestClient(app, "https://collect.example", headers=SAME, client=("2001:db8::1", 1)) as other:
        assert other.post("/signin", data={"key": admin_key}, follow_redirects=False).status_code == 303


def test_the_addresses_of_one_ipv6_network_share_their_tries(app):
    statuses = []
    for number in range(MOST_WRONG + 1):
        with TestClient(app, "https://collect.example", headers=SAME, client=(f"2001:db8::{number:x}", 1)) as client:
            statuses.append(client.post("/signin", data={"key": "guess"}).status_code)
    assert statuses == [401] * MOST_WRONG + [429]


def test_another_site_can_neither_sign_in_nor_out(elsewhere, admin_key):
    cross = [{"sec-fetch-site": site} for site in ("cross-site", "same-site", "none")]
    for headers in cross:
        for path in ("/signin", "/signout"):
            answer = elsewhere.post(path, data={"key": admin_key}, headers=headers)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers


def test_the_origin_counts_where_a_browser_says_no_more(app, admin_key):
    with TestClient(app, "https://collect.example", follow_redirects=False) as client:
        origins = {
            "https://collect.example": 303, "https://collect.example:444": 403, "https://evil.example": 403,
            "null": 403, "https://collect.example.evil.example": 403, "": 403,
        }  # fmt: skip
        for origin, status in origins.items():
            answer = client.post("/signin", data={"key": admin_key}, headers={"origin": origin})
            assert answer.status_code == status, origin


def test_what_only_reads_may_show_its_page_where_a_browser_says_no_more():
    def asked(method, **headers):
        raw = [(b"host", b"collect.example:8000"), *((name.encode(), said.encode()) for name, said in headers.items())]
        return Request({"type": "http", "method": method, "path": "/", "query_string": b"", "headers": raw})

    ours = "http://collect.example:8000/chat?a=b"
    for method in ("GET", "HEAD"):
        same_origin(asked(method, referer=ours))
    for refused in (
        asked("POST", referer=ours), asked("GET"), asked("GET", referer="http://evil.example/collect.example:8000"),
        asked("GET", referer="http://collect.example/chat"), asked("GET", referer="http://["),
        asked("GET", referer=ours, origin="http://evil.example"), asked("GET", referer=ours, origin="null"),
        asked("POST", origin="http://["),
    ):  # fmt: skip
        with pytest.raises(NotAllowed):
            same_origin(refused)


def test_a_revoked_key_ends_its_sessions_at_once(browser, engine, admin_key, project):
    assert browser.get("/").status_code == 200
    with transaction(engine) as session:
        key_id = keys.authenticate(session, admin_key).key_id
        keys.revoke(session, key_id)
    answer = browser.get("/keys")
    assert answer.status_code == 401
    assert "revoked" in answer.text
    assert browser.post("/keys", data={"role": "admin"}).status_code == 401


def test_a_rotated_key_ends_its_sessions_when_it_runs_out(browser, engine, admin_key):
    with transaction(engine) as session:
        key_id = keys.authenticate(session, admin_key).key_id
        keys.rotate(session, key_id, 600)
    assert browser.get("/").status_code == 200
    with transaction(engine) as session:
        session.get_one(Key, key_id).expires_at = now() - timedelta(seconds=1)
    assert browser.get("/").status_code == 401


def test_a_session_that_is_over_says_so_and_leads_back(elsewhere, engine, admin_key):
    with reading(engine) as session:
        note = sessions.begin(session, keys.authenticate(session, admin_key), timedelta(seconds=-1))
    elsewhere.cookies.set(COOKIE, note)
    answer = elsewhere.get("/jobs?state=failed")
    assert answer.status_code == 401
    assert "over" in answer.text
    assert 'value="/jobs?state=failed"' in answer.text


def test_after_a_refused_deed_one_is_led_back_to_the_page_it_was_on(elsewhere):
    answer = elsewhere.post("/jobs/refresh", headers={"referer": "https://collect.example/jobs?state=failed"})
    assert answer.status_code == 401
    assert elsewhere.post("/jobs/refresh", headers={"referer": "http://["}).status_code == 401
    assert 'name="back" value="/jobs?state=failed"' in answer.text


def test_no_forged_note_is_a_session(elsewhere, engine, project, key_of):
    with transaction(engine) as session:
        key, _ = keys.create(session, project.id, "admin")
        secret, _ = keys.create(session, project.id, "secret")
        other = projects.create(session, "other")
        note = sessions.begin(session, Principal(project.id, "admin", key.id))
        of_secret = sessions.begin(session, Principal(project.id, "admin", secret.id))
    head, _, signature = note.rpartition(".")
    first, _, until = head.rpartition(".")
    forged = [
        "", "x", "." * 3, f"{head}.{'0' * 64}", f"{first}.{int(until) + 1}.{signature}", note[:-1], note + "0",
        note.replace(project.id, other.id), note.replace(key.id, secret.id), note.upper(), of_secret, "é" * 40,
        f"{project.id}.{key.id}.٣٣٣٣٣٣٣٣٣٣.{signature}",
    ]  # fmt: skip
    for each in forged:
        answer = elsewhere.get("/keys", headers={"cookie": f"{COOKIE}={each}".encode()})
        assert answer.status_code == 401, each
    assert elsewhere.get("/keys", headers={"cookie": f"{COOKIE}={note}"}).status_code == 200


def test_signing_out_makes_the_browser_forget(browser):
    answer = browser.post("/signout", data={})
    assert answer.status_code == 303
    assert 'unspoken_session=""' in answer.headers["set-cookie"]
    assert browser.get("/").status_code == 401


def test_an_old_session_at_this_machine_is_as_good_as_none(here):
    assert here.get("/keys", headers={"cookie": f"{COOKIE}=old"}).status_code == 404  # no project yet, but no 401
    assert here.get("/", headers={"cookie": f"{COOKIE}=old"}).status_code == 200


def test_nobody_is_led_to_another_place(elsewhere, admin_key):
    for path in (
        "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "\\\\evil", "/a\nb", "",
        "/\tevil", "/signin", "/signout", "/é", "/" + "x" * 3000, "evil.example", "/a\\b",
    ):  # fmt: skip
        assert own_path(path) == "/"
        answer = elsewhere.post("/signin", data={"key": admin_key, "back": path})
        assert answer.headers["location"] == "/"


def test_neither_address_nor_log_holds_a_key(elsewhere, admin_key, caplog):
    caplog.set_level(logging.DEBUG)
    elsewhere.post("/signin", data={"key": admin_key})
    elsewhere.post("/signin", data={"key": admin_key + "x"})
    elsewhere.get("/signin?back=/keys")
    assert admin_key not in caplog.text
    assert 'method="post"' in elsewhere.get("/signin").text


def test_a_form_is_bounded_and_has_to_be_one(elsewhere):
    json = elsewhere.post("/signin", json={"key": "x"})
    assert json.status_code == 415
    assert elsewhere.post("/signin", data={"key": "x" * 200_000}).status_code == 413
    many = "&".join(f"a{number}=1" for number in range(200))
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert elsewhere.post("/signin", content=many, headers=form).status_code == 400
    assert elsewhere.post("/signin", content=b"key=%ff%fe", headers=form).status_code == 400
    assert elsewhere.post("/signin", content=b"key=%00", headers=form).status_code == 422
