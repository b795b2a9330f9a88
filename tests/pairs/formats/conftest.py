"""A dataset of a few records, each of which some format has a reason to leave out."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from unspoken.frames import EPISODES, LABELS, PAIRS, REPLIES, TEXTS, UNPAIRED, empty
from unspoken.pairs.folder import ACCOUNTS, DatasetFolder
from unspoken.pairs.recipe import named
from unspoken.signals.anchors import Anchors, Axis
from unspoken.signals.factor.checks import Loading, Refit, Residual
from unspoken.signals.factor.model import Factor

HOSTILE = 'Ärger 🙂 "quoted" \\ \x00 \x1f a\u2028b\u2029c\x85d\r\ne\tf <|endoftext|> 安全'
LABEL_MODEL = Factor(
    design=None,
    thetas=[],
    anchors=Anchors([Axis("cut off", 50, -0.8, 0.2, "right")]),
    loadings=[
        Loading("stop", "slope", None, -0.61, 0.05),
        Loading("close", "slope", "t3", 0.2, 0.1),
        Loading("dwell", "bend", None, 0.21, 0.02),
    ],
    residuals=[Residual("stop", "copy", -0.2, 0.1, 900)],
    refits=[Refit("stop", 0.9)],
    notes=[],
).as_dict() | {"rule": "factor/1"}
Turns = list[tuple[str, str]]

ASKED: Turns = [("user", "What is a hazard?")]
OPENED: Turns = [("system", "Be brief."), *ASKED]
LATER: Turns = [*OPENED, ("assistant", "A rate."), ("user", "Of what?")]


def texts(turns: dict[str, Turns], answers: dict[str, str]) -> pl.DataFrame:
    rows = [
        {
            "message": message,
            "prompt": "\n".join(said for _, said in turns[message]),
            "turns": [{"role": role, "content": said} for role, said in turns[message]],
            "answer": answer,
            "neutral": False,
        }
        for message, answer in answers.items()
    ]
    return pl.DataFrame(rows, schema=dict(TEXTS))


def pair(chosen: str, rejected: str, **other: Any) -> dict[str, Any]:
    common = {"prompt": "q", "prompt_key": "k", "user": "u1", "people": ["u1"], "family": "revealed"}
    rule = {"rule": "siblings/1", "p": 1.0, "margin": 0.0, "weight": 1.0, "evidence": ["e"], "split": "train"}
    return {**common, **rule, "chosen": chosen, "rejected": rejected, **other}


def single(message: str, p: float, **other: Any) -> dict[str, Any]:
    common = {"prompt_key": "k", "user": "u1", "people": ["u1"], "family": "revealed", "rule": "factor/1"}
    return {**common, "message": message, "p": p, "weight": 1.0, "evidence": ["e"], "split": "train", **other}


def dataset(
    path: Path,
    pairs: list[dict[str, Any]],
    unpaired: list[dict[str, Any]],
    said: pl.DataFrame,
    back: tuple[str, ...] = (),
    **about: Any,
) -> DatasetFolder:
    """`back`: answers that their user went back to."""
    episodes = pl.DataFrame({"message": list(back), "back_navigated": [True] * len(back)})
    return DatasetFolder(
        path=path,
        recipe=named("chat"),
        labels=empty(LABELS),
        pairs=pl.DataFrame(pairs, schema=dict(PAIRS)),
        unpaired=pl.DataFrame(unpaired, schema=dict(UNPAIRED)),
        texts=said,
        episodes=pl.concat([empty(EPISODES), episodes], how="diagonal_relaxed"),
        acts=pl.DataFrame(),
        replies=empty(REPLIES),
        funnel=[{"step": "answers", "entered": 9, "kept": 7, "dropped": [{"reason": "too late", "count": 2}]}],
        signals=[],
        notes=["κ = 2.00 logits."],
        about={"project": "shop", "simulated": True, "facts": ["Eight people."], **about},
        accounts={name: {} for name in ACCOUNTS} | {"label_model": LABEL_MODEL},
        digest="d" * 64,
    )


# Answers a… follow one question, b… a system text and a question, c… a longer talk; d… answer an answer.
SAID = {name: f"Answer {name}, which goes on." for name in ("a1", "a2", "a3", "b1", "b2", "c1", "c2", "d1", "d2")}
SAID |= {"a4": HOSTILE, "a5": " \n\t "}
STOOD = {"a": ASKED, "b": OPENED, "c": LATER, "d": [*ASKED, ("assistant", "Wait.")]}
TEXTS_SAID = texts({name: STOOD[name[0]] for name in SAID}, SAID)


@pytest.fixture
def small(tmp_path) -> DatasetFolder:
    """Nine pairs and five single answers of two families and both splits."""
    pairs = [
        pair("a1", "a2", margin=2.0),  # went back to a1
        pair("b1", "b2", margin=-2.0),  # b1 was the last: kept where it stood
        pair("c1", "c2", margin=2.0, split="test", user="u2", people=["u2"]),
        pair("a3", "a4", margin=0.0, user="u3", weight=0.5),
        pair("a1", "a5"),  # no text
        pair("d1", "d2"),  # answers an answer
        pair("a1", "b1", rule="same-prompt/1", p=0.6, user=None),
        pair("a2", "b2", rule="same-prompt/1", p=0.9, user=None),
        pair("a4", "a1", rule="choice/1", family="stated"),
    ]
    unpaired = [
        single("a1", 0.95),
        single("a2", 0.1, split="test"),
        single("a3", 0.5),
        single("c1", 0.8, user="u2"),
        single("a4", 0.0, rule="vote/1", family="stated"),
    ]
    return dataset(tmp_path / "dataset", pairs, unpaired, TEXTS_SAID, back=("a1", "c1"))
