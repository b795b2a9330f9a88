"""The firewall between what users say and what they do (docs: each rule is a test)."""

import ast
from inspect import getsource
from random import Random

import polars as pl
import pytest
from msgspec.structs import replace
from polars.testing import assert_frame_equal

from unspoken.events import EXPRESSED, STATED, Event
from unspoken.frames import EPISODES, PAIRS
from unspoken.pairs import stated
from unspoken.pairs.build import Built, build
from unspoken.pairs.recipe import named
from unspoken.signals import evidence, reading, siblings
from unspoken.signals.episodes import episodes

SECRET = "5e" * 32
STATED_COLUMNS = {"vote", "rating", "rating_by", "rating_lowest", "rating_highest", "stated_evidence"}


def built(events: list[Event], recipe: str = "chat") -> Built:
    messages, acts, _ = reading.frames(events, SECRET)
    return build(messages, acts, named(recipe))


@pytest.fixture(scope="module")
def whole(world) -> Built:
    return built(world)


def of(frame: pl.DataFrame, family: str) -> pl.DataFrame:
    return frame.filter(pl.col("family") == family)


def with_votes_shuffled(events: list[Event], seed: int) -> list[Event]:
    values = [event.value for event in events if event.kind == "vote"]
    Random(seed).shuffle(values)
    return [replace(event, value=values.pop()) if event.kind == "vote" else event for event in events]


def without_stated(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind not in STATED]


def without_acts(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind == "message" or event.kind in STATED]


def test_there_is_something_to_hold_back(whole):
    assert set(of(whole.labels, "stated")["rule"]) == {stated.VOTE_RULE}
    assert set(of(whole.pairs, "stated")["rule"]) == {stated.VOTE_PAIR_RULE, stated.CHOICE_RULE}
    assert min(len(of(whole.labels, "revealed")), len(of(whole.pairs, "revealed"))) > 50


@pytest.mark.parametrize("change", [without_stated, lambda events: with_votes_shuffled(events, 2)])
def test_votes_ratings_and_choices_change_no_revealed_label_or_pair(world, whole, change):
    other = built(change(world))
    assert_frame_equal(other.acts, whole.acts, check_exact=True)
    for name in ("labels", "pairs", "unpaired"):
        theirs, ours = of(getattr(other, name), "revealed"), of(getattr(whole, name), "revealed")
        assert_frame_equal(theirs, ours, check_exact=True)


def test_shuffled_votes_do_change_the_stated_labels(world, whole):
    other = built(with_votes_shuffled(world, 2))
    assert not of(other.labels, "stated")["p"].equals(of(whole.labels, "stated")["p"])


def test_what_users_do_changes_no_stated_label(world, whole):
    other = built(without_acts(world))
    for name in ("labels", "pairs", "unpaired"):
        assert_frame_equal(of(getattr(other, name), "stated"), of(getattr(whole, name), "stated"), check_exact=True)


def test_no_word_of_an_answer_reaches_a_label(world, whole):
    def other_words(event: Event) -> Event:
        if event.kind != "message" or event.role != "assistant":
            return event
        return replace(event, text=event.text[::-1].swapcase())

    other = built([other_words(event) for event in world])
    assert_frame_equal(other.labels, whole.labels, check_exact=True)
    assert_frame_equal(other.acts, whole.acts, check_exact=True)
    told = [name for name in PAIRS if name != "prompt_key"]
    assert_frame_equal(other.pairs.select(told), whole.pairs.select(told), check_exact=True)


@pytest.mark.parametrize("module", [evidence, siblings])
def test_code_that_makes_revealed_labels_never_names_what_was_said(module):
    syntax = ast.parse(getsource(module))
    documented = {
        id(node.body[0].value)
        for node in ast.walk(syntax)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and isinstance(node.body[0], ast.Expr)
    }
    named_in = {
        str(node.value) if isinstance(node, ast.Constant) else node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(syntax)
        if isinstance(node, ast.Constant | ast.Name | ast.Attribute) and id(node) not in documented
    }
    assert not named_in & {*STATED_COLUMNS, *STATED, "STATED_KINDS"}


def test_revealed_labels_can_be_made_where_nothing_was_ever_said(world):
    messages, acts, _ = reading.frames(world, SECRET)
    every = episodes(messages, acts)
    blind = every.drop(STATED_COLUMNS)
    assert_frame_equal(evidence.acts(blind), evidence.acts(every), check_exact=True)
    assert_frame_equal(siblings.sibling_pairs(blind)[0], siblings.sibling_pairs(every)[0], check_exact=True)


def test_the_columns_of_revealed_evidence_are_none_of_the_stated_ones():
    assert not set(evidence.REVEALED_COLUMNS) & STATED_COLUMNS
    assert set(EPISODES) >= STATED_COLUMNS


@pytest.mark.parametrize("kind", EXPRESSED)
def test_expressed_kinds_become_labels_of_neither_family(world, whole, kind):
    messages, acts, _ = reading.frames(world, SECRET)
    wording = acts.filter(pl.col("kind") == "expose").with_columns(
        pl.lit(kind).alias("kind"), (pl.col("event") + "-x").alias("event"), pl.lit('{"value": 1}').alias("fields")
    )
    other = build(messages, pl.concat([acts, wording]), named("chat"))
    assert other.digest == whole.digest


def test_an_expressed_kind_exposes_nothing(world):
    messages, acts, _ = reading.frames([event for event in world if event.kind in ("message", "expose")], SECRET)
    wording = acts.filter(pl.col("kind") == "expose").with_columns(pl.lit("thanks").alias("kind"))
    alone = pl.concat([acts.filter(pl.col("kind") == "message"), wording])
    found = episodes(messages, alone)
    assert found.filter("exposed").equals(found.filter("continued"))


def test_every_label_says_its_rule_with_a_version_and_what_it_rests_on(world, whole):
    kind_of = {event.id: event.kind for event in world}
    for frame in (whole.labels, whole.pairs, whole.unpaired):
        assert frame["rule"].str.contains(r"^[a-z-]+/\d+$").all()
        assert frame["evidence"].list.len().min() >= 1
        for family, evidences in frame.select("family", "evidence").iter_rows():
            assert {kind_of[event] in STATED for event in evidences} == {family == "stated"}


def test_no_user_stands_on_both_sides(whole):
    sides = pl.concat([whole.pairs.select("people", "split"), whole.unpaired.select("people", "split")])
    each = sides.explode("people").group_by("people").agg(pl.col("split").n_unique())
    assert each["split"].to_list() == [1] * 80
    assert set(sides["split"]) == {"train", "test"}


def test_keeping_a_sibling_speaks_in_its_pair_and_not_again_alone(world, whole):
    """The unpaired p is computed without keep: a chain continued under another sibling has the same p."""

    def other_kept(event: Event) -> Event:
        if event.kind == "message" and event.role == "user" and event.parent and event.parent.endswith("-a1"):
            return replace(event, parent=event.parent[:-1] + "0")
        return event

    other = built([other_kept(event) for event in world if event.kind != "select"])
    same = built([event for event in world if event.kind != "select"])
    assert not of(other.pairs, "revealed").equals(of(same.pairs, "revealed"))
    told = ["message", "p"]
    assert_frame_equal(of(other.unpaired, "revealed").select(told), of(same.unpaired, "revealed").select(told))
