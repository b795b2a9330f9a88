"""Two utilities whose correlation within a prompt is exactly ρ, and users who each weigh a little differently."""

from dataclasses import dataclass

import numpy as np

from unspoken.simulate.config import World
from unspoken.simulate.texts import Corpus


@dataclass(frozen=True)
class Utilities:
    """Per user weights, shape (users, attributes); `z` standardised attributes, shape (answers, attributes)."""

    z: np.ndarray
    stated: np.ndarray
    revealed: np.ndarray
    common_stated: np.ndarray
    common_revealed: np.ndarray


def utilities(world: World, corpus: Corpus, random: np.random.Generator) -> Utilities:
    """Common weights with wᵀ_S C w_R = ρ, C the corpus's within-prompt covariance, and users' own around them."""
    z = (corpus.attributes - corpus.attributes.mean(0)) / corpus.attributes.std(0)
    centred = z - np.stack([z[corpus.prompt_of == p].mean(0) for p in range(len(corpus.prompts))])[corpus.prompt_of]
    covariance = centred.T @ centred / len(z)
    first = _unit(random.normal(size=z.shape[1]), covariance)
    other = random.normal(size=z.shape[1])
    other = _unit(other - (first @ covariance @ other) * first, covariance)
    second = world.rho * first + np.sqrt(1 - world.rho**2) * other
    own = random.normal(size=(world.users, z.shape[1])) * world.taste_sd
    apart = random.normal(size=(world.users, z.shape[1])) * world.taste_sd
    return Utilities(
        z=z,
        stated=first + own,
        revealed=second + world.rho * own + np.sqrt(1 - world.rho**2) * apart,
        common_stated=first,
        common_revealed=second,
    )


def _unit(weights: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    unit: np.ndarray = weights / np.sqrt(weights @ covariance @ weights)
    return unit
