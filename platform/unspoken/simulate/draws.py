"""A whole world as arrays: who asked what, what each answer was worth, what was done and said. No events yet."""

from dataclasses import dataclass

import numpy as np

from unspoken.simulate import acts, replies
from unspoken.simulate.acts import Ends, Looks
from unspoken.simulate.config import World
from unspoken.simulate.people import People, people
from unspoken.simulate.rates import LAST_RANK, Rates, rates, worth
from unspoken.simulate.said import Said, choices, said
from unspoken.simulate.texts import ANCHORS, Corpus, corpus, spoiled
from unspoken.simulate.utilities import Utilities, utilities

DAY_MS = 86_400_000
FIRST_TOKEN_MS, THINK_MS = 800, 500
_ARMS = tuple(ANCHORS)


@dataclass(frozen=True)
class Draws:
    """Exchanges are ordered by user and time, answers by exchange and rank.

    Of exchanges: user, prompt, start_ms (of the user's own clock) · starts: row of its first answer.
    Of answers: exchange, rank, answer (index into the corpus), filler (sentences), policy, anchor (index into ANCHORS,
    −1 for none), text (index into texts), u_stated, u_revealed, shown_ms (its first token, from the exchange's start).
    Per exchange: reply (index into CLASSES) and wording of the next message, and chosen: row of the answer that was
    preferred side by side with the one beside it, −1 where nobody was asked.
    """

    world: World
    seed: int
    corpus: Corpus
    people: People
    rates: Rates
    utilities: Utilities
    user: np.ndarray
    prompt: np.ndarray
    start_ms: np.ndarray
    starts: np.ndarray
    exchange: np.ndarray
    rank: np.ndarray
    answer: np.ndarray
    filler: np.ndarray
    policy: np.ndarray
    anchor: np.ndarray
    text: np.ndarray
    texts: tuple[str, ...]
    u_stated: np.ndarray
    u_revealed: np.ndarray
    shown_ms: np.ndarray
    looks: Looks
    ends: Ends
    said: Said
    reply: np.ndarray
    wording: np.ndarray
    chosen: np.ndarray

    def __len__(self) -> int:
        return len(self.rank)


def draw(world: World, seed: int) -> Draws:
    """The same world and seed give the same arrays."""
    texts = corpus(world.answers_per_prompt, world.corpus_seed)
    random = np.random.default_rng([seed, 2])
    crowd = people(world, random)
    tastes = utilities(world, texts, crowd, random)
    acting = rates(world, texts, random)
    user = np.repeat(np.arange(len(crowd)), crowd.exchanges)
    prompt = random.integers(0, len(texts.prompts), len(user))
    part = (np.arange(len(user)) - np.searchsorted(user, user)) / np.maximum(crowd.exchanges[user], 1)

    variety = random.random(len(user)) < acting.variety[prompt]

    wording: dict[str, int] = {}
    shown: list[dict[str, np.ndarray]] = []
    looked: list[Looks] = []
    active, clock = np.arange(len(user)), np.full(len(user), FIRST_TOKEN_MS, dtype=np.int64)
    last_rank = min(LAST_RANK, world.answers_per_prompt - 1)
    for rank in range(last_rank + 1):
        rows = _answers(world, texts, tastes, user[active], prompt[active], part[active], rank, shown, active, random)
        rows["text"] = _texts(texts, rows, wording, random)
        chars = np.array([len(each) for each in wording])[rows["text"]]
        u = rows["u_stated"], rows["u_revealed"]
        look = acts.look(
            acting, crowd, user[active], prompt[active], chars, variety[active], rank, last_rank, u, random
        )
        shown.append({**rows, "exchange": active, "rank": np.full(len(active), rank), "shown_ms": clock[active]})
        looked.append(look)
        wall_ms = (1000 * look.visible_s).astype(np.int64) + look.idle_ms + look.hidden_ms
        clock[active] += wall_ms + THINK_MS + FIRST_TOKEN_MS
        active = active[look.regenerated]
    whole = {name: np.concatenate([rows[name] for rows in shown]) for name in shown[0]}
    order = np.lexsort((whole["rank"], whole["exchange"]))
    whole = {name: column[order] for name, column in whole.items()}
    looks = Looks.joined(looked, order)
    u = whole["u_stated"], whole["u_revealed"]
    starts = np.flatnonzero(whole["rank"] == 0)
    ends = acts.end(acting, starts, looks, u, crowd.bot[user], random)
    about = acting.driver(world.load_reply, (u[0][ends.kept], u[1][ends.kept]))
    return Draws(
        world=world,
        seed=seed,
        corpus=texts,
        people=crowd,
        rates=acting,
        utilities=tastes,
        user=user,
        prompt=prompt,
        start_ms=_starts(crowd, user, clock + (1000 * ends.compose_s).astype(np.int64), random),
        starts=starts,
        texts=tuple(wording),
        looks=looks,
        ends=ends,
        said=said(
            world, crowd, user[whole["exchange"]], u[0], texts.attributes[whole["answer"]], whole["policy"],
            looks.cut != "close", random,
        ),
        reply=replies.classes(about, world.reply_slope, random),
        wording=random.integers(0, 1000, len(user)),
        chosen=choices(world, starts, whole["rank"], u[0], random),
        **whole,
    )  # fmt: skip


