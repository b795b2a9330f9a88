"""Two utilities of correlation ρ within a prompt, each N(0, 1) for every prompt, and users who weigh differently."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from unspoken.simulate.config import World
from unspoken.simulate.people import People
from unspoken.simulate.texts import ATTRIBUTES, Corpus

_EDGE, _POINTS = 6.0, 601


@dataclass(frozen=True)
class Utilities:
    """What an answer is worth.

    z: attributes, standardised and without their prompt's mean (answers, attributes) · chance: how likely each policy
    gives each answer of a prompt (policies, answers) · stated, revealed: each user's weights (users, attributes) ·
    common_…: what they lie around (attributes,).
    """

    z: np.ndarray
    chance: np.ndarray
    stated: np.ndarray
    revealed: np.ndarray
    common_stated: np.ndarray
    common_revealed: np.ndarray
    _levels: np.ndarray  # (2, prompts, _POINTS): the normal score of a raw utility on the grid

    def draw(
        self, world: World, corpus: Corpus, user: np.ndarray, answer: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """(2, n): stated and revealed latent, text and taste and what only this moment knows, each N(0, 1)."""
        noise = random.normal(size=(2, len(user)))
        noise[1] = world.rho * noise[0] + np.sqrt(1 - world.rho**2) * noise[1]
        grid = np.linspace(-_EDGE, _EDGE, _POINTS)
        found = np.empty((2, len(user)))
        for family, weights in enumerate((self.stated, self.revealed)):
            text = np.einsum("ij,ij->i", self.z[answer], weights[user])
            raw = world.shared_weight * text + np.sqrt(1 - world.shared_weight**2) * noise[family]
            place = np.clip((raw + _EDGE) / (grid[1] - grid[0]), 0, _POINTS - 1.001)
            low, part = place.astype(int), place % 1
            level = self._levels[family, corpus.prompt_of[answer]]
            rows = np.arange(len(user))
            found[family] = level[rows, low] * (1 - part) + level[rows, low + 1] * part
        return found


def utilities(world: World, corpus: Corpus, people: People, random: np.random.Generator) -> Utilities:
    """Common weights with wᵀ_S C w_R = ρ, C the policies' mean covariance within prompts, and users' own around them.

    A raw utility is a mixture over a prompt's answers; its own distribution function makes it N(0, 1) exactly, so that
    the prior of the Bayes posterior is known.
    """
    z = (corpus.attributes - corpus.attributes.mean(0)) / corpus.attributes.std(0)
    of_prompt = np.equal.outer(np.arange(len(corpus.prompts)), corpus.prompt_of).astype(float)
    liking = np.exp(z @ (world.policy_tilt * random.normal(size=(world.policies, len(ATTRIBUTES)))).T).T
    chance = liking / (liking @ of_prompt.T)[:, corpus.prompt_of]
    share = chance.mean(0)
    z = z - ((of_prompt * share) @ z)[corpus.prompt_of]
    covariance = (z.T * share) @ z / len(corpus.prompts)
    first, second = _common(world, z, covariance, share * _log_length(corpus), random)
    own = random.normal(size=(world.users, z.shape[1])) * world.taste_sd
    apart = random.normal(size=(world.users, z.shape[1])) * world.taste_sd
    sign = np.where(people.minority, -1.0, 1.0)[:, None]
    stated = sign * first + own
    flattery = _unit(np.eye(len(ATTRIBUTES))[ATTRIBUTES.index("flattery")], covariance)
    stated[people.gullible] = flattery
    return Utilities(
        z=z,
        chance=chance,
        stated=stated,
        revealed=sign * second + world.rho * own + np.sqrt(1 - world.rho**2) * apart,
        common_stated=first,
        common_revealed=second,
        _levels=np.stack([_levels(world, z, share, of_prompt, w, people) for w in (first, second)]),
    )


def _common(
    world: World, z: np.ndarray, covariance: np.ndarray, weighted_length: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of variance 1 and covariance ρ, of which `length_liking` is how much longer answers are liked.

    Without it worth says nothing of length, though attributes do: what is learnt from seconds must not be length.
    """
    longer = _unit(np.linalg.solve(covariance, z.T @ weighted_length), covariance)

    def apart(weights: np.ndarray, *others: np.ndarray) -> np.ndarray:
        for other in others:
            weights = weights - (weights @ covariance @ other) * other
        return _unit(weights, covariance)

    drawn = random.normal(size=(2, z.shape[1]))
    first = apart(drawn[0], longer)
    other = apart(drawn[1], longer, first)
    liking = world.length_liking
    rest = np.clip((world.rho - liking**2) / (1 - liking**2), -1, 1)
    second = rest * first + np.sqrt(1 - rest**2) * other
    keep = np.sqrt(1 - liking**2)
    return keep * first + liking * longer, keep * second + liking * longer


def _log_length(corpus: Corpus) -> np.ndarray:
    return np.log([len(text) for text in corpus.answers])


def _levels(
    world: World, z: np.ndarray, share: np.ndarray, of_prompt: np.ndarray, weights: np.ndarray, people: People
) -> np.ndarray:
    """Φ⁻¹ of each prompt's distribution function on the grid, shape (prompts, _POINTS)."""
    grid = np.linspace(-_EDGE, _EDGE, _POINTS)
    mean = world.shared_weight * (z @ weights)
    rest = 1 - world.shared_weight**2
    spread = np.sqrt(rest + (world.shared_weight * world.taste_sd) ** 2 * (z**2).sum(1)) + 1e-9
    opposite = float(people.minority.mean())
    below = (1 - opposite) * ndtr((grid - mean[:, None]) / spread[:, None])
    below += opposite * ndtr((grid + mean[:, None]) / spread[:, None])
    return np.asarray(np.clip(ndtri((of_prompt * share) @ below), -_EDGE, _EDGE))


def _unit(weights: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    unit: np.ndarray = weights / np.sqrt(weights @ covariance @ weights)
    return unit
