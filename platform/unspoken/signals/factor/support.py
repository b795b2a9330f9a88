"""Does anything go with the factor? Three things at least, and not times alone, or there is none to speak of.

One factor behind two signals is any of many: their one correlation fixes no two slopes, and neither does a third signal
that goes with neither. Where behaviour follows no worth the fit then takes whatever ties two of them, or one time by
itself (of a time that nothing goes with the share that is the worth's is free), and is sure of labels that say nothing.
"""

from collections.abc import Collection, Sequence

import numpy as np
from scipy.stats import chi2

from unspoken.signals.factor.checks import Scored
from unspoken.signals.factor.design import DECLARED, TIMES
from unspoken.signals.factor.likelihood import Likelihood
from unspoken.signals.factor.terms import Floats

CHANCE = 0.001  # of acts that follow nothing to be taken for support


def unsupported(likelihood: Likelihood, thetas: Sequence[Floats], found: Scored) -> str | None:
    """Why the factor is not supported, None where it is: with all times left out, and with each act in turn, the slopes
    of what else was done must not all be 0 (Wald, users as clusters).

    What fixes the sign does not count, for its slope is declared, nor does close, which looks like who survives. Times
    go together with one another, and with regenerating for variety's sake, whatever the answers are worth.
    """
    slopes = [
        (likelihood.terms[n].signal, k, float(thetas[n][direction.place]))
        for k, (n, direction) in enumerate(found.places)
        if direction.of == "slope" and direction.topic is None and likelihood.terms[n].signal not in DECLARED
    ]
    for gone in [TIMES, *((signal,) for signal, _, _ in slopes if signal not in TIMES)]:
        rest = [(k, slope) for signal, k, slope in slopes if signal not in gone]
        size, needed = _wald(rest, found.covariance), float(chi2.isf(CHANCE, max(len(rest), 1)))
        if size < needed:
            return _sentence(slopes, found.covariance, gone, size, needed)
    return None


def _wald(slopes: Sequence[tuple[int, float]], covariance: Floats) -> float:
    """χ² of their being 0 together."""
    places, values = [k for k, _ in slopes], np.array([slope for _, slope in slopes])
    return float(values @ np.linalg.solve(covariance[np.ix_(places, places)], values)) if places else 0.0


def _sentence(
    slopes: Sequence[tuple[str, int, float]], covariance: Floats, gone: Collection[str], size: float, needed: float
) -> str:
    looked = ", ".join(f"{signal} {slope / np.sqrt(covariance[k, k]):+.1f}" for signal, k, slope in slopes)
    left = "times" if gone == TIMES else next(iter(gone))
    return (
        "Behaviour cannot be told to say anything of these answers: a factor is known by three things that go "
        f"together, and without {left} too little of what else was done goes with it (χ² {size:.1f}, {needed:.1f} "
        f"needed; slopes in standard errors: {looked or 'none'})."
    )