def _answers(
    world: World,
    texts: Corpus,
    tastes: Utilities,
    user: np.ndarray,
    prompt: np.ndarray,
    part: np.ndarray,
    rank: int,
    before: list[dict[str, np.ndarray]],
    active: np.ndarray,
    random: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Which policy answers, with which text, and what that is worth. `part`: how much of the user's time is over."""
    count = len(user)
    drifting = random.random(count) < world.policy_drift
    policy = np.where(drifting, (part * world.policies).astype(int), random.integers(0, world.policies, count))
    answer = _one_of(texts, tastes, policy, prompt, random)
    for earlier in before:  # a regeneration shows another text
        place = np.searchsorted(earlier["exchange"], active)
        while (same := earlier["answer"][place] == answer).any():
            answer[same] = _one_of(texts, tastes, policy[same], prompt[same], random)
    anchor = np.where(random.random(count) < world.anchor_rate, random.integers(0, len(_ARMS), count), -1)
    u = worth(world, tastes.draw(world, texts, user, answer, random)) + np.array([*ANCHORS.values(), 0.0])[anchor]
    much = np.clip(0.5 + world.recency_drift * 0.25 * rank, 0.02, 0.98)
    return {
        "answer": answer,
        "filler": random.binomial(world.filler, much, count),
        "policy": policy,
        "anchor": anchor,
        "u_stated": u[0],
        "u_revealed": u[1],
    }


def _one_of(
    texts: Corpus, tastes: Utilities, policy: np.ndarray, prompt: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    size = len(texts.answers) // len(texts.prompts)
    chance = tastes.chance.reshape(len(tastes.chance), len(texts.prompts), size).cumsum(2)
    draw = random.random(len(policy))
    return np.asarray(prompt * size + np.minimum((draw[:, None] > chance[policy, prompt]).sum(1), size - 1))


def _texts(
    texts: Corpus, rows: dict[str, np.ndarray], wording: dict[str, int], random: np.random.Generator
) -> np.ndarray:
    """Index of each answer's text in `wording`, which grows by those that are new."""
    key = np.stack([rows["answer"], rows["filler"], rows["anchor"]])
    kinds, which = np.unique(key, axis=1, return_inverse=True)
    index = []
    for answer, filler, anchor in kinds.T.tolist():
        text = texts.filled(answer, filler)
        if anchor >= 0:
            other = texts.answers[(answer + len(texts.answers) // 2) % len(texts.answers)]
            text = spoiled(text, other, _ARMS[anchor])
        index.append(wording.setdefault(text, len(wording)))
    return np.array(index, dtype=int)[which.reshape(-1)]


def _starts(crowd: People, user: np.ndarray, lasted_ms: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """When each exchange begins: people ask about twice a day while they are awake, bots one thing after another."""
    days = np.maximum(crowd.exchanges // 2, 1)
    day = (random.random(len(user)) * days[user]).astype(np.int64)
    wakes = random.normal(7.5, 1.0, len(crowd))
    hour = wakes[user] + 15 * random.random(len(user))
    start = (day * DAY_MS + hour * DAY_MS / 24).astype(np.int64)
    order = np.lexsort((start, user))
    start = start[order]
    number = np.arange(len(user)) - np.searchsorted(user, user)
    sort = crowd.sort[user]
    start = np.where(sort == 2, number * 1_020_000, start)
    start = np.where(sort == 1, number * 2_400_000 + random.integers(0, 1_200_000, len(user)), start)
    # Nobody begins before the last exchange is over: the running maximum of start − time spent so far, per user.
    lasted = np.concatenate([[0], np.cumsum(lasted_ms + 5000)[:-1]])
    apart = user.astype(np.int64) * 10**12
    return np.asarray(np.maximum.accumulate(start - lasted + apart) - apart + lasted)
