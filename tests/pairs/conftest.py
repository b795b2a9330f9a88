"""A small simulated world, with ratings and choices beside its votes: everything that a firewall has to hold back."""

from random import Random
from typing import Any

import pytest

from unspoken.events import Event, parse
from unspoken.pairs.build import build
from unspoken.pairs.built import Built
from unspoken.pairs.recipe import named
from unspoken.signals.reading import frames
from unspoken.simulate.config import World
from unspoken.simulate.world import simulate
from unspoken.sources import world as worlds

SECRET = "5e" * 32
# What is done shows the worth so plainly that five hundred answers show that there is a factor.
PLAIN: dict[str, Any] = {
    "copy_slope": 3.0, "next_slope": 1.5, "edit_slope": -2.0, "share_slope": 2.0, "dwell_slope": 0.7,
    "regenerate_slope": 2.2, "stop_slope": 1.6,
}  # fmt: skip


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> list[Event]:
    """About 3,000 events of 80 users; stated and revealed utilities part."""
    folder = simulate(World(users=80, **PLAIN), 3, tmp_path_factory.mktemp("worlds") / "world")
    found = [parse(event) for event in worlds.events(folder)]
    random = Random(1)
    said = []
    siblings: dict[str, list[Event]] = {}
    for event in found:
        if event.kind == "message" and event.role == "assistant" and event.parent:
            siblings.setdefault(event.parent, []).append(event)
    for number, answers in enumerate(siblings.values()):
        envelope = {"at": answers[-1].at, "conversation": answers[0].conversation}
        name = f"{number:08x}-0000-4000-8000-00000000000"
        if random.random() < 0.3:
            scale = {"scale": "quality", "value": random.randint(1, 5), "lowest": 1, "highest": 5}
            said.append({"id": f"{name}a", "kind": "rating", "message": answers[0].message, **scale, **envelope})
        if len(answers) > 1:
            chosen, *rejected = random.sample([answer.message for answer in answers], len(answers))
            said.append({"id": f"{name}b", "kind": "choice", "chosen": chosen, "rejected": rejected, **envelope})
    return found + [parse(event) for event in said]


@pytest.fixture(scope="session")
def whole(world) -> Built:
    """That world's dataset, with the label model and with texts of prompts and replies."""
    messages, events, text_of = frames(world, SECRET)
    return build(messages, events, named("chat"), text_of=lambda ids: text_of)
