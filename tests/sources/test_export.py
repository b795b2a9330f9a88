"""Events out of a project and into another one: the same events, the same labels, users as hashes of hashes."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import delete

from unspoken.cli import source
from unspoken.cli.exporting import ROWS, export
from unspoken.cli.importing import ingest
from unspoken.errors import BadInput, NotFound, Unavailable
from unspoken.events import KINDS, hash_user, parse
from unspoken.pairs.build import build
from unspoken.pairs.recipe import named
from unspoken.store import ingest as store
from unspoken.store import projects, reading
from unspoken.store.database import reading as looking
from unspoken.store.database import transaction
from unspoken.store.tables import Message

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def quiet(share: float, note: str) -> None:
    assert 0 <= share <= 1


def keep(engine, project, items, received_at=NOW, sent_at=None) -> None:
    with transaction(engine) as session:
        events = [parse(item) for item in items]
        store.ingest(session, projects.get(session, project.id), events, sent_at=sent_at, received_at=received_at)


def told(engine, name: str):
    """Messages, events and texts of a project, as labelling reads them."""
    with looking(engine) as session:
        project = projects.get(session, name)
        return (
            reading.read_messages(session, project.id),
            reading.read_events(session, project.id),
            reading.read_texts(session, project.id),
        )


def out(engine, name: str, path, purpose="training", since=None):
    with looking(engine) as session:
        return export(session, name, path, purpose, since, quiet)


def lines(path) -> list[dict[str, object]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in raw.splitlines()]


@pytest.fixture
def filled(engine, project, make_event):
    """Two exchanges of two people, and every kind of event about them."""
    items = []
    for user in ("ann", "bob"):
        names = {"conversation": f"c-{user}", "user": user}
        items += [
            make_event("message", message=f"{user}-1", role="user", text=f"Wo ist es, {user}? 🚉", **names),
            make_event("message", message=f"{user}-2", role="assistant", text="Dort.", parent=f"{user}-1",
                       conversation=f"c-{user}", model="m", meta={"a": [1]}, duration_ms=5, arm={"b": 1}, n=3),
            make_event("message", message=f"{user}-3", role="assistant", text="Hier.", parent=f"{user}-1",
                       conversation=f"c-{user}"),
        ]  # fmt: skip
        own: dict[str, dict[str, object]] = {
            "choice": {"chosen": f"{user}-2", "rejected": [f"{user}-3"], "message": None},
            "edit": {"to": f"{user}-3"},
        }
        shared = {"message": f"{user}-2", "session": "s", "device": "phone", **names}
        items += [make_event(kind, **{**shared, **own.get(kind, {})}) for kind in KINDS if kind != "message"]
    keep(engine, project, items, sent_at=NOW - timedelta(seconds=7))
    return items


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.jsonl", "out.parquet", "world"])
def test_what_is_exported_and_imported_again_is_the_same(engine, project, filled, tmp_path, name):
    done = out(engine, "chat", tmp_path / name)
    assert (done.events, done.reading.left_out) == (len(filled), {})
    tally = ingest(engine, source.world(tmp_path / name), "again", quiet)
    assert (tally.stored, tally.repeated, tally.refused) == (len(filled), 0, 0)

    (messages, events, texts), (messages2, events2, texts2) = told(engine, "chat"), told(engine, "again")
    with looking(engine) as session:
        secret = projects.get(session, "again").user_secret
    renamed = {user: hash_user(secret, user) for user in events["user"].drop_nulls().unique()}
    assert len(renamed) == 2 and texts2 == texts
    assert_frame_equal(messages2, messages.with_columns(pl.col("user").replace(renamed)))
    assert_frame_equal(events2, events.with_columns(pl.col("user").replace(renamed)))

    first, second = (build(m, e, named("chat")) for m, e in ((messages, events), (messages2, events2)))
    assert_frame_equal(
        second.labels.sort("family", "message"),
        first.labels.with_columns(pl.col("user").replace(renamed)).sort("family", "message"),
    )
    ids = ["prompt", "chosen", "rejected", "family", "rule", "p", "margin", "evidence"]
    assert_frame_equal(second.pairs.select(ids), first.pairs.select(ids))


def test_no_name_of_a_user_leaves(engine, filled, tmp_path):
    out(engine, "chat", tmp_path / "out.jsonl")
    users = {line.get("user") for line in lines(tmp_path / "out.jsonl")} - {None}
    assert len(users) == 2 and all(len(str(user)) == 64 for user in users)


def test_the_same_events_are_the_same_file(engine, filled, tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        out(engine, "chat", tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


@pytest.mark.parametrize(("rule", "kept"), [("assumed", {"agreed", "silent"}), ("required", {"agreed"})])
def test_what_was_not_agreed_to_does_not_leave(engine, project, make_event, tmp_path, rule, kept):
    said = {"agreed": "2026-10:service,training", "silent": None, "other": "2026-10:service", "version": "2026-10"}
    items = [make_event("share", conversation=name, consent=consent) for name, consent in said.items()]
    keep(engine, project, items)
    with transaction(engine) as session:
        projects.get(session, "chat").settings = {"consent": rule}
    done = out(engine, "chat", tmp_path / "out.jsonl")
    assert {line["conversation"] for line in lines(tmp_path / "out.jsonl")} == kept
    assert done.reading.left_out["no consent to training"].count == len(said) - len(kept)
    out(engine, "chat", tmp_path / "service.jsonl", "service")
    assert {"agreed", "other"} <= {line["conversation"] for line in lines(tmp_path / "service.jsonl")}


@pytest.mark.parametrize(("rule", "left"), [("assumed", {"q2", "a2", "q3", "a3", "q4"}), ("required", {"q2", "a2"})])
def test_an_export_leaves_out_what_labels_leave_out(engine, project, make_event, tmp_path, rule, left):
    """A machine's answer quotes what it answers: it goes with that, and needs no consent of its own."""

    def exchange(number, consent):
        place = {"conversation": f"c{number}"}
        asked = make_event("message", **place, message=f"q{number}", user="ann", consent=consent)
        answered = make_event("message", **place, message=f"a{number}", parent=f"q{number}", role="assistant")
        return [asked, answered]

    said = "2026-10:service,training"
    items = exchange(1, "2026-10:service") + exchange(2, said) + exchange(3, None)
    items += exchange(4, said)[:1]
    items += [make_event("vote", conversation="c2", message="a2", user="ann", consent="2026-10")]
    if rule == "required":
        items += [make_event("copy", conversation="c4", message="q4", user="bob")]
    keep(engine, project, items)
    with transaction(engine) as session:
        projects.get(session, "chat").settings = {"consent": rule}
    out(engine, "chat", tmp_path / "out.jsonl")
    assert {line["message"] for line in lines(tmp_path / "out.jsonl")} == left
    assert "vote" not in {line["kind"] for line in lines(tmp_path / "out.jsonl")}


