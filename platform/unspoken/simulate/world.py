"""Make a world folder: world.toml, events.jsonl.gz in order of arrival, and its sealed truth."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from unspoken import folders
from unspoken.errors import BadInput
from unspoken.simulate.config import World, to_toml
from unspoken.simulate.draws import Draws, draw
from unspoken.simulate.lines import lines
from unspoken.simulate.log import POLICIES, Log, log
from unspoken.simulate.posterior import p_bayes
from unspoken.simulate.texts import ANCHORS, ATTRIBUTES
from unspoken.simulate.transport import lost

FACTS = (
    "SIMULATED: no person in this world exists; texts are put together from templates.",
    "Every user has two utilities over attributes that are in the texts; their correlation ρ is known.",
)
ASSUMPTIONS = (
    "Votes follow the stated utility; acts and the kept sibling follow the revealed one, what people write back both, "
    "unless the world's loadings say otherwise.",
    "How often people vote, and on what, is as world.toml says: the world for demonstrations votes far more often than "
    "people do in real products.",
)


def simulate(
    world: World,
    seed: int,
    out: Path,
    progress: Callable[[float, str], None] | None = None,
    force: bool = False,
) -> Path:
    """Write the world; the same world and seed give the same events.

    BadInput where `out` holds something else; by `force` it may hold a world, which is replaced.
    """
    say = progress or (lambda share, note: None)
    if seed < 0:
        raise BadInput(f"The seed is {seed}; a whole number from 0 on was needed.")
    if not force and out.is_dir() and _ours(out):
        raise BadInput(f"{out} holds a world already. Name another folder, or say --force to replace it.")
    with folders.replacing(out, "world", _ours) as folder:
        say(0.0, "drawing")
        made = log(draw(world, seed))
        _write_events(made, folder / "events.jsonl.gz", say)
        (folder / "truth").mkdir()
        for name, frame in truth(made).items():
            frame.write_parquet(folder / "truth" / f"{name}.parquet")
        (folder / "world.toml").write_text(to_toml(world, seed), encoding="utf-8")
        say(1.0, f"{len(made.draws.people)} users, {len(made.draws)} answers")
    return out


def truth(made: Log) -> dict[str, pl.DataFrame]:
    """answers, labels, users: what only a benchmark's scorer may read."""
    draws = made.draws
    whose = draws.user[draws.exchange]
    names = [draws.people.name(user) for user in range(len(draws.people))]
    user = pl.Series("user", names).gather(whose)
    message = made.names.head(len(draws)).alias("message")
    arms = [*ANCHORS, None]
    return {
        "answers": pl.DataFrame(
            [
                message,
                user,
                pl.Series("u_stated", draws.u_stated),
                pl.Series("u_revealed", draws.u_revealed),
                *(pl.Series(name, draws.corpus.attributes[draws.answer, i]) for i, name in enumerate(ATTRIBUTES)),
                pl.Series("filler", draws.filler.astype(float)),
                pl.Series("policy", np.array(list(POLICIES))[draws.policy]),
                pl.Series("topic", np.array(draws.corpus.topics)[draws.prompt[draws.exchange]]),
                pl.Series("anchor", [arms[arm] for arm in draws.anchor.tolist()], dtype=pl.String),
            ]
        ),
        "labels": pl.DataFrame([message, user, pl.Series("p_bayes", p_bayes(draws, lost(draws, made.rows)))]),
        "users": _users(draws, names),
    }


def _users(draws: Draws, names: list[str]) -> pl.DataFrame:
    crowd = draws.people
    marks = {"minority": crowd.minority, "gullible": crowd.gullible, "poison": crowd.poison, "bot": crowd.bot}
    group = np.full(len(crowd), "all", dtype=object)
    for name, mark in marks.items():
        group[mark] = name
    return pl.DataFrame(
        {
            "user": names,
            "group": group.tolist(),
            "bot": crowd.bot,
            "brigade": crowd.brigade,
            "erases": crowd.erases,
            "w_stated": draws.utilities.stated.tolist(),
            "w_revealed": draws.utilities.revealed.tolist(),
        }
    )


def _write_events(made: Log, path: Path, say: Callable[[float, str], None]) -> None:
    total = max(len(made.rows), 1)
    # mtime 0: the same world is the same file.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        for number, line in enumerate(lines(made)):
            packed.write(line.encode() + b"\n")
            if number % 10_000 == 0:
                say(0.95 * min(number / total, 1), f"{number:,} events")


def _ours(out: Path) -> bool:
    """A world and nothing beside it: a folder that only holds somebody's world.toml is none."""
    names = {each.name for each in out.iterdir()}
    return {"world.toml", "events.jsonl.gz"} <= names <= {"world.toml", "events.jsonl.gz", "truth"}
