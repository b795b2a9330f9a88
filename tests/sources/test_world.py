"""World folders and files of events, whole or broken."""

import gzip
import json

import pytest

from unspoken.cli import source
from unspoken.errors import BadInput
from unspoken.sources import world

EVENTS = [{"id": str(number), "kind": "expose"} for number in range(3)]
LINES = [json.dumps(event) for event in EVENTS]


@pytest.fixture
def folder(tmp_path):
    with gzip.open(tmp_path / "events.jsonl.gz", "wt") as file:
        file.write("\n".join(LINES) + "\n")
    return tmp_path


def test_a_folder_and_its_file_give_the_same_events(folder):
    assert list(world.events(folder)) == EVENTS
    assert list(world.events(folder / "events.jsonl.gz")) == EVENTS


def test_a_plain_file_is_read_and_empty_lines_are_passed_over(tmp_path):
    (tmp_path / "log.jsonl").write_text("\n\n".join(LINES))
    assert list(world.events(tmp_path / "log.jsonl")) == EVENTS


def test_an_empty_file_is_no_events(tmp_path):
    (tmp_path / "log.jsonl").touch()
    assert list(world.events(tmp_path / "log.jsonl")) == []


@pytest.mark.parametrize("line", [b"{'id': 1}", b"\xff\xfe\xfa", b'{"id": ', b"[" * 100_000])
def test_a_line_that_is_no_json_is_named_by_its_number(tmp_path, line):
    (tmp_path / "log.jsonl").write_bytes(LINES[0].encode() + b"\n\n" + line + b"\n" + LINES[1].encode())
    found = world.events(tmp_path / "log.jsonl")
    assert next(found) == EVENTS[0]
    with pytest.raises(BadInput, match=r"log\.jsonl, line 3 is not JSON: "):
        next(found)


def test_a_file_that_ends_too_early_says_how_far_it_could_be_read(tmp_path):
    lines = "".join(json.dumps({"id": f"{number * 7919 % 99991:x}"}) + "\n" for number in range(9000))
    whole = gzip.compress(lines.encode())
    (tmp_path / "events.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    found = world.events(tmp_path)
    with pytest.raises(BadInput, match=r"cannot be read beyond line \d{3,4}: Compressed file ended"):
        list(found)


def test_a_file_with_broken_bytes_inside_is_named(tmp_path):
    whole = bytearray(gzip.compress("".join(line + "\n" for line in LINES * 999).encode()))
    whole[20:40] = b"\xff" * 20
    (tmp_path / "events.jsonl.gz").write_bytes(whole)
    with pytest.raises(BadInput, match=r"events\.jsonl\.gz"):
        list(world.events(tmp_path))


EVENT = {"id": "1", "kind": "expose", "at": "2026-10-01T12:00:00Z"}


@pytest.mark.parametrize(
    "line",
    [
        [EVENT, EVENT],
        {"events": [EVENT, EVENT]},
        {"sent_at": 1790000000000, "events": [EVENT, EVENT]},
        {"sent_at": None, "received_at": None, "events": [EVENT, EVENT]},
    ],
)
def test_a_line_is_whatever_the_server_takes_as_a_body(tmp_path, line):
    (tmp_path / "log.jsonl").write_text(json.dumps(line))
    assert list(world.events(tmp_path / "log.jsonl")) == [EVENT, EVENT]


def test_a_batch_with_both_times_has_its_clock_set_right(tmp_path):
    line = {"sent_at": "2026-10-01T13:00:00Z", "received_at": "2026-10-01T12:00:00Z", "events": [EVENT, {"id": "2"}, 3]}
    (tmp_path / "log.jsonl").write_text(json.dumps(line))
    found = list(world.events(tmp_path / "log.jsonl"))
    assert found == [EVENT | {"at": "2026-10-01T11:00:00+00:00"}, {"id": "2"}, 3]  # what is no event is not lost here


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"events": 3}, "`events` of a batch is no list; a list of events was needed"),
        ({"events": [], "sent_at": 7, "received_at": 1790000000000}, "`sent_at` of the batch is 7: milliseconds"),
        ({"events": [], "sent_at": 1790000000000, "received_at": "now"}, "`received_at` of the batch is 'now': a time"),
    ],
)
def test_a_batch_that_is_none_is_named_with_its_field(tmp_path, batch, said):
    (tmp_path / "log.jsonl").write_text(json.dumps(batch))
    with pytest.raises(BadInput, match=rf"log\.jsonl, line 1: {said}"):
        list(world.events(tmp_path / "log.jsonl"))


