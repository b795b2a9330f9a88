"""One world to score: its events through the platform's own functions, and its truth beside them.

A world is a preset of the simulator, drawn as columns, or a folder in the format of docs/events.md that any program
wrote. Truth is joined here and read by the scorer alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unspoken.errors import BadInput
from unspoken.events import hash_user, parse
from unspoken.signals import replies
from unspoken.signals.episodes import episodes
from unspoken.signals.reading import frames
from unspoken.simulate.config import World
from unspoken.simulate.draws import draw
from unspoken.simulate.log import log
from unspoken.simulate.presets import preset
from unspoken.simulate.texts import ATTRIBUTES
from unspoken.simulate.world import truth
from unspoken.sources import world as worlds

SECRET = "00"
_NOT_ATTRIBUTES = ("message", "user", "u_stated", "u_revealed", "policy", "topic", "anchor", "filler")


@dataclass(frozen=True)
class Case:
    """messages, events, episodes, replies as the platform makes them. answers: message, better (worth more than par),
    p_bayes (null where not known), attributes. users: user (hashed), bot, w_stated, w_revealed where known.
    """

    name: str
    messages: pl.DataFrame
    events: pl.DataFrame
    episodes: pl.DataFrame
    replies: pl.DataFrame
    answers: pl.DataFrame
    users: pl.DataFrame
    attributes: tuple[str, ...]


def sized(world: World, answers: int | None) -> World:
    """The world with about so many answers."""
    if answers is None:
        return world
    per_user = 1.1 * world.exchanges
    return replace(world, users=max(round(answers / per_user), 50))


def of_preset(name: str, seed: int, answers: int | None, **changes: Any) -> Case:
    """A preset drawn with that seed; `changes` are settings of the world."""
    made = log(draw(replace(sized(preset(name), answers), **changes), seed))
    messages, events, texts = made.frames(SECRET)
    told = truth(made)
    return _case(name, messages, events, texts, told["answers"], told["labels"], told["users"], ATTRIBUTES)


def of_folder(folder: Path) -> Case:
    """A world folder; BadInput without truth. A user's par is 0 unless truth/users.parquet has a column par."""
    files = {name: folder / "truth" / f"{name}.parquet" for name in ("answers", "labels", "users")}
    if not files["answers"].is_file():
        raise BadInput(f"{folder} has no truth/answers.parquet (message, user, u_revealed); docs/events.md says more.")
    messages, events, texts = frames((parse(event) for event in worlds.events(folder)), SECRET)
    answers = pl.read_parquet(files["answers"])
    labels = pl.read_parquet(files["labels"]) if files["labels"].is_file() else None
    users = pl.read_parquet(files["users"]) if files["users"].is_file() else answers.select("user").unique("user")
    numbers = [name for name, dtype in answers.schema.items() if dtype.is_numeric() and name not in _NOT_ATTRIBUTES]
    return _case(folder.name, messages, events, texts, answers, labels, users, tuple(numbers))


def _case(
    name: str,
    messages: pl.DataFrame,
    events: pl.DataFrame,
    texts: Mapping[str, str],
    answers: pl.DataFrame,
    labels: pl.DataFrame | None,
    users: pl.DataFrame,
    attributes: tuple[str, ...],
) -> Case:
    par = users.select("user", pl.col("par") if "par" in users.columns else pl.lit(0.0).alias("par"))
    answers = answers.join(par, on="user", how="left", maintain_order="left").with_columns(
        better=pl.col("u_revealed") > pl.col("par").fill_null(0.0)
    )
    if labels is not None and "p_bayes" in labels.columns:
        answers = answers.join(labels.select("message", "p_bayes"), on="message", how="left", maintain_order="left")
    else:
        answers = answers.with_columns(p_bayes=pl.lit(None, dtype=pl.Float64))
    hashed = users.with_columns(pl.Series("user", [hash_user(SECRET, user) for user in users["user"].to_list()]))
    found = episodes(messages, events)
    own = pl.concat([found["prompt"], found["reply"]]).drop_nulls().unique().to_list()  # of answers no text is read
    said = replies.replies(
        replies.turns(found, events, {message: texts[message] for message in own if message in texts})
    )
    return Case(name, messages, events, found, said, answers, hashed, attributes)


def direction(case: Case, column: str) -> np.ndarray | None:
    """The mean of the users' weights (those who are no bots and no brigade), None where they are not known."""
    if column not in case.users.columns:
        return None
    users = case.users
    for mark in ("bot", "brigade"):
        if mark in users.columns:
            users = users.filter(~pl.col(mark))
    weights = np.array(users[column].to_list(), dtype=float)
    return np.asarray(weights.mean(0)) if weights.ndim == 2 and weights.shape[1] == len(case.attributes) else None


def features(case: Case, messages: pl.Series, extra: tuple[str, ...] = ()) -> np.ndarray:
    """Standardised attributes of these answers, (answers, attributes)."""
    names = [*case.attributes, *extra]
    table = case.answers.select("message", *names)
    x = table.select(names).to_numpy().astype(float)
    mean, sd = x.mean(0), np.maximum(x.std(0), 1e-9)
    found = pl.DataFrame({"message": messages}).join(table, on="message", how="left", maintain_order="left")
    return np.asarray((found.select(names).to_numpy().astype(float) - mean) / sd)
