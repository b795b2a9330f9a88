"""Worlds whose truth is known: the same seed is the same world, and the truth is what the events follow."""

import gzip
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from unspoken.errors import BadInput
from unspoken.events import parse
from unspoken.simulate.config import World, from_dict
from unspoken.simulate.texts import ATTRIBUTES
from unspoken.simulate.world import simulate
from unspoken.sources import world as worlds

SMALL = World(users=150)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return simulate(SMALL, 7, tmp_path_factory.mktemp("worlds") / "world")


@pytest.fixture(scope="module")
def events(folder):
    return [parse(event) for event in worlds.events(folder)]  # every event is one that POST /v1/events takes


@pytest.fixture(scope="module")
def truth(folder):
    return pl.read_parquet(folder / "truth" / "answers.parquet")


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_world_holds_what_it_should(folder):
    assert sorted(bytes_of(folder)) == [
        "events.jsonl.gz", "truth/answers.parquet", "truth/labels.parquet", "truth/users.parquet", "world.toml"
    ]  # fmt: skip


def test_the_same_seed_is_the_same_world_to_the_byte(folder, tmp_path):
    assert bytes_of(simulate(SMALL, 7, tmp_path / "again")) == bytes_of(folder)


def test_another_seed_is_another_world(folder, tmp_path):
    other = simulate(SMALL, 8, tmp_path / "other")
    assert gzip.decompress(bytes_of(other)["events.jsonl.gz"]) != gzip.decompress(bytes_of(folder)["events.jsonl.gz"])


def test_event_ids_are_all_different(events):
    assert len({event.id for event in events}) == len(events)


def test_times_go_forward_for_every_user(events):
    last: dict[str, object] = {}
    for event in events:
        assert event.at >= last.get(event.conversation, event.at)
        last[event.conversation] = event.at


def test_every_event_speaks_of_a_message_that_came_before_it(events):
    known = set()
    for event in events:
        if event.kind == "message":
            assert event.parent is None or event.parent in known
            known.add(event.message)
        assert event.message in known or event.kind == "choice"


def test_the_truth_has_the_columns_of_the_contract(folder, truth):
    own = [*ATTRIBUTES, "filler", "policy", "topic", "anchor"]
    assert truth.columns == ["message", "user", "u_stated", "u_revealed", *own]
    users = pl.read_parquet(folder / "truth" / "users.parquet")
    assert users.columns == ["user", "group", "bot", "brigade", "erases", "w_stated", "w_revealed"]
    labels = pl.read_parquet(folder / "truth" / "labels.parquet")
    assert labels.columns == ["message", "user", "p_bayes"]
    assert labels["message"].equals(truth["message"])
    assert labels["p_bayes"].is_between(0, 1).all()
    assert (len(users), users["w_stated"].list.len().unique().to_list()) == (150, [len(ATTRIBUTES)])


def test_the_truth_speaks_of_every_answer_and_no_event_tells_it(events, truth, folder):
    answers = [event.message for event in events if event.kind == "message" and event.role == "assistant"]
    assert sorted(answers) == sorted(truth["message"])
    text = gzip.decompress((folder / "events.jsonl.gz").read_bytes()).decode()
    assert "u_stated" not in text
    assert "u_revealed" not in text


def test_after_a_close_nothing_more_happens_in_the_conversation(events):
    closed = set()
    for event in events:
        assert event.conversation not in closed
        if event.kind == "close":
            closed.add(event.conversation)


def test_nobody_sees_more_than_there_is_or_votes_twice(events):
    for event in events:
        if event.kind in ("view", "stop", "close"):
            assert event.seen_chars <= event.total_chars
    votes = Counter(event.message for event in events if event.kind == "vote")
    assert set(votes.values()) == {1}


def test_votes_follow_the_stated_utility_and_acts_the_revealed_one(tmp_path):
    folder = simulate(World(users=500, rho=0.0), 1, tmp_path / "world")
    truth = pl.read_parquet(folder / "truth" / "answers.parquet")
    rows = [event for event in worlds.events(folder) if event["kind"] in ("vote", "stop", "regenerate", "copy")]
    acts = pl.DataFrame([(event["message"], event["kind"], event.get("value")) for event in rows],
                        schema=["message", "kind", "value"], orient="row")  # fmt: skip
    votes = truth.join(acts.filter(kind="vote"), on="message")
    assert votes.select(pl.corr("value", "u_stated")).item() > 0.4
    assert abs(votes.select(pl.corr("value", "u_revealed")).item()) < 0.1
    for kind, sign in (("stop", -1), ("regenerate", -1), ("copy", 1)):
        done = truth.with_columns(did=pl.col("message").is_in(acts.filter(kind=kind)["message"].implode()).cast(float))
        assert sign * done.select(pl.corr("did", "u_revealed")).item() > 0.1
        assert abs(done.select(pl.corr("did", "u_stated")).item()) < 0.08


