"""No page, no part of a page and no button is open to whoever did not sign in, on whatever page they are."""

import re

from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from tests.api.pages.conftest import SAME

from unspoken.api import pages
from unspoken.api.deps import COOKIE
from unspoken.store import keys as stored
from unspoken.store import projects, sessions
from unspoken.store.database import transaction
from unspoken.store.tables import Audit, Erasure, Job, Key, Promotion

NOBODY = "0123456789abcdef" * 2
# Those without a guard of this kind: what everybody may fetch, signing in itself, and the chat, whose key is its own.
OPEN = ("/chat", "/sdk/", "/signin", "/signout", "/static/")
ROUTES = sorted(
    {
        (method, re.sub(r"\{\w+(:path)?\}", NOBODY, route.path))
        for module in vars(pages).values()
        if isinstance(getattr(module, "router", None), APIRouter)
        for route in module.router.routes
        if isinstance(route, APIRoute) and not route.path.startswith(OPEN)
        for method in (route.methods or set()) - {"HEAD"}
    }
)
PAGES = [path for method, path in ROUTES if method == "GET"]
# Pages that an empty project has: without an id in their path, or of a conversation.
WHOLE = [path for path in PAGES if NOBODY not in path and not path.startswith("/conversations/")]
# A form that only asks: it is a POST so that no address names the person who is looked for.
ASKING = ("/conversations/user",)
DEEDS = [path for method, path in ROUTES if method == "POST" and path not in ASKING]
FORM = {"user": "ann", "again": "ann", "role": "admin", "overlap_s": "0"}


def test_there_are_pages_and_deeds():
    assert len(PAGES) > 10
    assert len(DEEDS) > 7


def test_a_page_is_closed_to_strangers_and_so_is_its_part(elsewhere, key_of):
    for path in PAGES:
        asked = elsewhere.get(path)
        assert asked.status_code == 401, path
        assert 'name="key"' in asked.text
        assert "content-security-policy" in asked.headers
        part = elsewhere.get(path, headers={"hx-request": "true"})
        assert part.status_code == 401
        assert part.headers["hx-refresh"] == "true"  # htmx loads the page, which is the form
        for role in ("write", "secret", "research"):
            assert elsewhere.get(path, headers={"authorization": f"Bearer {key_of(role)}"}).status_code == 403


def test_a_deed_takes_a_session_also_at_this_machine(elsewhere, here, key_of, count):
    for path in DEEDS:
        for client in (elsewhere, here):
            assert client.post(path, data=FORM, headers=SAME).status_code == 401
        # The cookie alone acts: a key in a header has the routes under /v1, and no page is tricked into sending one.
        header = {"authorization": f"Bearer {key_of('admin')}"}
        assert elsewhere.post(path, data=FORM, headers=header).status_code == 401
        assert [count(table) for table in (Job, Erasure, Promotion)] == [0, 0, 0]


def test_another_site_cannot_press_a_button(browser, count):
    for path in DEEDS:
        before = [count(table) for table in (Job, Erasure, Promotion, Key, Audit)]
        others = [{"sec-fetch-site": site} for site in ("cross-site", "same-site", "none", "")]
        for headers in others:
            answer = browser.post(path, data=FORM, headers=headers)
            assert answer.status_code == 403
            assert "nothing was done" in answer.text
        assert [count(table) for table in (Job, Erasure, Promotion, Key, Audit)] == before


def test_a_foreign_origin_is_refused_where_a_browser_says_no_more(app, browser):
    for path in DEEDS:
        cookie = f"{COOKIE}={browser.cookies[COOKIE]}"
        with TestClient(app, "https://collect.example", headers={"cookie": cookie}) as older:
            for origin in ("https://evil.example", "null", "https://collect.example@evil.example", None):
                headers = {} if origin is None else {"origin": origin}
                assert older.post(path, data=FORM, headers=headers).status_code == 403


def test_nobody_acts_on_a_project_they_did_not_sign_in_for(app, engine, project, count):
    with transaction(engine) as session:
        projects.create(session, "other")
        key, _ = stored.create(session, project.id, "admin")
        note = sessions.begin(session, stored.Principal(project.id, "admin", key.id))
    for path in DEEDS:
        with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5), headers=SAME) as here:
            here.cookies.set(COOKIE, note)
            before = [count(table) for table in (Job, Erasure, Promotion, Key)]
            answer = here.post(f"{path}?project=other", data=FORM)
            assert answer.status_code == 403
            assert "signed in for the project" in answer.text
            assert [count(table) for table in (Job, Erasure, Promotion, Key)] == before
        with TestClient(app, "https://collect.example", headers=SAME) as there:
            there.cookies.set(COOKIE, note)
            assert there.post(f"{path}?project=other", data=FORM).status_code == 404


def test_every_page_and_its_part_may_be_looked_at_at_this_machine(here, project):
    for path in WHOLE:
        whole = here.get(path)
        assert whole.status_code == 200
        assert "<!doctype html>" in whole.text
        buttons = re.findall(r'method="post" action="([^"?]*)', whole.text)
        assert not set(buttons) - {*ASKING}, path  # nothing to press before signing in
        assert here.get(path, headers={"hx-request": "true"}).status_code == 200


def test_every_page_says_what_may_run_and_holds_nothing_that_may_not(browser):
    for path in WHOLE:
        answer = browser.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert not re.search(r"<style| style=| on\w+=|hx-on|javascript:|hx-vals=.js", answer.text)
        assert re.findall(r"<script[^>]*>", answer.text) == ['<script src="/static/htmx.min.js" defer>']
        assert re.findall(r'(?:src|href|action)="(?!/|#)[^"]*"', answer.text) == []
        assert '<a class="skip" href="#content">' in answer.text
        assert len(re.findall(r"<h1", answer.text)) == 1
        assert len(re.findall(r'aria-current="page"', answer.text)) == 1
