"""Keys, tokens, settings and the audit over HTTP, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest

from unspoken.store import audit
from unspoken.store.database import reading

EVENTS = "/v1/events"
SHOP = "https://shop.example"


@pytest.fixture
def admin(stranger, key_of):
    stranger.headers["authorization"] = f"Bearer {key_of('admin')}"
    return stranger


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", **more}


def test_a_key_is_made_shown_once_and_listed_without_itself(admin):
    asked = {"role": "write", "name": "website", "origins": [SHOP], "events_per_s": 50}
    made = admin.post("/v1/keys", json=asked)
    assert made.status_code == 201
    plaintext = made.json()["key"]
    assert plaintext.startswith("uns_write_")
    listed = admin.get("/v1/keys")
    assert [key["role"] for key in listed.json()["keys"]] == ["admin", "write"]
    key = listed.json()["keys"][1]
    assert {name: key[name] for name in asked} == asked
    assert key["hint"] == plaintext[-4:]
    assert "digest" not in key
    assert plaintext not in listed.text


def test_a_key_works_until_it_is_revoked(admin, make_event):
    made = admin.post("/v1/keys", json={"role": "secret"}).json()
    assert admin.get("/v1/jobs", headers=bearer(made["key"])).status_code == 200
    assert admin.post(EVENTS, json=make_event(), headers=bearer(made["key"])).status_code == 200
    revoked = admin.delete(f"/v1/keys/{made['id']}")
    assert revoked.json()["revoked_at"]
    assert admin.get("/v1/jobs", headers=bearer(made["key"])).status_code == 401
    refused = admin.post(EVENTS, json=make_event(), headers=bearer(made["key"]))
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:unspoken:problem:not-signed-in")
    assert admin.delete(f"/v1/keys/{made['id']}").json() == revoked.json()


def test_a_key_is_followed_by_another_and_both_work_for_a_while(admin):
    old = admin.post("/v1/keys", json={"role": "secret", "name": "server"}).json()
    new = admin.post(f"/v1/keys/{old['id']}/rotate", params={"overlap_s": 3600}).json()
    assert (new["replaces"], new["name"], new["role"]) == (old["id"], "server", "secret")
    for key in (old, new):
        assert admin.get("/v1/jobs", headers=bearer(key["key"])).status_code == 200
    ends = {key["id"]: key["expires_at"] for key in admin.get("/v1/keys").json()["keys"]}
    assert datetime.fromisoformat(ends[old["id"]]) <= datetime.now(UTC) + timedelta(hours=1)
    assert ends[new["id"]] is None
    assert admin.post(f"/v1/keys/{old['id']}/rotate").status_code == 409
    last = admin.post(f"/v1/keys/{new['id']}/rotate", params={"overlap_s": 0}).json()
    assert admin.get("/v1/jobs", headers=bearer(new["key"])).status_code == 401
    assert admin.get("/v1/jobs", headers=bearer(last["key"])).status_code == 200


def test_an_admin_key_may_end_itself(admin):
    [key] = admin.get("/v1/keys").json()["keys"]
    assert admin.delete(f"/v1/keys/{key['id']}").status_code == 200
    assert admin.get("/v1/keys").status_code == 401


def test_what_fits_no_key_is_refused_with_a_sentence(admin):
    for asked, said in (
        ({"role": "owner"}, "`role`"),
        ({}, "`role`"),
        ({"role": "write", "origin": SHOP}, "`origin`"),
        ({"role": "write", "origins": SHOP}, "`origins`"),
        ({"role": "write", "origins": [f"{SHOP}/page"]}, "no origin"),
        ({"role": "admin", "origins": [SHOP]}, "never goes into a page"),
        ({"role": "write", "events_per_s": -1}, "`events_per_s`"),
        ([], "the body"),
    ):
        answer = admin.post("/v1/keys", json=asked)
        assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text
    for answer in (admin.delete("/v1/keys/none"), admin.post("/v1/keys/none/rotate")):
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no key with the id 'none'.")
    assert admin.post("/v1/keys/none/rotate", params={"overlap_s": "inf"}).status_code == 422
    assert len(admin.get("/v1/keys").json()["keys"]) == 1


def test_use_is_shown(admin, key_of, make_event):
    assert admin.get("/v1/keys").json()["keys"][0]["last_used_at"] is not None
    secret = key_of("secret")
    unused = {key["role"]: key["last_used_at"] for key in admin.get("/v1/keys").json()["keys"]}
    assert unused["secret"] is None
    assert admin.get("/v1/jobs", headers=bearer(secret)).status_code == 200
    used = {key["role"]: key["last_used_at"] for key in admin.get("/v1/keys").json()["keys"]}
    assert abs(datetime.fromisoformat(used["secret"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_write_key_is_for_its_pages(admin, make_event):
    key = admin.post("/v1/keys", json={"role": "write", "origins": [SHOP]}).json()["key"]
    for origin, status in ((SHOP, 200), ("https://evil.example", 403), (None, 403)):
        headers = bearer(key) if origin is None else bearer(key, origin=origin)
        assert admin.post(EVENTS, json=make_event(), headers=headers).status_code == status


def test_a_token_speaks_of_its_message_as_its_user_and_nothing_else(admin, here, key_of, make_event):
    secret = bearer(key_of("secret"))
    issued = admin.post("/v1/tokens", json={"message": "m1", "user": "ann", "ttl_s": 600}, headers=secret)
    assert issued.status_code == 201
    assert datetime.fromisoformat(issued.json()["expires_at"]) <= datetime.now(UTC) + timedelta(seconds=600)
    token = bearer(issued.json()["token"])
    for event in (make_event(user="ann"), make_event("copy", user="ann"), make_event("close", user="ann")):
        assert admin.post(EVENTS, json=event, headers=token).json() == {"stored": 1, "repeated": 0}
    for event in (
        make_event(user="bob"),
        make_event(),
        make_event(user="ann", message="m2"),
        make_event("share", user="ann", message=None),
        make_event("message", user="ann", role="user"),
    ):
        assert admin.post(EVENTS, json=event, headers=token).status_code == 403
    for path in ("/v1/jobs", "/v1/keys", "/v1/project"):
        assert admin.get(path, headers=token).status_code == 403
    by_address = here.post(EVENTS, params={"key": issued.json()["token"]}, json=make_event(user="ann"))
    assert by_address.json() == {"stored": 1, "repeated": 0}


def test_a_token_ends_with_the_key_that_issued_it(admin, make_event):
    key = admin.post("/v1/keys", json={"role": "secret"}).json()
    asked = {"message": "m1", "user": "ann"}
    token = bearer(admin.post("/v1/tokens", json=asked, headers=bearer(key["key"])).json()["token"])
    assert admin.post(EVENTS, json=make_event(user="ann"), headers=token).status_code == 200
    admin.delete(f"/v1/keys/{key['id']}")
    assert admin.post(EVENTS, json=make_event(user="ann"), headers=token).status_code == 401


def test_a_token_for_nothing_is_refused(admin, key_of):
    secret = bearer(key_of("secret"))
    for asked in (
        {"message": "m1"},
        {"message": "m1", "user": "ann", "ttl_s": 86_401},
        {"message": "m1", "user": "ann", "ttl_s": 0},
        {"message": "m1", "user": "a\0"},
        {"message": "", "user": "ann"},
    ):
        assert admin.post("/v1/tokens", json=asked, headers=secret).status_code == 422


def test_settings_are_shown_and_set(admin):
    before = admin.get("/v1/project").json()
    assert before["name"] == "chat"
    assert before["settings"]["consent"] == "assumed"
    assert "user_secret" not in before
    asked = {"retention_days": 90, "consent": "required", "redact": ["email", "phone"]}
    after = admin.patch("/v1/project", json=asked).json()
    assert after["settings"] == before["settings"] | asked
    assert admin.get("/v1/project").json() == after
    assert admin.patch("/v1/project", json={name: None for name in asked}).json() == before


def test_settings_that_are_none_are_refused_with_a_sentence(admin):
    for asked, said in (
        ({"retension_days": 9}, "Did you mean `retention_days`?"),
        ({"consent": "maybe"}, "`consent` is"),
        ({"about": {"facts": []}}, "no project setting"),
        ([], "as an object"),
    ):
        answer = admin.patch("/v1/project", json=asked)
        assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text


def test_a_server_side_key_marks_an_empty_project_and_nobody_else_does(admin, key_of):
    path = "/v1/project/simulated"
    for role, status in (("write", 403), ("research", 403), ("secret", 200), ("admin", 200)):
        answer = admin.put(path, json={"simulated": True}, headers=bearer(key_of(role)))
        assert answer.status_code == status, role
    assert answer.json() == {"name": "chat", "simulated": True}
    assert admin.get("/v1/project").json()["simulated"] is True
    asked: tuple[object, ...] = ({"simulated": "yes"}, {"simulated": None}, {}, {"simulated": True, "more": 1}, [])
    for said in asked:
        assert admin.put(path, json=said).status_code == 422, said
    assert [row["action"] for row in admin.get("/v1/audit").json()["audit"]].count("project.mark") == 1


def test_every_change_is_in_the_audit_with_who_made_it(admin, engine, project):
    [own] = admin.get("/v1/keys").json()["keys"]
    made = admin.post("/v1/keys", json={"role": "write", "name": "website"}).json()
    follower = admin.post(f"/v1/keys/{made['id']}/rotate").json()
    admin.delete(f"/v1/keys/{made['id']}")
    admin.patch("/v1/project", json={"retention_days": 90})
    listed = admin.get("/v1/audit")
    rows = listed.json()["audit"]
    assert [(row["action"], row["subject"]) for row in rows] == [
        ("project.set", project.id),
        ("key.revoke", made["id"]),
        ("key.rotate", made["id"]),
        ("key.create", made["id"]),
        ("key.create", own["id"]),
    ]
    assert [row["actor"] for row in rows] == [f"key {own['id']}"] * 4 + ["command line"]
    assert not any(secret in listed.text for secret in (made["key"], follower["key"]))
    older = admin.get("/v1/audit", params={"limit": 2, "before": rows[1]["seq"]}).json()["audit"]
    assert older == rows[2:4]
    with reading(engine) as session:
        assert len(audit.listed(session, project.id)) == 5


def test_only_an_admin_key_says_what_others_may(admin, here, key_of, project):
    asked = [("GET", "/v1/keys"), ("POST", "/v1/keys"), ("POST", "/v1/keys/x/rotate"), ("DELETE", "/v1/keys/x"),
             ("GET", "/v1/project"), ("PATCH", "/v1/project"), ("GET", "/v1/audit")]  # fmt: skip
    for method, path in asked:
        body = {"json": {"role": "admin"}} if method in ("POST", "PATCH") else {}
        for role in ("write", "secret", "research"):
            assert admin.request(method, path, headers=bearer(key_of(role)), **body).status_code == 403
        assert here.request(method, path, **body).status_code == 401
    for role, status in (("write", 403), ("research", 403), ("secret", 201), ("admin", 201)):
        token = {"message": "m1", "user": "ann"}
        assert admin.post("/v1/tokens", json=token, headers=bearer(key_of(role))).status_code == status
