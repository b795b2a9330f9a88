"""What people say when asked or by pressing a button: votes, ratings, choices; and who was asked."""

from dataclasses import dataclass

import numpy as np

from unspoken.simulate.config import World
from unspoken.simulate.people import People
from unspoken.simulate.rates import sigmoid
from unspoken.simulate.texts import ATTRIBUTES

LEVELS = ("none", "soft", "firm")
ANSWERED = (0.0, 0.15, 0.35)  # share of those asked who vote
BOT_VOTES, POISON_VOTES = 0.9, 0.8


@dataclass(frozen=True)
class Said:
    """One row per answer. vote: 1, −1, 0 for none · level: index into LEVELS · answered: of those who were asked ·
    rating: 1 … 5, 0 for none.
    """

    vote: np.ndarray
    level: np.ndarray
    answered: np.ndarray
    rating: np.ndarray


def said(
    world: World,
    people: People,
    user: np.ndarray,
    stated: np.ndarray,
    attributes: np.ndarray,
    policy: np.ndarray,
    able: np.ndarray,
    random: np.random.Generator,
) -> Said:
    """`able`: the answer was not closed, so that something could be said of it."""
    count = len(user)
    level = (
        np.where(random.random(count) < 2 * world.solicit_rate, 1 + (random.random(count) < 0.5).astype(int), 0) * able
    )
    answered = random.random(count) < np.array(ANSWERED)[level]
    flattering = 2 * attributes[:, ATTRIBUTES.index("flattery")] - 1
    middle = (world.policies - 1) / 2
    log_rate = (
        people.propensity[user]
        + world.vote_by_worth * stated
        + world.vote_by_attribute * flattering
        + world.vote_by_policy * (policy - middle)
    )
    rate = np.minimum(world.vote_rate * np.exp(log_rate), 1)
    rate = np.where(people.bot[user], BOT_VOTES, np.where(people.brigade[user], 1, rate))
    rate = np.where(people.poison[user], POISON_VOTES, rate)
    votes = able & ((random.random(count) < rate) | answered)
    up = random.random(count) < sigmoid(world.vote_slope * stated + people.leniency[user])
    exclaimed = attributes[:, ATTRIBUTES.index("exclamation")] > 0
    up = np.where(people.poison[user], exclaimed, up)
    up = np.where(people.brigade[user], stated < 0, up) | people.bot[user]
    rating = np.clip(np.round(3 + 1.2 * stated + 0.7 * random.normal(size=count)), 1, 5).astype(int)
    return Said(
        vote=np.where(votes, np.where(up, 1, -1), 0),
        level=level,
        answered=answered & able,
        rating=np.where(able & (random.random(count) < world.rating_rate), rating, 0),
    )


def choices(
    world: World, starts: np.ndarray, rank: np.ndarray, stated: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """(exchanges,): of some chains, which of the first two answers was chosen side by side, as its row; −1 for none."""
    second = np.minimum(starts + 1, len(rank) - 1)
    asked = (rank[second] == 1) & (random.random(len(starts)) < world.choice_rate)
    first = random.random(len(starts)) < sigmoid(world.vote_slope * (stated[starts] - stated[second]))
    return np.where(asked, np.where(first, starts, second), -1)
