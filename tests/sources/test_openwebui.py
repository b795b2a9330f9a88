"""A database with Open WebUI's tables, made by our own statements: trees, thumbs, the arena, and what is broken."""

import json
import sqlite3
from contextlib import closing

import pytest

from unspoken.errors import BadInput
from unspoken.sources import openwebui

TABLES = """
CREATE TABLE chat (
    id VARCHAR NOT NULL PRIMARY KEY, user_id VARCHAR, title TEXT, chat JSON, created_at BIGINT, updated_at BIGINT,
    share_id TEXT UNIQUE, archived BOOLEAN, pinned BOOLEAN, meta JSON DEFAULT '{}', folder_id TEXT, tasks JSON,
    summary TEXT, current_message_id TEXT, last_read_at BIGINT
);
CREATE TABLE chat_message (
    id TEXT NOT NULL PRIMARY KEY, chat_id TEXT NOT NULL REFERENCES chat (id), user_id TEXT, role TEXT NOT NULL,
    parent_id TEXT, content JSON, output JSON, model_id TEXT, files JSON, meta JSON, done BOOLEAN, error JSON,
    usage JSON, created_at BIGINT, updated_at BIGINT
);
CREATE TABLE feedback (
    id TEXT NOT NULL PRIMARY KEY, user_id TEXT, version BIGINT, type TEXT, data JSON, meta JSON, snapshot JSON,
    created_at BIGINT, updated_at BIGINT
);
"""
NOON = 1_760_000_000


def message(role: str, parent: str | None, second: int, text: str = "hello", **more: object) -> dict[str, object]:
    return {"role": role, "parentId": parent, "content": text, "timestamp": NOON + second, "childrenIds": []} | more


class WebUi:
    """webui.db, row by row."""

    def __init__(self, path) -> None:
        self.path = path
        self.run(TABLES)

    def run(self, script: str) -> None:
        with closing(sqlite3.connect(self.path)) as database:
            database.executescript(script)

    def row(self, table: str, **cells: object) -> None:
        names, marks = ", ".join(cells), ", ".join("?" * len(cells))
        values = [json.dumps(cell) if isinstance(cell, dict | list) else cell for cell in cells.values()]
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)

    def chat(self, messages: object, name: str = "c", user: str = "ann", current: str | None = None) -> None:
        whole = {"title": "t", "models": ["m"], "history": {"messages": messages, "currentId": current}}
        self.row("chat", id=name, user_id=user, chat=whole, created_at=NOON, updated_at=NOON + 900)

    def feedback(self, about: str, rating: object, name: str = "f", **more: object) -> None:
        data = {"rating": rating, **{key: more.pop(key) for key in [*more] if key not in ("arena", "chat_id", "type")}}
        meta = {"message_id": about, "chat_id": more.get("chat_id", "c"), "arena": more.get("arena", False)}
        self.row("feedback", id=name, user_id="ann", version=0, type=more.get("type", "rating"), data=data, meta=meta,
                 snapshot={"chat": {}}, created_at=NOON + 60, updated_at=NOON + 60)  # fmt: skip


@pytest.fixture
def webui(tmp_path) -> WebUi:
    return WebUi(tmp_path / "webui.db")


@pytest.fixture
def said(importer, webui):
    return lambda: importer(lambda reading: openwebui.events(webui.path, reading))


EXCHANGE = {"q": message("user", None, 0, models=["m"]), "a": message("assistant", "q", 2, model="m", done=True)}


def kinds(events) -> list[str]:
    return [event.kind for event in events if event.kind != "message"]


def test_a_thumb_with_its_words_is_a_vote_of_the_chats_user(webui, said):
    webui.chat(EXCHANGE)
    webui.feedback("a", 1, reason="accurate_information", comment="nice", tags=["basil"], details={"rating": 8})
    events, left = said()
    question, answer, details, vote = events
    assert (question.role, question.user, question.at.timestamp()) == ("user", "ann", NOON)
    assert (answer.parent, answer.model, answer.finish, answer.user) == (question.message, "m", "complete", None)
    assert (details.scale, details.value, details.lowest, details.highest) == ("details", 8, 1, 10)
    assert (vote.message, vote.value, vote.user) == (answer.message, 1, "ann")
    assert (vote.reasons, vote.comment) == (["accurate_information", "basil"], "nice") and left == {}