def test_at_rho_one_both_utilities_are_one(tmp_path):
    folder = simulate(replace(SMALL, rho=1.0), 3, tmp_path / "world")
    truth = pl.read_parquet(folder / "truth" / "answers.parquet")
    assert truth["u_stated"].to_numpy() == pytest.approx(truth["u_revealed"].to_numpy(), abs=1e-12)
    users = pl.read_parquet(folder / "truth" / "users.parquet")
    assert users["w_stated"].equals(users["w_revealed"], check_names=False)


def test_world_toml_makes_the_world_again(folder, tmp_path):
    told = tomllib.loads((folder / "world.toml").read_text())
    assert told["simulated"] is True
    again = simulate(from_dict(told["world"]), told["seed"], tmp_path / "again")
    assert bytes_of(again) == bytes_of(folder)


def test_a_world_is_replaced_by_another_only_by_force(tmp_path):
    simulate(World(users=2), 1, tmp_path / "world")
    with pytest.raises(BadInput, match=r"world holds a world already\. Name another folder, or say --force"):
        simulate(World(users=3), 1, tmp_path / "world")
    assert len(pl.read_parquet(tmp_path / "world" / "truth" / "users.parquet")) == 2
    simulate(World(users=3), 1, tmp_path / "world", force=True)
    assert len(pl.read_parquet(tmp_path / "world" / "truth" / "users.parquet")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize("names", [["letter"], ["world.toml"], ["world.toml", "events.jsonl.gz", "letter"]])
def test_a_folder_that_holds_something_else_is_not_overwritten(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("dear anna")
    with pytest.raises(BadInput, match="holds something that is no world; name an empty folder or a new one"):
        simulate(World(users=2), 1, tmp_path, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_is_not_overwritten_either(tmp_path):
    (tmp_path / "letter").write_text("dear anna")
    with pytest.raises(BadInput, match="no world"):
        simulate(World(users=2), 1, tmp_path / "letter")


def test_an_empty_folder_is_taken_also_by_the_name_of_dot(tmp_path, monkeypatch):
    (tmp_path / "world").mkdir()
    monkeypatch.chdir(tmp_path / "world")
    simulate(World(users=2), 1, Path())
    assert (tmp_path / "world" / "events.jsonl.gz").is_file()


def test_a_seed_below_nought_is_refused(tmp_path):
    with pytest.raises(BadInput, match="The seed is -1; a whole number from 0 on was needed"):
        simulate(World(users=2), -1, tmp_path / "world")


@pytest.mark.parametrize("answers", [2, 3])
def test_nobody_regenerates_without_getting_another_answer(tmp_path, answers):
    folder = simulate(World(users=40, answers_per_prompt=answers, regenerate_rate=1), 1, tmp_path / "world")
    count = Counter(event["kind"] for event in worlds.events(folder))
    per_chat = Counter(
        event["conversation"] for event in worlds.events(folder)
        if event["kind"] == "message" and event["role"] == "assistant"
    )  # fmt: skip
    assert count["regenerate"] == sum(per_chat.values()) - len(per_chat)
    assert max(per_chat.values()) == answers


@pytest.mark.parametrize("end", [0, 1])
def test_rates_at_their_ends_mean_never_and_always(tmp_path, end):
    world = replace(
        World(users=5, vote_rate=end, copy_rate=end, regenerate_rate=end),
        stop_per_s=1e-9, close_per_s=1e-9, unread_rate=0.0, variety=0.0, solicit_rate=0.0,
    )  # fmt: skip
    kinds = Counter(event["kind"] for event in worlds.events(simulate(world, 1, tmp_path / "world")))
    assert kinds["vote"] == kinds["copy"] == end * kinds["view"]
    assert (kinds["regenerate"] > 0) == bool(end)
