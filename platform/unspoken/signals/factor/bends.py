"""Whether a time bends: whether those of the best and of the worst answers are alike, and unlike those of the others.

A slope cannot say that, and a fit that has slopes alone may take the bend for the worth and find a wrong factor, from
which a bend is no longer to be seen. So a few answers are fitted with terms in u² first, all answers tell from there
how sure each is, and those that are not stay out: where nothing bends, a term in u² takes part of the slope.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unspoken.signals.factor.checks import scored
from unspoken.signals.factor.likelihood import Likelihood
from unspoken.signals.factor.terms import Codes, Floats, Term
from unspoken.signals.factor.times import BENDS, Time


def freed(likelihood: Likelihood) -> Likelihood:
    """The same with a term in u² for every time."""
    terms: list[Term] = [replace(term, bent=True) if isinstance(term, Time) else term for term in likelihood.terms]
    return Likelihood(terms, likelihood.features)


def held(term: Term, theta: Floats) -> Floats:
    """Parameters with no u² where the term has none."""
    return np.where(np.arange(len(theta)) == BENDS, 0.0, theta) if isinstance(term, Time) and not term.bent else theta


def bends(likelihood: Likelihood, near: Sequence[Floats], topics: Codes, users: Codes) -> dict[str, float]:
    """Each time's term in u² by its error (users as clusters): where one step of Newton's leads from `near`, the fit of
    a few of the answers.

    That is as good as a fit of all of them: `near` is off by no more than its error, and the step sets that right.
    """
    found, priors = scored(likelihood, near, topics, users), [term.prior() for term in likelihood.terms]
    columns, slopes = found.columns, len(found.places)
    at = [(near[n][d.place], priors[n].mean[d.place], priors[n].sd[d.place] ** -2) for n, d in found.places]
    value, mean, precision = np.pad(np.array(at).T, ((0, 0), (0, columns.shape[1] - slopes)))
    score = columns.sum(0) - (value - mean) * precision
    step = np.linalg.lstsq(columns.T @ columns + np.diag(precision), score, rcond=None)[0]
    z = (value + step)[:slopes] / np.sqrt(np.diag(found.covariance))[:slopes]
    return {
        likelihood.terms[n].signal: float(z[k])
        for k, (n, direction) in enumerate(found.places)
        if direction.of == "bend"
    }
