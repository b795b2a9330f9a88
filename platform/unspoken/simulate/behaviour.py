"""What one user does with one prompt: the events, in order, and the two utilities behind them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from unspoken.signals.episodes import READING_CHARS_PER_S
from unspoken.simulate.config import World
from unspoken.simulate.texts import ATTRIBUTES, Corpus
from unspoken.simulate.utilities import Utilities

START_MS = 1_767_225_600_000  # 2026-01-01
Event = dict[str, Any]


@dataclass
class Person:
    """One simulated user: how leniently they vote, how fast they read (log), and their clock in milliseconds."""

    index: int
    leniency: float
    pace: float
    clock_ms: int

    @property
    def name(self) -> str:
        """The chatbot's own id of this user."""
        return f"user-{self.index:05d}"


class Behaviour:
    """Draws events; every random number comes from one generator, so a seed fixes the world."""

    def __init__(self, world: World, seed: int, corpus: Corpus, utilities: Utilities, random: np.random.Generator):
        self.world, self.seed, self.corpus, self.utilities, self.random = world, seed, corpus, utilities, random
        self.truth: list[dict[str, Any]] = []
        self._count = 0

    def exchange(self, person: Person, prompt: int) -> Iterator[Event]:
        """A prompt, its answer, what was done and said, perhaps a regeneration, perhaps a next message."""
        conversation = f"{person.name}-{prompt}"
        asked = f"{conversation}-p"
        yield self._event(person, "message", conversation, asked, role="user", text=self.corpus.prompts[prompt])
        person.clock_ms += 800
        of_prompt = np.flatnonzero(self.corpus.prompt_of == prompt)
        shown, worth = [], []
        candidates = self.random.permutation(of_prompt)[:4]
        for number, answer in enumerate(candidates):
            message = f"{conversation}-a{number}"
            u_stated, u_revealed = self._draw(person, int(answer), message)
            outcome = yield from self._watch(person, conversation, asked, message, int(answer), u_revealed)
            shown.append(message)
            worth.append(u_revealed)
            if outcome != "closed":
                yield from self._vote(person, conversation, message, u_stated)
            if outcome == "closed":
                return
            chance = (
                0.5
                if outcome == "stopped"
                else self._rate(self.world.regenerate_rate, -self.world.regenerate_slope * u_revealed)
            )
            if number == len(candidates) - 1 or self.random.random() > chance:
                break
            yield self._event(person, "regenerate", conversation, message, phase="reading")
        yield from self._go_on(person, conversation, shown, worth)

    def _draw(self, person: Person, answer: int, message: str) -> tuple[float, float]:
        """Both utilities, about N(0, 1): text and taste, and what only this moment knows (correlated ρ as well)."""
        rho, share = self.world.rho, self.world.shared_weight
        z = self.utilities.z[answer]
        noise = self.random.normal(size=2)
        noise[1] = rho * noise[0] + np.sqrt(1 - rho**2) * noise[1]
        rest = np.sqrt(1 - share**2)
        u_stated = share * float(z @ self.utilities.stated[person.index]) + rest * noise[0]
        u_revealed = share * float(z @ self.utilities.revealed[person.index]) + rest * noise[1]
        self.truth.append(
            {
                "message": message,
                "user": person.name,
                "u_stated": u_stated,
                "u_revealed": u_revealed,
                **dict(zip(ATTRIBUTES, self.corpus.attributes[answer], strict=True)),
                "policy": "uniform",
                "topic": self.corpus.topics[int(self.corpus.prompt_of[answer])],
            }
        )
        return u_stated, u_revealed

    def _watch(self, person: Person, conversation: str, asked: str, message: str, answer: int, u: float) -> Any:
        """Stream, stop, close, read, copy. Returns "closed", "stopped" or "read"."""
        world, text = self.world, self.corpus.answers[answer]
        length = len(text)
        stream_s = length / world.chars_per_s
        stop_s = self.random.exponential(1 / (world.stop_per_s * np.exp(-world.stop_slope * u)))
        close_s = self.random.exponential(1 / (world.close_per_s * np.exp(-world.close_slope * u)))
        read_s = float(
            np.exp(
                np.log(length / READING_CHARS_PER_S) + person.pace + world.dwell_slope * u + self.random.normal() * 0.35
            )
        )
        yield self._event(
            person, "message", conversation, message, role="assistant", text=text, parent=asked,
            duration_ms=int(stream_s * 1000), finish="complete" if min(stop_s, close_s) >= stream_s else "stopped",
        )  # fmt: skip
        yield self._event(person, "expose", conversation, message)
        visible_s = (
            min(stop_s, close_s, max(stream_s, read_s)) if min(stop_s, close_s) < stream_s else max(stream_s, read_s)
        )
        seen = min(length, int(visible_s * world.chars_per_s))
        person.clock_ms += int(visible_s * 1000)
        outcome = "read"
        if visible_s < stream_s:
            outcome = "stopped" if stop_s < close_s else "closed"
        if outcome == "stopped":
            yield self._event(person, "stop", conversation, message, seen_chars=seen, total_chars=length)
        yield self._event(
            person, "view", conversation, message, visible_ms=int(visible_s * 1000), seen_chars=seen, total_chars=length
        )
        if outcome == "closed":
            yield self._event(
                person, "close", conversation, message, phase="streaming", cause="tab", seen_chars=seen,
                total_chars=length,
            )  # fmt: skip
        if outcome == "read" and self.random.random() < self._rate(world.copy_rate, world.copy_slope * u):
            yield self._event(person, "copy", conversation, message, chars=int(length * self.random.uniform(0.1, 1)))
        return outcome

    def _vote(self, person: Person, conversation: str, message: str, u_stated: float) -> Iterator[Event]:
        if self.random.random() < self.world.vote_rate:
            up = self.random.random() < _sigmoid(self.world.vote_slope * u_stated + person.leniency)
            yield self._event(person, "vote", conversation, message, value=1 if up else -1)

    def _go_on(self, person: Person, conversation: str, shown: list[str], worth: list[float]) -> Iterator[Event]:
        """Keep one of the siblings and write on below it; with one answer, write on half of the time."""
        logits = self.world.sibling_slope * np.array(worth)
        logits[-1] += self.world.sibling_last
        chances = np.exp(logits - logits.max())
        kept = int(self.random.choice(len(shown), p=chances / chances.sum()))
        if len(shown) == 1 and self.random.random() > 0.5:
            return
        if kept != len(shown) - 1:
            yield self._event(person, "select", conversation, shown[kept], previous=shown[-1], displayed=shown[-1])
        person.clock_ms += 3000
        yield self._event(
            person, "message", conversation, f"{conversation}-n", role="user", text="Go on.", parent=shown[kept]
        )

    def _event(self, person: Person, kind: str, conversation: str, message: str, **fields: Any) -> Event:
        self._count += 1
        person.clock_ms += 5
        identity = str(uuid5(NAMESPACE_URL, f"{self.world.name}/{self.world.rho}/{self.seed}/{self._count}"))
        return {
            "id": identity,
            "kind": kind,
            "at": START_MS + person.clock_ms,
            "conversation": conversation,
            "message": message,
            # A machine wrote the answer; the user did everything else.
            **({} if fields.get("role") == "assistant" else {"user": person.name}),
            **fields,
        }

    @staticmethod
    def _rate(base: float, shift: float) -> float:
        """`base` moved by `shift` logits."""
        return float(base) if base in (0, 1) else _sigmoid(float(np.log(base / (1 - base))) + shift)


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))
