"""The pages of the dashboard, asked by somebody who signed in for one project, about what is another's.

As tests/test_isolation.py does with the routes for programs; the two projects come from there.
"""

import re
from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tests.test_isolation import NOBODY, WORD, Site, home, mine, rows, theirs

from unspoken.api import pages
from unspoken.api.app import create_app
from unspoken.store.database import transaction
from unspoken.store.promotions import promote

__all__ = ["home", "mine", "theirs"]  # fixtures
# Pages that have nothing of a project, or whose own tests ask them (the chat has its own project and its own key).
APART = re.compile(r"/(static|sdk|chat|signin|signout)\b")
SENT = {"user": "ann", "again": "ann", "role": "admin", "overlap_s": "0", "name": WORD, "label": "x"}


def addresses() -> list[tuple[str, str]]:
    """Every page and every button: method and path."""
    routers = [getattr(module, "router", None) for module in vars(pages).values()]
    routes = [each for router in routers if isinstance(router, APIRouter) for each in router.routes]
    found = {
        (method, route.path)
        for route in routes
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) - {"HEAD"}
    }
    return sorted(each for each in found if not APART.match(each[1]))


@pytest.fixture
def signed_in(engine: Engine, mine: Site) -> Iterator[TestClient]:
    """A browser elsewhere whose owner holds the admin key of `mine`."""
    headers = {"sec-fetch-site": "same-origin"}
    app = create_app(engine, local=False)
    with TestClient(app, "https://collect.example", headers=headers, follow_redirects=False) as client:
        assert client.post("/signin", data={"key": mine.keys["admin"]}).status_code == 303
        yield client


def asked(client: TestClient, method: str, path: str, ids: dict[str, str], project: str, part: bool) -> tuple[int, str]:
    """The answer, without what was asked for and what differs from time to time."""
    named = re.sub(r"\{(\w+)(:path)?\}", lambda found: ids.get(found[1], ids["conversation"]), path)
    query = {
        **({"project": project} if project else {}),
        "conversation": ids["conversation"],
        "id": ids["conversation"],
    }
    headers = {"hx-request": "true"} if part else {}
    data = SENT if method == "POST" else None
    answer = client.request(method, named, params=query, headers=headers, data=data)
    said = answer.text
    for value in sorted({*ids.values(), project}, key=len, reverse=True):
        said = said.replace(value, "ID") if value else said
    for pattern in (
        r"uns_[\w-]+", r"[0-9a-f]{16,64}", r"\d{4}-\d\d-\d\d[T ][\d:.]+(\+00:00)?", r"\d+ (s|min) ago",
        r"…[\w-]{4}", r'title="[^"]*UTC"', r"after=\d+",
    ):  # fmt: skip
        said = re.sub(pattern, "#", said)
    return answer.status_code, said


def test_there_is_something_to_ask():
    paths = [path for _, path in addresses()]
    for page in ("/", "/live", "/models", "/models/{model_id}/promote", "/reports/{report_id}", "/jobs/{job_id}"):
        assert page in paths


def test_no_page_shows_or_changes_what_is_another_projects(signed_in, engine, theirs):
    """Asked for what is the other's, and for what nobody has, every page gives the same answer."""
    nobody = {name: NOBODY for name in theirs.ids} | {"message": "m-nobody", "conversation": "c-nobody"}
    with transaction(engine) as session:
        promote(session, theirs.project.id, theirs.ids["model_id"])
    before = rows(engine, theirs.project)
    for method, path in addresses():
        for part in (False, True):
            for whose in ("", theirs.project.name):
                there = asked(signed_in, method, path, theirs.ids, whose, part)
                nowhere = asked(signed_in, method, path, nobody, whose and "nobody-at-all", part)
                where = f"{method} {path} {whose} {part}: {there[1][-900:]}\n\n{nowhere[1][-900:]}"
                assert there[0] < 500, where
                if method == "GET":  # what is asked to be done was done already, the second time
                    assert there == nowhere, where
                assert WORD not in there[1].replace(SENT["name"], "") or method == "POST", where
                assert rows(engine, theirs.project) == before, where


def test_its_own_browser_is_shown_what_the_other_is_not(engine, theirs):
    headers = {"sec-fetch-site": "same-origin"}
    with TestClient(create_app(engine, local=False), "https://collect.example", headers=headers) as client:
        client.post("/signin", data={"key": theirs.keys["admin"]})
        for path in ("/", "/models", "/reports", "/jobs", "/keys", "/audit", "/live"):
            answer = client.get(path)
            assert (answer.status_code, WORD in answer.text) == (200, True), path
        assert client.get(f"/reports/{theirs.ids['report_id']}").text == WORD
