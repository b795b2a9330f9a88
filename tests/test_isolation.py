"""Two projects in one database, and everything that a key of the one can ask tried on what is the other's.

Every route of the OpenAPI document stands in ASKED, with what it is asked: a new one fails until somebody says how.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from unspoken import jobs
from unspoken.api.app import create_app
from unspoken.errors import NotFound
from unspoken.events import parse
from unspoken.jobs.broker import producer
from unspoken.settings import settings
from unspoken.store import datasets, keys, models, projects, reading, reports, tokens
from unspoken.store.columns import now
from unspoken.store.database import reading as looking
from unspoken.store.database import transaction
from unspoken.store.horizon import horizon
from unspoken.store.ingest import ingest
from unspoken.store.tables import Base, Dataset, Project

WORD = "quokkaplume"  # stands in everything of the other project that a route could show
NOBODY = "0123456789abcdef" * 2
ROLES = ("write", "secret", "research", "admin", "token")
EVENT = "018f6b1e-0d5c-7c3a-9b1e-2f6a7c8d9e0f"


@dataclass(frozen=True)
class Site:
    """A project with one of everything. `ids`: what its things are called; `keys`: one of each role, and a token."""

    project: Project
    ids: dict[str, str]
    keys: dict[str, str]


@dataclass(frozen=True)
class Ask:
    """`body` may name ids in braces, as paths do.

    `shown`: to a key of its own it shows what the project holds. `counts`: its numbers are the whole server's, and
    grow with each request.
    """

    body: Any = None
    shown: bool = False
    counts: bool = False


A_MESSAGE = {
    "id": "{event}", "kind": "message", "at": "2026-10-01T12:00:00Z", "conversation": "{conversation}",
    "message": "{message}", "role": "user", "text": "Mine.", "user": "ann",
}  # fmt: skip
A_VOTE = {
    "id": "{event}", "kind": "vote", "at": "2026-10-01T12:00:00Z", "conversation": "{conversation}",
    "message": "{message}", "value": 1, "user": "ann",
}  # fmt: skip
ASKED: dict[tuple[str, str], tuple[Ask, ...]] = {
    ("GET", "/healthz"): (Ask(),),
    ("GET", "/readyz"): (Ask(),),
    ("GET", "/metrics"): (Ask(counts=True),),
    ("POST", "/v1/events"): (Ask(A_MESSAGE), Ask(A_VOTE)),
    ("GET", "/v1/status"): (Ask(shown=True),),
    ("GET", "/v1/jobs"): (Ask(shown=True),),
    ("POST", "/v1/jobs"): (
        Ask({"name": "report.compare", "arguments": {"dataset": "{dataset}"}}),
        Ask({"name": "run.train", "arguments": {"dataset": "{dataset}", "family": "stated"}}),
    ),
    ("GET", "/v1/jobs/{job_id}"): (Ask(shown=True),),
    ("GET", "/v1/models"): (Ask(shown=True),),
    ("POST", "/v1/models/{model_id}/promote"): (Ask(),),
    ("POST", "/v1/models/{family}/rollback"): (Ask(),),
    ("GET", "/v1/reports"): (Ask(shown=True),),
    ("GET", "/v1/reports/{report_id}/page"): (Ask(shown=True),),
    ("GET", "/v1/keys"): (Ask(shown=True),),
    ("POST", "/v1/keys"): (Ask({"role": "admin"}),),
    ("POST", "/v1/keys/{key_id}/rotate"): (Ask(),),
    ("DELETE", "/v1/keys/{key_id}"): (Ask(),),
    ("POST", "/v1/tokens"): (Ask({"message": "{message}", "user": "ann"}),),
    ("GET", "/v1/project"): (Ask(shown=True),),
    ("PATCH", "/v1/project"): (Ask({"retention_days": 1, "consent": "required"}),),
    ("PUT", "/v1/project/simulated"): (Ask({"simulated": False}),),
    ("GET", "/v1/audit"): (Ask(shown=True),),
    ("POST", "/v1/chat/completions"): (
        Ask(
            {
                "model": "m",
                "messages": [{"role": "user", "content": "Hi"}],
                "metadata": {"conversation": "{conversation}", "parent": "{message}"},
            }
        ),
    ),
    ("GET", "/v1/chat/completions/{message}"): (Ask(),),
    ("DELETE", "/v1/chat/completions/{message}"): (Ask(),),
    ("GET", "/openai/v1/models"): (Ask(),),
    ("GET", "/v1/users/{user}/export"): (Ask(shown=True),),
    ("DELETE", "/v1/users/{user}"): (Ask(),),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder of this test, for the broker's messages."""
    monkeypatch.setenv("UNSPOKEN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    producer.cache_clear()
    yield tmp_path
    settings.cache_clear()
    producer.cache_clear()


@pytest.fixture
def mine(engine: Engine, home: Path) -> Site:
    """The project that asks."""
    return site(engine, home, "mine", "plain")


@pytest.fixture
def theirs(engine: Engine, home: Path) -> Site:
    """The other project."""
    return site(engine, home, "theirs", WORD)


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    """From another machine, without a key."""
    with TestClient(create_app(engine, local=False), "https://collect.example") as client:
        yield client


def site(engine: Engine, folder: Path, name: str, word: str) -> Site:
    page = folder / name
    page.mkdir()
    (page / "index.html").write_text(word)
    with transaction(engine) as session:
        project = projects.create(session, f"{name}-{word}")
        made = {role: keys.create(session, project.id, role, name=word) for role in ROLES[:-1]}
        talk = {
            "message": f"m-{name}", "conversation": f"c-{name}", "user": f"user-{name}",
            "event": EVENT if name == "theirs" else EVENT.replace("018f", "118f"),
        }  # fmt: skip
        sent: list[dict[str, Any]] = [
            {**A_MESSAGE, "text": word, **renamed(talk)},
            {**A_VOTE, "comment": word, **renamed(talk)},
        ]
        sent[1]["id"] = sent[0]["id"].replace("2f6a", "3f6a")
        ingest(session, project, [parse(event) for event in sent], sent_at=None, received_at=now())
        seen = horizon(session)
        dataset = Dataset(project_id=project.id, recipe={}, horizon=seen, digest=name, funnel={}, finished_at=now())
        session.add(dataset)
        session.flush()
        model = models.record(session, project.id, dataset.id, "stated", page, {"model_hash": word})
        report = reports.record(session, project.id, dataset.id, word, {"sentence": word}, page)
        job = jobs.enqueue(session, "pairs.build", project_id=project.id, arguments={"recipe": word})
    ids = {
        **talk,
        "dataset": dataset.id,
        "model_id": model,
        "report_id": report,
        "job_id": job,
        "key_id": made["research"][0].id,  # one that nothing here asks with
    }
    token, _ = tokens.issue(project, made["secret"][0].id, "m-mine", "ann", 600)
    return Site(project, ids, {role: key for role, (_, key) in made.items()} | {"token": token})


def renamed(talk: dict[str, str]) -> dict[str, str]:
    return {"id": talk["event"], "conversation": talk["conversation"], "message": talk["message"], "user": talk["user"]}


def ask(client: TestClient, key: str, method: str, path: str, body: Any, ids: dict[str, str]) -> Any:
    ids = ids | {"family": "stated"}

    def named(said: Any) -> Any:
        if isinstance(said, dict):
            return {name: named(value) for name, value in said.items()}
        if isinstance(said, list):
            return [named(each) for each in said]
        return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], said) if isinstance(said, str) else said

    more = {} if body is None else {"json": named(body)}
    return client.request(method, named(path), headers={"authorization": f"Bearer {key}"}, **more)