def test_a_thumb_that_was_turned_since_is_another_event_and_the_later_one(webui, said):
    webui.chat(EXCHANGE)
    webui.feedback("a", 1)
    before, _ = said()
    webui.run(f"UPDATE feedback SET data = '{{\"rating\": -1}}', updated_at = {NOON + 99}")
    after, _ = said()
    assert before[-1].id != after[-1].id and before[-1].at < after[-1].at


def test_in_the_arena_a_thumb_is_a_choice_and_not_a_vote_as_well(webui, said):
    webui.chat({
        "q": message("user", None, 0, models=["x", "y"]), "a": message("assistant", "q", 2, model="x"),
        "b": message("assistant", "q", 2, model="y"),
    })  # fmt: skip
    webui.feedback("a", 1, "up", arena=True, sibling_model_ids=["y"])
    webui.feedback("a", -1, "down", arena=True, sibling_model_ids=["y"])
    webui.feedback("b", 1, "vote", sibling_model_ids=["x"])
    events, _ = said()
    choices = sorted((event.chosen, event.rejected) for event in events if event.kind == "choice")
    assert choices == [("c/a", ["c/b"]), ("c/b", ["c/a"])]
    assert [event.message for event in events if event.kind == "vote"] == ["c/b"]
    assert "regenerate" not in kinds(events)  # two models were asked at once


def test_the_tree_shows_regenerations_edits_and_returns(webui, said):
    webui.chat({
        **EXCHANGE, "a2": message("assistant", "q", 20, model="m"), "f": message("user", "a", 40),
        "f2": message("user", "a", 60), "g": message("assistant", "f2", 62, model="m"),
    }, current="g")  # fmt: skip
    events, _ = said()
    again, edit, back = (event for event in events if event.kind != "message")
    assert (again.kind, again.message, again.user) == ("regenerate", "c/a", "ann")
    assert (edit.kind, edit.message, edit.to) == ("edit", "c/f", "c/f2")
    assert (back.kind, back.message, back.previous) == ("select", "c/a", "c/a2")
    assert back.at.timestamp() == NOON + 900


@pytest.mark.parametrize("odd", [float("inf"), float("-inf"), float("nan"), 10**400, -1, "soon", True, NOON * 10**18])
def test_a_time_that_is_none_comes_after_its_parent(webui, said, odd):
    webui.chat({"q": message("user", None, 0), "a": message("assistant", "q", 2) | {"timestamp": odd}})
    (question, answer), _ = said()
    assert (answer.at - question.at).total_seconds() in (0.001, 0)


def test_copies_made_for_sharing_are_left_out(webui, said):
    webui.chat(EXCHANGE)
    webui.chat(EXCHANGE, "s", user="shared-c")
    events, left = said()
    assert {event.conversation for event in events} == {"c"}
    assert left == {"a copy of a chat that was made for sharing": 1}


def test_messages_of_the_newer_table_are_read_where_the_tree_lacks_them(webui, said):
    webui.chat({}, current=None)
    rows = (("q", "user", None, 0), ("a", "assistant", "q", 3))
    for key, role, parent, second in rows:
        webui.row("chat_message", id=f"c-{key}", chat_id="c", user_id="ann", role=role, parent_id=parent,
                  content=json.dumps("hi"), model_id="m", done=1, created_at=NOON + second)  # fmt: skip
    webui.feedback("a", -1)
    events, left = said()
    assert [(event.kind, event.message) for event in events] == [
        ("message", "c/q"),
        ("message", "c/a"),
        ("vote", "c/a"),
    ]
    assert left == {}


def test_a_list_of_messages_without_a_tree_is_a_chain(webui, said):
    listed = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    webui.row("chat", id="c", user_id="ann", chat={"messages": listed}, created_at=NOON, updated_at=NOON)
    events, _ = said()
    assert [event.parent for event in events] == [None, events[0].message]
    assert events[0].at < events[1].at


