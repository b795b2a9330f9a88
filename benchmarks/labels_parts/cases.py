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
from benchmarks.labels_parts.truth import read

from unspoken.cli.source import FILE_SECRET, recorded
from unspoken.cli.source import world as source_of
from unspoken.errors import BadInput
from unspoken.events import hash_user
from unspoken.pairs.prompts import openings, with_topics
from unspoken.signals import replies
from unspoken.signals.episodes import episodes
from unspoken.simulate.config import World
from unspoken.simulate.draws import Draws, draw
from unspoken.simulate.log import log
from unspoken.simulate.presets import preset
from unspoken.simulate.texts import ATTRIBUTES
from unspoken.simulate.world import truth


@dataclass(frozen=True)
class Case:
    """messages, events, episodes, replies as the platform makes them, and expressed, the labels of those replies.
    answers: message, better (u_revealed > the user's par), p_bayes, u_stated, u_revealed (each null where not known),
    attributes. users: user (hashed), bot, w_stated, w_revealed where known. draws: of a preset, in answers' order.
    notes: what of a folder could not be used, and why.
    """

    name: str
    messages: pl.DataFrame
    events: pl.DataFrame
    episodes: pl.DataFrame
    replies: pl.DataFrame
    expressed: pl.DataFrame
    answers: pl.DataFrame
    users: pl.DataFrame
    attributes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    draws: Draws | None = None


def sized(world: World, answers: int | None) -> World:
    """The world with about so many answers."""
    if answers is None:
        return world
    per_user = 1.1 * world.exchanges
    return replace(world, users=max(round(answers / per_user), 50))


def of_preset(name: str, seed: int, answers: int | None, **changes: Any) -> Case:
    """A preset drawn with that seed; `changes` are settings of the world."""
    made = log(draw(replace(sized(preset(name), answers), **changes), seed))
    messages, events, texts = made.frames(FILE_SECRET)
    told = truth(made)
    case = _case(name, messages, events, texts, told["answers"], told["labels"], told["users"], ATTRIBUTES)
    return replace(case, draws=made.draws)


def of_folder(folder: Path) -> Case:
    """A world folder; BadInput without truth. A user's par is 0 unless truth/users.parquet has a column par."""
    sealed = read(folder)
    found = recorded(source_of(folder))
    case = _case(
        folder.resolve().name,
        found.messages,
        found.events,
        found.text_of,
        sealed.answers,
        sealed.labels,
        sealed.users,
        sealed.attributes,
    )
    known = case.episodes["message"].is_in(case.answers["message"].implode())
    if not known.any():
        raise BadInput(_nothing_common(folder, case))
    notes = [*sealed.notes]
    for step in found.before:
        notes += [f"{drop['count']:,} events are left out: {drop['reason']}." for drop in step["dropped"]]
    if missing := int((~known).sum()):
        notes.append(f"{missing:,} answers of the events have no row in truth/answers.parquet: not scored.")
    if more := len(case.answers) - int(known.sum()):
        notes.append(f"{more:,} messages of truth/answers.parquet are no answers of the events: passed over.")
    return replace(case, notes=tuple(notes))


def _nothing_common(folder: Path, case: Case) -> str:
    there, named = case.episodes["message"], case.answers["message"]
    examples = " and ".join(
        f"{whose} has {column[0]!r}" for whose, column in (("the first", there), ("the second", named)) if len(column)
    )
    return (
        f"Nothing of {folder} can be scored: its events hold {len(there):,} answers that may be learned from, its "
        f"truth/answers.parquet names {len(named):,}, and no id is in both{f' ({examples})' if examples else ''}."
    )


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
    hashed = users.with_columns(pl.Series("user", [hash_user(FILE_SECRET, user) for user in users["user"].to_list()]))
    found = episodes(messages, events)
    opening = openings(found, lambda ids: {message: texts[message] for message in ids if message in texts})
    found = with_topics(found, opening)  # as a build does where the chatbot names none
    own = pl.concat([found["prompt"], found["reply"]]).drop_nulls().unique().to_list()  # of answers no text is read
    turns = replies.turns(found, events, {message: texts[message] for message in own if message in texts})
    said = replies.replies(turns)
    return Case(name, messages, events, found, said, replies.labels(said, turns), answers, hashed, attributes)


def ordinary(case: Case, judged: pl.DataFrame) -> pl.DataFrame:
    """Those of the episodes that are scored: answers to people, not spoiled on purpose."""
    kept = judged.filter(pl.col("anchor").is_null())
    if "bot" not in case.users.columns:
        return kept
    return kept.join(case.users.filter(pl.col("bot")), on="user", how="anti", maintain_order="left")


def direction(case: Case, column: str) -> np.ndarray | None:
    """The mean of the users' weights (those who are no bots and no brigade), None where they are not known."""
    if column not in case.users.columns or not case.attributes:
        return None
    users = case.users
    for mark in ("bot", "brigade"):
        if mark in users.columns:
            users = users.filter(~pl.col(mark).fill_null(False))
    known = users[column].drop_nulls()
    return np.asarray(np.array(known.to_list(), dtype=float).mean(0)) if len(known) else None


def features(case: Case, messages: pl.Series, extra: tuple[str, ...] = ()) -> np.ndarray:
    """Standardised attributes of these answers, (answers, attributes); 0, the mean, where one is not known."""
    names = [*case.attributes, *extra]
    table = case.answers.select("message", *names)
    x = table.select(names).to_numpy().astype(float)
    mean, sd = np.nanmean(x, 0), np.maximum(np.nanstd(x, 0), 1e-9)
    found = pl.DataFrame({"message": messages}).join(table, on="message", how="left", maintain_order="left")
    return np.asarray(np.nan_to_num((found.select(names).to_numpy().astype(float) - mean) / sd))
