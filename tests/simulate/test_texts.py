"""A corpus whose attributes can be read in its words, and utilities of exactly the correlation that was asked for."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unspoken.errors import BadInput
from unspoken.simulate import config
from unspoken.simulate.config import World, from_dict, to_toml
from unspoken.simulate.people import people
from unspoken.simulate.presets import PRESETS, preset
from unspoken.simulate.texts import ANCHORS, ATTRIBUTES, TOPICS, corpus, spoiled
from unspoken.simulate.utilities import utilities

READ_IN_THE_TEXT = {
    "flattery": r"brilliant|so smart|impressed by you|excellent taste",
    "hedging": r"[Pp]erhaps|possibly",
    "detail": r"percent",
    "steps": r"\n(1\.|- First|Step 1)",
    "hook": r"\?",
    "exclamation": r"!!!",
}


def test_an_attribute_is_on_exactly_where_it_can_be_read():
    texts = corpus(48, 0)
    for number, name in enumerate(ATTRIBUTES):
        read = [bool(re.search(READ_IN_THE_TEXT[name], answer)) for answer in texts.answers]
        assert read == texts.attributes[:, number].astype(bool).tolist(), name


@pytest.mark.parametrize("size", [2, 32, 48])
def test_the_corpus_is_as_large_as_asked_and_answers_no_prompt_twice_alike(size):
    texts = corpus(size, 1)
    assert len(texts.answers) == len(TOPICS) * size
    answers = list(zip(texts.prompt_of.tolist(), texts.answers, strict=True))
    assert len(set(answers)) == len(answers)
    assert np.bincount(texts.prompt_of).tolist() == [size] * len(TOPICS)
    assert max(map(len, texts.answers)) < 1000
    assert "{thing}" not in "".join(texts.answers)


def test_worlds_of_one_corpus_seed_share_their_texts():
    assert corpus(8, 0).answers == corpus(8, 0).answers != corpus(8, 1).answers


def test_attributes_are_half_on_and_close_to_uncorrelated():
    attributes = corpus(48, 0).attributes
    assert attributes.mean(0) == pytest.approx([0.5] * len(ATTRIBUTES), abs=0.06)
    assert np.abs(np.corrcoef(attributes.T) - np.eye(len(ATTRIBUTES))).max() < 0.12


def made(world, size, seed):
    random = np.random.default_rng(seed)
    crowd = people(world, random)
    return utilities(world, corpus(size, 0), crowd, random), crowd


@settings(max_examples=40, deadline=None)
@given(st.floats(-1, 1), st.integers(0, 1000), st.sampled_from([8, 32]))
def test_common_utilities_correlate_within_prompts_as_asked_to_the_ninth_digit(rho, seed, size):
    found, _ = made(World(rho=rho, users=2), size, seed)
    scores = found.z @ np.stack([found.common_stated, found.common_revealed], axis=1)
    of_prompt = corpus(size, 0).prompt_of
    share = found.chance.mean(0)  # of each answer, over the policies
    for prompt in range(len(TOPICS)):
        scores[of_prompt == prompt] -= np.average(scores[of_prompt == prompt], 0, share[of_prompt == prompt])
    stated, revealed = scores.T
    assert np.average(stated * stated, weights=share) == pytest.approx(1, abs=1e-9)
    assert np.average(revealed * revealed, weights=share) == pytest.approx(1, abs=1e-9)
    assert np.average(stated * revealed, weights=share) == pytest.approx(rho, abs=1e-9)


def test_users_weigh_differently_around_what_is_common():
    found, _ = made(World(users=4000, taste_sd=0.25, rho=0.3), 8, 0)
    for own, common in ((found.stated, found.common_stated), (found.revealed, found.common_revealed)):
        assert own.mean(0) == pytest.approx(common, abs=0.02)
        assert own.std(0) == pytest.approx([0.25] * len(ATTRIBUTES), abs=0.02)


def test_without_tastes_everybody_is_the_same():
    found, _ = made(World(users=3, taste_sd=0.0), 8, 0)
    assert np.ptp(found.stated, axis=0).max() == np.ptp(found.revealed, axis=0).max() == 0


def test_a_minority_wants_the_opposite_and_the_gullible_say_that_they_like_flattery():
    found, crowd = made(World(users=4000, minority=0.2, gullible=0.2), 8, 0)
    assert found.revealed[crowd.minority].mean(0) == pytest.approx(-found.common_revealed, abs=0.05)
    assert found.stated[crowd.minority].mean(0) == pytest.approx(-found.common_stated, abs=0.05)
    flattery = np.abs(found.stated[crowd.gullible]) > 0
    assert flattery.all(0).tolist() == [name == "flattery" for name in ATTRIBUTES]


@pytest.mark.parametrize("how", ANCHORS)
def test_a_spoiled_answer_is_another_text(how):
    texts = corpus(8, 0)
    for answer, other in zip(texts.answers[:40], texts.answers[-40:], strict=True):
        assert spoiled(answer, other, how) != answer
        assert len(spoiled(answer, other, how)) > 20


def test_filler_makes_an_answer_longer_and_carries_no_attribute():
    texts = corpus(8, 0)
    for answer in range(0, len(texts.answers), 7):
        longer = texts.filled(answer, 4)
        assert texts.filled(answer, 0) == texts.answers[answer]
        assert len(longer) > len(texts.answers[answer]) + 200
        for pattern in READ_IN_THE_TEXT.values():
            assert bool(re.search(pattern, longer)) == bool(re.search(pattern, texts.answers[answer]))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"rhoo": 0.3}, "no setting rhoo; it has name, rho, users"),
        ({"users": 3.0}, "users is 3.0; a whole number was needed"),
        ({"users": True}, "users is true; a whole number was needed"),
        ({"rho": "high"}, 'rho is "high"; a number was needed'),
        ({"name": 3}, "name is 3; a text in quotes was needed"),
        ({"rho": 1.1}, "rho is 1.1; it lies between -1 and 1"),
        ({"rho": float("nan")}, "rho is nan; it lies between -1 and 1"),
        ({"users": 1}, "users is 1; it lies between 2 and 1000000"),
        ({"exchanges": 1001}, "exchanges is 1001; it lies between 1 and 1000"),
        ({"stop_per_s": 0}, "stop_per_s is 0.0; it lies between"),
        ({"close_per_s": -1}, "close_per_s is -1.0; it lies between"),
        ({"chars_per_s": 0}, "chars_per_s is 0.0; it lies between"),
        ({"corpus_seed": -1}, "corpus_seed is -1; it lies between"),
        ({"taste_sd": -0.1}, "taste_sd is -0.1; it lies between"),
        ({"copy_slope": float("inf")}, "copy_slope is inf; it lies between"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(given, sentence):
    with pytest.raises(BadInput, match=re.escape(sentence)):
        from_dict(given)


def test_every_number_of_a_world_has_its_limits():
    limited = {name for name, value in vars(World()).items() if not isinstance(value, str)}
    for name in limited:
        with pytest.raises(BadInput, match=name):
            from_dict({name: -(10**9)})


def test_a_preset_is_the_world_that_other_settings_change():
    assert from_dict({"preset": "beacons"}) == preset("beacons")
    assert from_dict({"preset": "beacons", "users": 9}) == replace(preset("beacons"), users=9)
    assert preset("beacons").lost_rate == 0.1
    with pytest.raises(BadInput, match="There is no preset 'nope'; there are default, heavy"):
        from_dict({"preset": "nope"})


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_world_that_world_toml_can_say(name, tmp_path):
    world = preset(name)
    assert world.name == name
    assert config.read(written(tmp_path, to_toml(world, 1).encode())) == world


def test_a_whole_number_is_taken_where_a_fraction_could_stand():
    assert from_dict({"rho": 1}).rho == 1.0


def written(folder: Path, content: bytes) -> Path:
    (folder / "world.toml").write_bytes(content)
    return folder / "world.toml"


def test_a_world_is_read_with_or_without_its_table(tmp_path):
    plain, table = b"users = 3\nrho = 0.5\n", b"[world]\nusers = 3\nrho = 0.5\n"
    assert config.read(written(tmp_path, plain)) == config.read(written(tmp_path, table)) == World(users=3, rho=0.5)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"rho = ", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"world = 3", r"a table of settings, \[world\], was needed"),
    ],
)
def test_a_file_that_describes_no_world_is_named(tmp_path, content, sentence):
    with pytest.raises(BadInput, match=sentence):
        config.read(written(tmp_path, content))


def test_a_file_that_is_not_there_is_answered_with_what_may_stand_in_it(tmp_path):
    with pytest.raises(BadInput, match=r"There is no file .*name, rho, users"):
        config.read(tmp_path / "world.toml")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=20), st.floats(-1, 1))
def test_what_is_written_is_what_is_read(tmp_path_factory, name, rho):
    world = World(name=name, rho=rho)
    path = written(tmp_path_factory.getbasetemp(), to_toml(world, 5).encode())
    assert config.read(path) == world


def test_the_page_of_the_simulator_names_every_setting_with_its_default_and_every_preset():
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
    for name, value in vars(World()).items():
        assert f"| `{name}` | {value} |" in page, name
    for name in PRESETS:
        assert f"| `{name}` |" in page, name


@pytest.mark.parametrize("liking", [0.0, 0.5])
def test_worth_says_nothing_of_length_unless_people_like_what_is_long(liking):
    texts = corpus(32, 0)
    found, _ = made(World(users=2, length_liking=liking, rho=0.6), 32, 1)
    share = found.chance.mean(0)
    length = np.log([len(answer) for answer in texts.answers])
    for weights in (found.common_stated, found.common_revealed):
        worth = found.z @ weights
        assert np.average(worth * worth, weights=share) == pytest.approx(1, abs=1e-9)
        covariance = np.average(worth * length, weights=share)  # z has no mean within a prompt
        assert covariance == pytest.approx(0, abs=1e-9) if liking == 0 else covariance > 0.1
    both = np.average((found.z @ found.common_stated) * (found.z @ found.common_revealed), weights=share)
    assert both == pytest.approx(0.6, abs=1e-9)