def test_since_takes_what_was_received_from_then_on(engine, project, make_event, tmp_path):
    for day in (1, 2, 3):
        keep(engine, project, [make_event("share", conversation=str(day))], NOW + timedelta(days=day))
    out(engine, "chat", tmp_path / "out.jsonl", since=NOW + timedelta(days=2))
    assert [line["conversation"] for line in lines(tmp_path / "out.jsonl")] == ["2", "3"]


def test_a_message_whose_text_was_removed_is_counted(engine, project, filled, tmp_path):
    with transaction(engine) as session:
        session.execute(delete(Message).where(Message.id == "ann-2"))
    done = out(engine, "chat", tmp_path / "out.jsonl")
    assert done.reading.left_out["a message whose text was removed"].count == 1
    assert done.events == len(filled) - 1


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.parquet", "world"])
def test_an_export_that_is_stopped_leaves_nothing(engine, project, make_event, tmp_path, name):
    keep(engine, project, [make_event("share") for _ in range(ROWS)])

    def stop(share: float, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), looking(engine) as session:
        export(session, "chat", tmp_path / "new" / name, "training", None, stop)
    assert list((tmp_path / "new").iterdir()) == []


FILES = ["out.jsonl.gz", "out.jsonl", "out.parquet"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_being_written_is_not_swept_away_by_another_process(engine, project, make_event, tmp_path, name):
    keep(engine, project, [make_event("share") for _ in range(ROWS)])
    code = (
        f"from pathlib import Path; from unspoken import folders; folders.sweep(Path({str(tmp_path / 'new' / name)!r}))"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)

    def sweep(share: float, note: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path})

    with looking(engine) as session:
        export(session, "chat", tmp_path / "new" / name, "training", None, sweep)
    assert [file.name for file in (tmp_path / "new").iterdir()] == [name]