def test_a_file_that_only_calls_itself_packed_is_named(tmp_path):
    (tmp_path / "log.gz").write_text(LINES[0])
    with pytest.raises(BadInput, match=r"log\.gz is named \.gz and is not packed: gzip it"):
        list(world.events(tmp_path / "log.gz"))


@pytest.mark.parametrize("name", ["", "nothing", "nothing.jsonl"])
def test_what_is_not_there_is_answered_with_what_to_do(tmp_path, name):
    with pytest.raises(BadInput, match=r"There are no events at .*unspoken simulate --out"):
        list(world.events(tmp_path / name))


@pytest.mark.parametrize("truth", ["absent", "a file of nonsense"])
def test_the_truth_is_never_opened(folder, truth):
    if truth != "absent":
        (folder / "truth").mkdir()
        (folder / "truth" / "answers.parquet").write_bytes(b"not parquet")
        (folder / "truth").chmod(0)
    assert list(world.events(folder)) == EVENTS
    assert world.about(folder) == {}
    if truth != "absent":
        (folder / "truth").chmod(0o700)


def test_what_world_toml_says_is_told(folder):
    (folder / "world.toml").write_text('simulated = true\n[world]\nname = "µ"\n', encoding="utf-8")
    assert world.about(folder) == {"simulated": True, "world": {"name": "µ"}}
    assert world.about(folder / "events.jsonl.gz") == {}


@pytest.mark.parametrize("content", [b"simulated = yes", b"\xff"])
def test_a_world_toml_that_is_none_is_named(folder, content):
    (folder / "world.toml").write_bytes(content)
    with pytest.raises(BadInput, match=r"world\.toml is not TOML"):
        world.about(folder)


def told(folder, toml, sealed=True):
    if sealed:
        (folder / "truth").mkdir(exist_ok=True)
    (folder / "world.toml").write_text(toml, encoding="utf-8")
    return source.world(folder).about


def test_the_file_of_a_simulated_world_is_simulated_without_a_mark_too(folder):
    assert not source.world(folder / "events.jsonl.gz").simulated
    (folder / "truth").mkdir()
    assert source.world(folder / "events.jsonl.gz").simulated
    (folder / "world.toml").write_text("simulated = false")
    assert not source.world(folder / "events.jsonl.gz").simulated


def test_people_of_whom_the_truth_is_written_down_are_simulated(folder):
    assert not source.world(folder).simulated
    (folder / "truth").mkdir()
    about = source.world(folder).about
    assert about["simulated"]
    assert about["facts"] == ["SIMULATED: no person in this world exists. Another program made it."]
    assert "truth" not in about


def test_another_programs_world_toml_is_understood_where_it_speaks_of_the_same(folder):
    assert told(folder, 'seed = 3\nadversaries = []\n"ρ" = 0.4')["truth"] == {"rho": 0.4}
    assert told(folder, "rho = -1")["truth"] == {"rho": -1}
    assert "truth" not in told(folder, 'rho = "high"\nworld = 7')
    assert told(folder, 'facts = ["From a clinic."]')["facts"] == ["From a clinic."]
    assert not told(folder, "simulated = false")["simulated"]


def test_a_recipe_that_is_not_there_is_answered_with_those_that_are(folder):
    with pytest.raises(
        BadInput, match=r"the recipe 'ours'; there are chat, .*Name one of them there, or take that line"
    ):
        told(folder, 'recipe = "ours"')