def plain(answer: Any, ids: set[str], counts: bool) -> tuple[int, str]:
    """Status and body without what differs from request to request: the ids asked for, random ids, times, keys."""
    said = "" if counts else answer.text
    for value in sorted(ids, key=len, reverse=True):
        said = said.replace(value, "ID")
    for pattern in (
        r"un[st]_[\w.-]+", r"[0-9a-f]{32,64}", r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?", r'"hint":"[^"]+"',
        r'"(erasure|seq|created)":\d+', r"(chatcmpl|msg)-\w+",
    ):  # fmt: skip
        said = re.sub(pattern, "#", said)
    return answer.status_code, said


def rows(engine: Engine, project: Project) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that stands in the tables of a project."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with looking(engine) as session:
        for table in Base.metadata.sorted_tables:
            if "project_id" in table.c:
                mine = table.c.project_id == project.id
            elif "project" in table.c:
                mine = table.c.project == project.number
            elif "dataset_id" in table.c:
                of = select(Dataset.id).where(Dataset.project_id == project.id)
                mine = table.c.dataset_id.in_(of)
            elif table.name == "projects":
                mine = table.c.id == project.id
            else:
                assert table.name == "watermarks", f"{table.name}: whose rows are whose?"
                continue
            columns = [column for column in table.c if column.name != "last_used_at"]
            found[table.name] = sorted((tuple(row) for row in session.execute(select(*columns).where(mine))), key=repr)
    return found


def test_every_route_is_asked(client):
    described = {
        (method.upper(), path) for path, methods in client.app.openapi()["paths"].items() for method in methods
    }
    missing, gone = sorted(described - ASKED.keys()), sorted(ASKED.keys() - described)
    assert not missing, f"say in ASKED how these are tried with another project's ids: {missing}"
    assert not gone, f"these are no longer routes: {gone}"


def test_no_key_reaches_the_other_project_or_learns_what_is_there(client, engine, mine, theirs):
    """Asked for what is the other's, and for what nobody has, every route gives the same answer."""
    nobody = {name: NOBODY for name in theirs.ids} | {
        "event": EVENT.replace("018f", "218f"), "message": "m-nobody", "conversation": "c-nobody",
        "user": "user-nobody",
    }  # fmt: skip
    before = rows(engine, theirs.project)
    for role in ROLES:
        for (method, path), asked in ASKED.items():
            for one in asked:
                answers = [ask(client, mine.keys[role], method, path, one.body, ids) for ids in (theirs.ids, nobody)]
                where = f"{role} {method} {path}: {answers[0].text[:300]} / {answers[1].text[:300]}"
                said = [plain(answer, {*theirs.ids.values(), *nobody.values()}, one.counts) for answer in answers]
                assert said[0] == said[1], where
                assert not any(WORD in answer.text for answer in answers), where
                assert answers[0].status_code < 500 or answers[0].status_code == 503, where
    assert rows(engine, theirs.project) == before


def test_its_own_key_is_shown_what_the_other_is_not(client, theirs):
    """Otherwise the test above would hold of a server that shows nothing to anybody."""
    for (method, path), asked in ASKED.items():
        for one in asked:
            if one.shown:
                answer = ask(client, theirs.keys["admin"], method, path, one.body, theirs.ids)
                assert (answer.status_code, WORD in answer.text) == (200, True), f"{path}: {answer.text[:300]}"


def test_the_same_ids_in_two_projects_are_two_things(client, engine, mine, theirs):
    theirs_before = rows(engine, theirs.project)
    for event in (A_MESSAGE, A_VOTE | {"id": EVENT.replace("2f6a", "3f6a")}):
        answer = ask(client, mine.keys["secret"], "POST", "/v1/events", event, theirs.ids)
        assert answer.json() == {"stored": 1, "repeated": 0}
    assert rows(engine, theirs.project) == theirs_before
    message, conversation = theirs.ids["message"], theirs.ids["conversation"]
    with looking(engine) as session:
        for whose, text in ((mine, "Mine."), (theirs, WORD)):
            assert reading.read_texts(session, whose.project.id, [message]) == {message: text}
            events = reading.read_events(session, whose.project.id, [conversation])
            assert sorted(events["kind"]) == ["message", "vote"]
            messages = reading.read_messages(session, whose.project.id, [conversation])
            assert messages["message"].to_list() == [message]
        hashes = {reading.read_events(session, each.project.id, [conversation])["user"][0] for each in (mine, theirs)}
        assert len(hashes) == 2  # the same person is not the same hash


def test_a_dataset_of_another_project_is_none(engine, mine, theirs):
    with looking(engine) as session:
        assert datasets.get(session, theirs.ids["dataset"], theirs.project.id).digest == "theirs"
        said = []
        for dataset in (theirs.ids["dataset"], NOBODY):
            with pytest.raises(NotFound) as refused:
                datasets.get(session, dataset, mine.project.id)
            said.append(refused.value.detail.replace(dataset, "ID"))
    assert said[0] == said[1]