@pytest.mark.parametrize("name", [*FILES, "world"])
def test_an_export_whose_unfinished_file_somebody_removed_says_so(engine, project, make_event, tmp_path, name):
    keep(engine, project, [make_event("share") for _ in range(ROWS)])

    def remove(share: float, note: str) -> None:
        for left in (tmp_path / "new").iterdir():
            shutil.rmtree(left)

    with pytest.raises(Unavailable, match=r"Somebody removed .* before .* was whole"), looking(engine) as session:
        export(session, "chat", tmp_path / "new" / name, "training", None, remove)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_a_link_to_a_file_is_written_through(engine, filled, tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "disk" / "events")
    for _ in range(2):
        out(engine, "chat", tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert [file.name for file in (tmp_path / "disk").iterdir()] == ["events"]


def test_a_strangers_folder_is_not_replaced(engine, project, filled, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    with pytest.raises(BadInput, match="holds something that is no world"):
        out(engine, "chat", tmp_path / "mine")
    (tmp_path / "mine.jsonl").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        out(engine, "chat", tmp_path / "mine.jsonl")
    with pytest.raises(NotFound):
        out(engine, "nobody", tmp_path / "out.jsonl")
    for _ in range(2):  # its own is
        out(engine, "chat", tmp_path / "world")


def test_a_world_folder_says_how_its_project_is_labelled(engine, filled, tmp_path):
    with transaction(engine) as session:
        known = projects.get(session, "chat")
        known.recipe, known.simulated = "chitchat", False
        known.settings = {"about": {"facts": ['Said "so"\n\x7f.'], "assumptions": ["None."]}}
    out(engine, "chat", tmp_path / "world")
    read = source.world(tmp_path / "world")
    assert (read.recipe, read.about["facts"], read.about["assumptions"]) == (
        "chitchat",
        ['Said "so"\n\x7f.'],
        ["None."],
    )


def test_a_project_without_events_is_an_empty_file(engine, project, tmp_path):
    for name in ("out.jsonl", "out.parquet"):
        out(engine, "chat", tmp_path / name)
        assert list(source.world(tmp_path / name).events) == []


def test_the_commands_say_what_they_did_and_what_comes_next(cli, jsonl):
    asked = {"messages": [{"role": "user", "content": "How?"}, {"role": "assistant", "content": "So."}], "rating": 1}
    path = jsonl(asked | {"rating": "up"}, b"no json", {"messages": 3})
    brought = cli("import", "openai", str(path), "--project", "shop")
    assert brought.stdout.splitlines() == [
        "3 stored, 0 repeated, 0 refused",
        "left out:",
        "    1  not JSON; first: log.jsonl, line 2",
        "    1  `messages` is not a list of messages; first: log.jsonl, line 3",
        "Next: unspoken pairs --project shop --out dataset, or unspoken up",
    ]
    assert cli("import", "openai", str(path), "--project", "shop").stdout.startswith("0 stored, 3 repeated")
    assert cli("export", "events", "--project", "shop", "--out", "o.jsonl.gz").stdout.startswith(
        "o.jsonl.gz: 3 events\n"
    )
    assert cli("import", "world", "o.jsonl.gz", "--project", "b").stdout.startswith("3 stored")
    wrong = cli("export", "events", "--project", "shop", "--out", "o.jsonl", "--since", "soon")
    assert wrong.code == 2 and "--since soon is no date" in wrong.stderr
    wrong = cli("import", "openai", str(path), "--scale", "5..1")
    assert wrong.code == 2 and "--scale 5..1 is no scale" in wrong.stderr
    wrong = cli("import", "table", str(path), "--map", "text=a")
    assert wrong.code == 2 and "makes no events" in wrong.stderr


def test_a_purpose_that_nobody_named_is_warned_of(cli, jsonl, make_event):
    path = jsonl(make_event("share", consent="2026-10:training"), make_event("share", conversation="c2"))
    assert cli("import", "world", str(path), "--project", "shop").code == 0
    mistyped = cli("export", "events", "--project", "shop", "--out", "o.jsonl", "--purpose", "trainig")
    assert mistyped.code == 0 and mistyped.stdout.startswith("o.jsonl: 1 event\n")
    assert "warning: no event of shop names the purpose 'trainig'" in mistyped.stderr
    for more in ((), ("--purpose", "training"), ("--since", "2200-01-01")):
        assert "warning" not in cli("export", "events", "--project", "shop", "--out", "o.jsonl", *more).stderr


@pytest.mark.parametrize("name", ["shop.csv", "shop.json", "shop.json.gz", "shop.JSONL"])
def test_a_suffix_that_is_none_of_ours_is_refused(engine, project, tmp_path, name):
    with pytest.raises(BadInput, match=r"a file \.jsonl, \.jsonl\.gz or \.parquet"):
        out(engine, "chat", tmp_path / name)
    assert not (tmp_path / name).exists()


def test_an_import_that_breaks_off_before_its_first_batch_leaves_no_project(cli, jsonl, make_event):
    refused = make_event("share") | {"kind": "shares"}
    for name, line in {"a.jsonl": b"{broken", "b.jsonl": {"messages": 3}, "c.jsonl": refused}.items():
        assert cli("import", "world", str(jsonl(line, name=name)), "--project", "shop").code == 2
    assert cli("import", "openai", str(jsonl(b"{broken")), "--project", "shop").code == 2
    assert "There are no projects yet" in cli("projects", "list").stdout


def test_a_scale_is_two_numbers_or_thumbs(cli, jsonl):
    path = jsonl({"messages": [{"role": "assistant", "content": "So."}], "rating": 1})
    for scale, stored in (("thumbs", "2 stored"), ("1..5", "1 stored, 1 repeated")):
        brought = cli("import", "openai", str(path), "--project", "shop", "--scale", scale)
        assert brought.stdout.startswith(stored) and brought.code == 0
    assert "thumbs" in cli("import", "openai", str(path), "--scale", "thumb").stderr
    mapped = ("--map", "prompt=a", "--map", "text=b")
    assert "no scale" in cli("import", "table", str(path), *mapped, "--scale", "thumbs").stderr


def test_a_file_that_cannot_be_read_leaves_no_project(cli, tmp_path):
    missing = cli("import", "realhumaneval", "nowhere.csv", "--project", "shop")
    assert missing.code == 2 and "nowhere.csv" in missing.stderr
    assert "There is no project 'shop'" in cli("export", "events", "--project", "shop", "--out", "o.jsonl").stderr
    assert not (tmp_path / "o.jsonl").exists()