def test_a_circle_of_parents_is_left_out_and_an_orphan_becomes_a_root(webui, said):
    webui.chat({
        **EXCHANGE, "x": message("user", "y", 5), "y": message("assistant", "x", 6), "z": message("user", "z", 7),
        "o": message("assistant", "nobody", 8), "w": message("user", 3, 9), "v": message("user", ["q"], 9),  # type: ignore[arg-type]
    })  # fmt: skip
    events, left = said()
    assert [(event.message, event.parent) for event in events if event.message in ("c/o", "c/w", "c/v")] == [
        ("c/o", None), ("c/w", None), ("c/v", None),
    ]  # fmt: skip
    assert left == {
        "a message in a circle of parents": 3,
        "a parent that is not there (its message is kept, as a root)": 3,
    }


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("hello", "a message that is no object, or of a role that is not known"),
        (message("king", None, 0), "a message that is no object, or of a role that is not known"),
        (message("user", None, 0, content=None), "a message without text"),
        (message("user", None, 0, "x" * 1_000_001), "a message longer than 1,000,000 characters"),
    ],
)
def test_a_message_that_does_not_fit_is_counted(webui, said, broken, reason):
    webui.chat({**EXCHANGE, "x": broken})
    events, left = said()
    assert len(events) == 2 and left == {reason: 1}


@pytest.mark.parametrize(
    "whole", ["not json", "[1]", "", None, "{}", '{"history": 3}', '{"history": {"messages": []}}']
)
def test_a_chat_that_is_no_tree_is_counted(webui, said, whole):
    webui.chat(EXCHANGE)
    webui.row("chat", id="d", user_id=None, chat=whole)
    events, left = said()
    assert len(events) == 2 and sum(left.values()) == 1


@pytest.mark.parametrize(
    ("feedback", "reason"),
    [
        ({"about": "a", "rating": 5}, "a rating that is neither 1 nor −1"),
        ({"about": "gone", "rating": 1}, "a rating of a chat or an answer that is not there any more"),
        ({"about": "q", "rating": 1}, "a rating of a chat or an answer that is not there any more"),
        ({"about": "a", "rating": 1, "chat_id": "x"}, "a rating of a chat or an answer that is not there any more"),
        (
            {"about": "a", "rating": 1, "type": "other"},
            "feedback that is no rating, or whose data or meta is no JSON object",
        ),
    ],
)  # fmt: skip
def test_feedback_that_does_not_fit_is_counted(webui, said, feedback, reason):
    webui.chat(EXCHANGE)
    webui.feedback(**feedback)
    events, left = said()
    assert kinds(events) == [] and left == {reason: 1}


def test_a_database_without_feedback_is_an_older_version(webui, said):
    webui.chat(EXCHANGE)
    webui.run("DROP TABLE feedback; DROP TABLE chat_message;")
    assert len(said()[0]) == 2


def test_the_database_is_opened_for_reading_only(webui, said):
    webui.chat(EXCHANGE)
    webui.path.chmod(0o444)
    webui.path.parent.chmod(0o555)
    before = webui.path.read_bytes()
    try:
        said()
    finally:
        webui.path.parent.chmod(0o755)
    assert webui.path.read_bytes() == before
    assert [path.name for path in webui.path.parent.iterdir()] == ["webui.db"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("DROP TABLE chat_message; DROP TABLE chat", "no table chat"),
        ("ALTER TABLE chat RENAME COLUMN chat TO messages", "no column chat in its table chat"),
        ("ALTER TABLE feedback DROP COLUMN meta", "no column meta in its table feedback"),
    ],
)
def test_another_database_is_refused_by_what_it_lacks(webui, script, said):
    webui.run(script)
    with pytest.raises(BadInput, match=said):
        list(openwebui.events(webui.path))


@pytest.mark.parametrize("content", [b"not a database at all, but long enough", b"SQLite format 3\x00" + b"\xff" * 500])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    (tmp_path / "webui.db").write_bytes(content)
    with pytest.raises(BadInput, match="is not an SQLite database that can be read"):
        list(openwebui.events(tmp_path / "webui.db"))
    with pytest.raises(BadInput, match="There is no file"):
        list(openwebui.events(tmp_path / "nothing.db"))


def test_a_database_that_ends_too_early_is_refused(webui):
    for number in range(300):
        webui_messages = {"q": message("user", None, 0, "x" * 500)}
        webui.chat(webui_messages, f"c{number}")
    whole = webui.path.read_bytes()
    webui.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="is not an SQLite database that can be read"):
        list(openwebui.events(webui.path))


def test_an_empty_file_holds_no_table(tmp_path):
    (tmp_path / "webui.db").touch()
    with pytest.raises(BadInput, match="no table chat"):
        list(openwebui.events(tmp_path / "webui.db"))
