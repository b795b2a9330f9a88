"""benchmarks/labels.py on worlds that another program wrote: whatever docs/events.md leaves open."""

import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from unspoken.signals import topics

CODE, CAKES = "Mend the broken loop in this little program", "How long should one bake such chocolate cakes"
ROOT = Path(__file__).parents[1]


class Foreign:
    """A world of 120 answers to 30 people, as somebody would write it who has read the format and nothing else."""

    def __init__(self) -> None:
        draw = random.Random(7)
        self.events: list[dict[str, Any]] = []
        self.answers: Any = []
        self.labels: Any = []
        self.users: Any = []
        for user in range(30):
            weights = [1.0 + draw.gauss(0, 0.2), draw.gauss(0, 0.2)]
            self.users.append({"user": f"{user}", "bot": False, "w_stated": weights, "w_revealed": weights[::-1]})
            for turn in range(4):
                prompt, answer, at = f"p {user} {turn}", f"a {user} {turn}", 1_790_000_000_000 + 10**7 * turn
                wit, calm = draw.choice([0, 1]), draw.choice([0, 1])
                worth = wit - 0.5 + draw.gauss(0, 0.3)
                self._add(draw, "message", at, user, message=prompt, role="user", text=f"What of {turn}?")
                self._add(
                    draw, "message", at + 900, None, message=answer, role="assistant", text="Well.", parent=prompt
                )
                self._add(draw, "expose", at + 950, user, message=answer)
                if worth > 0.6:
                    self._add(draw, "copy", at + 5000, user, message=answer)
                if worth < -0.5:
                    self._add(draw, "stop", at + 2000, user, message=answer)
                if turn % 2:
                    self._add(draw, "vote", at + 6000, user, message=answer, value=1 if wit else -1)
                row = {"message": answer, "user": f"{user}", "u_stated": worth, "u_revealed": worth}
                self.answers.append(row | {"wit": wit, "calm": calm, "policy": "b"})
                self.labels.append({"message": answer, "user": f"{user}", "p_bayes": 0.9 if worth > 0 else 0.1})

    def _add(self, draw, kind, at, user, **own):
        who = {} if user is None else {"user": f"{user}"}
        event_id = str(UUID(int=draw.getrandbits(128), version=4))
        self.events.append({"id": event_id, "kind": kind, "at": at, "conversation": own["message"][1:], **who, **own})

    def write(self, folder):
        """Without world.toml: how it was made is its maker's matter. A table that is None is not written."""
        (folder / "truth").mkdir(parents=True)
        with gzip.open(folder / "events.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(event) + "\n" for event in self.events)
        for name in ("answers", "labels", "users"):
            if (rows := getattr(self, name)) is not None:
                table = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
                table.write_parquet(folder / "truth" / f"{name}.parquet")
        return folder


@pytest.fixture
def world():
    return Foreign()


@pytest.fixture
def score(world, tmp_path, monkeypatch, capsys):
    """Scores the world as the command line does; the row it prints."""
    monkeypatch.syspath_prepend(str(ROOT))

    def run():
        from benchmarks import labels

        monkeypatch.setattr(sys, "argv", ["labels.py", "--world", str(world.write(tmp_path / "theirs"))])
        labels.main()
        said = capsys.readouterr().out
        row, end = json.JSONDecoder(parse_constant=lambda name: pytest.fail(f"{name} is no JSON")).raw_decode(said)
        assert "| theirs |" in said[end:]
        return row

    return run


@pytest.fixture
def refused(score, capsys):
    """The one sentence with which the command line ends."""

    def run():
        with pytest.raises(SystemExit) as ended:
            score()
        said = capsys.readouterr()
        assert (ended.value.code, said.out) == (2, "")
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        return said.err

    return run


@pytest.fixture
def frames(world):
    """The truth as frames, for what JSON-like rows cannot say."""
    world.answers, world.labels, world.users = map(pl.DataFrame, (world.answers, world.labels, world.users))
    return world


def test_a_world_of_another_program_gets_its_figures(score):
    row = score()
    assert (row["answers"], row["notes"]) == (120, [])
    assert 0.3 < row["coverage"] < 1  # without an act or a time the hand-set weights abstain
    assert row["arms"]["factor"]["auc"] > 0.6
    assert set(row["arms"]["bayes"]) == set(row["arms"]["hand-set"]) == {"auc", "brier", "kl"}
    assert row["bots_fpr"] == 0
    assert row["stated_cosine"] > 0.9
    assert row["rule"] == "acts/1"  # too few answers to fit: said, because the arm is called factor


def test_votes_are_scored_by_what_people_would_say_and_replies_by_what_they_follow(world, score):
    for row in world.answers:
        row["u_stated"] = row["wit"] - 0.5  # which is what every second answer is voted by
    for user, wrote in enumerate(("Thank you!", "That is wrong.") * 15):
        answer = world.answers[4 * user]
        answer["u_revealed"] = 1.0 if wrote == "Thank you!" else -1.0
        world._add(random.Random(user), "message", 1_790_000_007_000, f"{user}", message=f"r {user}", role="user",
                   text=wrote, parent=answer["message"])  # fmt: skip
        world.events[-1]["conversation"] = answer["message"][1:]
    families = score()["families"]
    assert (families["stated"]["labels"], families["stated"]["coverage"]) == (60, 0.5)
    exact = {"auc": 1, "brier": 0}
    assert families["stated"]["arms"] == {"votes, weighted": exact, "votes": exact}
    assert families["expressed"]["labels"] == 30
    assert families["expressed"]["arms"]["replies"]["auc"] > 0.95  # of both utilities: one in 30 may say otherwise


def test_without_votes_there_is_nothing_stated_to_score(world, score):
    world.events = [event for event in world.events if event["kind"] != "vote"]
    assert score()["families"]["stated"] == {"labels": 0, "coverage": 0, "bayes_known": 0, "arms": {}}


def test_what_nobody_would_say_is_no_family(frames, score):
    frames.answers = frames.answers.drop("u_stated")
    assert score()["families"] == {}


def test_what_nobody_knows_may_be_missing(world, score):
    world.labels = world.users = None
    row = score()
    assert set(row["arms"]["factor"]) == {"auc", "brier"}
    assert "bayes" not in row["arms"]
    assert not {"bots_fpr", "stated_cosine"} & set(row)


def test_ids_may_be_whole_numbers_in_the_tables(frames, score):
    frames.users = frames.users.cast({"user": pl.Int64})
    frames.answers = frames.answers.cast({"user": pl.Int32})
    assert score()["answers"] == 120


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_p_bayes_counts_where_it_is_known(frames, score, unknown):
    half = pl.int_range(pl.len()) % 2 == 0
    frames.labels = frames.labels.with_columns(p_bayes=pl.when(half).then("p_bayes").otherwise(pl.lit(unknown)))
    row = score()
    assert row["bayes_known"] == pytest.approx(0.5, abs=0.1)  # of the answers with a label
    assert row["arms"]["factor"]["kl"] > 0


@pytest.mark.parametrize("kind", [pl.Boolean, pl.Int8, pl.Float32])
def test_attributes_are_numbers_or_true_and_false(frames, score, kind):
    frames.answers = frames.answers.cast({"wit": kind, "calm": kind}).with_columns(tone=pl.lit("warm"))
    assert score()["stated_cosine"] > 0.9


def test_what_is_told_beside_the_attributes_is_none_of_them(frames, score):
    beside = {"par": 0.0, "p_bayes": 0.5, "bot": False}
    frames.answers = frames.answers.with_columns(pl.lit(value).alias(name) for name, value in beside.items())
    assert score()["stated_cosine"] > 0.9


def test_topics_are_those_that_a_build_finds_where_no_event_names_one(world, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.labels_parts.cases import of_folder

    monkeypatch.setattr(topics, "ANSWERS_EACH", 60)
    for number, event in enumerate(each for each in world.events if each.get("role") == "user"):
        event["text"] = (CODE, CAKES)[number % 2] + f" {number % 20}"
    found = of_folder(world.write(tmp_path / "theirs")).episodes
    assert sorted(found["topic"].value_counts()["count"]) == [60, 60]


def test_weights_may_be_arrays_or_structs_by_the_attributes_names(frames, score):
    fixed = frames.users.with_columns(pl.col("w_stated").cast(pl.Array(pl.Float64, 2)))
    of = pl.col("w_revealed").list
    named = pl.struct(other=pl.lit(0.0), calm=of.get(1), wit=of.get(0))
    frames.users = fixed.with_columns(w_revealed=named)
    frames.answers = frames.answers.with_columns(length=pl.lit(3))  # no attribute: the struct does not name it
    row = score()
    assert row["stated_cosine"] > 0.9
    assert row["notes"] == []


def test_weights_that_fit_no_attributes_are_left_out_with_a_word(frames, score):
    frames.answers = frames.answers.with_columns(length=pl.lit(3))
    frames.users = frames.users.with_columns(w_revealed=pl.lit("[1, 0]"))
    row = score()
    assert "stated_cosine" not in row
    assert [note[:52] for note in row["notes"]] == [
        "w_stated of users.parquet is lists of 2 numbers, and",
        "w_revealed of users.parquet is String, and 3 numbers",
    ]


@pytest.mark.parametrize("mark", [pl.lit(0), pl.lit(None), pl.lit(None, dtype=pl.Boolean)])
def test_a_mark_may_be_a_number_or_unknown(frames, score, mark):
    frames.users = frames.users.with_columns(bot=mark)
    row = score()
    assert row["answers"] == 120
    assert "bots_tpr" not in row


def test_bots_are_not_scored(frames, score):
    frames.users = frames.users.with_columns(bot=pl.col("user") == "3")
    row = score()
    assert row["answers"] == 116
    assert row["bots_tpr"] == 0


def test_who_is_in_no_table_of_users_is_a_person(frames, score):
    frames.users = frames.users.head(20)
    row = score()
    assert row["answers"] == 120
    assert row["notes"] == ["10 users of the answers are not in users.parquet: taken for people, with par 0."]


def test_answers_of_nobody_known_are_scored_too(world, score):
    for event in world.events:
        event.pop("user", None)
    row = score()
    assert row["answers"] == 120
    assert row["coverage"] > 0.3


def test_a_truth_of_some_answers_and_of_others_is_told(frames, score):
    frames.answers = pl.concat(
        [frames.answers.head(90), frames.answers.tail(2).with_columns(message=pl.lit("?") + pl.col("message"))]
    )
    row = score()
    assert row["answers"] == 90
    assert row["notes"] == [
        "30 answers of the events have no row in truth/answers.parquet: not scored.",
        "2 messages of truth/answers.parquet are no answers of the events: passed over.",
    ]


def test_a_value_that_is_not_known_is_not_scored(frames, score):
    unknown = pl.when(pl.int_range(pl.len()) < 20).then(float("nan")).otherwise("u_revealed")
    frames.answers = frames.answers.with_columns(u_revealed=unknown, calm=pl.when(pl.col("wit") > 0).then("calm"))
    row = score()
    assert row["answers"] == 100
    assert row["notes"] == ["calm: not known of every answer; the mean stands in for what is not."]
    assert row["stated_cosine"] > 0.9


def test_a_world_of_one_opinion_has_no_auc(frames, score):
    frames.answers = frames.answers.with_columns(u_revealed=pl.lit(1.0))
    assert set(score()["arms"]["factor"]) == {"brier", "kl"}


def test_a_world_in_which_nobody_does_anything_has_no_labels(world, score):
    world.events = [event for event in world.events if event["kind"] in ("message", "vote")]
    row = score()
    assert (row["answers"], row["coverage"], row["arms"]["factor"]) == (120, 0, {})


def test_the_same_row_twice_is_one(world, score):
    world.answers.append(world.answers[0])
    assert score()["answers"] == 120


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("answers", pl.col("u_revealed").cast(pl.String), "u_revealed is String; a number was needed"),
        ("answers", pl.lit("a 0 0").alias("message"), 'several rows for the message "a 0 0"; one row for each'),
        ("answers", pl.col("u_stated").alias("message"), "message is Float64; ids as the events name them were needed"),
        (
            "answers",
            (pl.lit("?") + pl.col("message")).alias("message"),
            "no id is in both (the first has 'a 0 0' and the second has '?a 0",
        ),
        ("answers", pl.lit(float("nan")).alias("u_revealed"), "u_revealed is known of no answer"),
        ("labels", (pl.col("p_bayes") * 100), "a p_bayes is 10.0; a probability, from 0 to 1, was needed"),
        ("users", pl.lit("no").alias("bot"), "bot is String; true or false was needed"),
    ],
)
def test_a_table_that_does_not_fit_is_told_in_a_sentence(frames, refused, table, change, said):
    setattr(frames, table, getattr(frames, table).with_columns(change))
    assert said in refused()


@pytest.mark.parametrize("column", ["message", "user", "u_revealed"])
def test_a_column_that_is_missing_is_named(frames, refused, column):
    frames.answers = frames.answers.drop(column)
    assert f"answers.parquet lacks the columns {column}; it has " in refused()


def test_a_world_without_truth_is_told(world, refused):
    world.answers = None
    assert "has no truth/answers.parquet (message, user, u_revealed)" in refused()


def test_a_table_that_is_no_parquet_is_told(world, refused, tmp_path, monkeypatch):
    wrote = world.write
    monkeypatch.setattr(
        world, "write", lambda folder: (wrote(folder) / "truth/labels.parquet").write_text("x") and folder
    )
    assert "labels.parquet is no Parquet file that can be read" in refused()


def test_an_event_that_is_none_is_named_by_its_number(world, refused):
    world.events[4]["mood"] = "glad"
    assert "theirs, event 5: " in (said := refused())
    assert 'has no field "mood"' in said


def test_what_people_did_not_agree_to_is_not_scored(world, score):
    for event in world.events:
        if event.get("user") == "5":
            event["consent"] = "2026-10:service"
    row = score()
    assert row["answers"] < 120
    assert any("no consent for training" in note for note in row["notes"])
