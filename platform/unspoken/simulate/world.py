"""Make a world folder: world.toml, events.jsonl.gz in order of arrival, and its sealed truth."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from unspoken import folders
from unspoken.errors import BadInput
from unspoken.simulate.behaviour import Behaviour, Person
from unspoken.simulate.config import World, to_toml
from unspoken.simulate.texts import corpus as make_corpus
from unspoken.simulate.utilities import utilities as make_utilities

FACTS = (
    "SIMULATED: no person in this world exists; texts are put together from templates.",
    "Every user has two utilities over attributes that are in the texts; their correlation ρ is known.",
)
ASSUMPTIONS = (
    "Votes follow the stated utility; stop, close, regenerate, copy, dwell and the kept sibling follow the revealed.",
    "Whether somebody votes does not depend on the answer, and votes are far more frequent than in real products.",
)


def simulate(world: World, seed: int, out: Path, progress: Callable[[float, str], None] | None = None) -> Path:
    """Write the world; the same world and seed give the same events. BadInput where `out` holds something else."""
    say = progress or (lambda share, note: None)
    if seed < 0:
        raise BadInput(f"The seed is {seed}; a whole number from 0 on was needed.")
    with folders.replacing(out, "world", _ours) as folder:
        return _write(world, seed, folder, say, out)


def _write(world: World, seed: int, folder: Path, say: Callable[[float, str], None], out: Path) -> Path:
    (folder / "truth").mkdir()
    corpus = make_corpus(world.answers_per_prompt, world.corpus_seed)
    random = np.random.default_rng([seed, 2])
    utilities = make_utilities(world, corpus, random)
    behaviour = Behaviour(world, seed, corpus, utilities, random)
    people = [
        Person(index, float(random.normal() * world.leniency_sd), float(random.normal() * 0.17), index * 60_000)
        for index in range(world.users)
    ]
    # mtime 0: the same world is the same file.
    with (folder / "events.jsonl.gz").open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        for person in people:
            prompts = random.permutation(len(corpus.prompts))[: world.exchanges]
            for prompt in prompts:
                for event in behaviour.exchange(person, int(prompt)):
                    packed.write(json.dumps(event).encode() + b"\n")
                person.clock_ms += int(random.exponential(3_600_000))
            if person.index % 50 == 0:
                say(person.index / len(people), f"user {person.index + 1} of {len(people)}")
    pl.DataFrame(behaviour.truth).write_parquet(folder / "truth" / "answers.parquet")
    pl.DataFrame(
        {
            "user": [person.name for person in people],
            "group": ["all"] * len(people),
            "bot": [False] * len(people),
            "brigade": [False] * len(people),
            "w_stated": utilities.stated.tolist(),
            "w_revealed": utilities.revealed.tolist(),
        }
    ).write_parquet(folder / "truth" / "users.parquet")
    (folder / "world.toml").write_text(to_toml(world, seed), encoding="utf-8")
    say(1.0, f"{len(people)} users, {len(behaviour.truth)} answers")
    return out


def _ours(out: Path) -> bool:
    """A world and nothing beside it: a folder that only holds somebody's world.toml is none."""
    names = {each.name for each in out.iterdir()}
    return {"world.toml", "events.jsonl.gz"} <= names <= {"world.toml", "events.jsonl.gz", "truth"}
