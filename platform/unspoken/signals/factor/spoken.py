"""Which behaviours go with what is said, beyond what the worth explains: they carry expressed evidence.

The headline leaves expressed evidence out (science: §1). A behaviour can bring it back in: where people copy what they
would also praise, E[worth | copied] points where praise points, though copying is explained by the worth as well as any
other act, and nothing within the family can tell. What the next message says can. It tests and does not teach: no
parameter of the factor is fitted to it, it decides alone which behaviours the factor is made of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from unspoken.signals.factor.acts import Act
from unspoken.signals.factor.checks import Residual, residual_correlations, scored
from unspoken.signals.factor.design import Design, users_of
from unspoken.signals.factor.habits import fit_habit
from unspoken.signals.factor.likelihood import Likelihood, maximise
from unspoken.signals.factor.terms import LOG_PRIOR, Direction, Floats, Prior, Rows

PLEASED = "pleased reply"
ENOUGH_REPLIES = 100  # that please, and that do not
# A residual correlation with what is said; from here on a behaviour is not one of the factor's.
ANOTHER_THING = 0.1
SAME_ACT = (("copy", "copy_code"),)  # told apart by what was copied, and done for the same reasons


def replies_to(seen: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """`observed` rows of whole answers with no sibling of which frames.REPLIES say something good or bad, with `up`:
    whether more good than bad.
    """
    judged = said.group_by("message").agg(pl.col("lo").sum()).filter(pl.col("lo") != 0)
    found = seen.filter("alone").join(judged, on="message", maintain_order="left")
    return found.with_columns(up=pl.col("lo") > 0).drop("lo")


def tied(planned: Design, thetas: Sequence[Floats], spoken: pl.DataFrame) -> list[Residual]:
    """Each signal's residual correlation with whether the reply is a pleased one, of `replies_to` rows.

    The factor stays as it was fitted; how far the reply follows the worth is fitted beside it. Empty where too few
    replies say anything.
    """
    up = spoken["up"].to_numpy().astype(float)
    if min(up.sum(), (1 - up).sum()) < ENOUGH_REPLIES:
        return []
    rows, users = planned.rows(spoken), users_of(spoken)
    # Whoever replied went on writing: no answer here could say otherwise.
    unknown = np.full(len(rows), np.nan)
    habit = fit_habit(up, np.ones(len(up)), rows.topic, users, len(planned.topics))
    multiples = habit.log_multiples(up, np.ones(len(up)), rows.topic, users)
    rows = replace(
        rows,
        known=rows.known | {"writes": unknown, PLEASED: up},
        habit=rows.habit | {PLEASED: multiples},
    )
    own = Likelihood.of(planned.terms(), rows)
    reply = Act(PLEASED, len(planned.topics), float(up.mean()), 0.5, False, 0.0, habit.variance > 0)
    features = reply.features(rows)
    given = _Given(own.log_joint(thetas) - LOG_PRIOR)
    (_, theta), _ = maximise(
        Likelihood([given, reply], [given.features(rows), features]), [np.empty(0), reply.prior().start]
    )
    both = Likelihood([*own.terms, reply], [*own.features, features])
    all_thetas = [*thetas, theta]
    found = scored(both, all_thetas, rows.topic, users)
    return residual_correlations(both, all_thetas, rows.known, found, users, beside=PLEASED)


def another_thing(found: Sequence[Residual]) -> Residual | None:
    """The signal that goes with what is said most, where that is beyond its band and no trifle."""
    beyond = [r for r in found if r.band is not None and abs(r.correlation) > max(r.band, ANOTHER_THING)]
    return max(beyond, key=lambda r: abs(r.correlation), default=None)


def without(planned: Design, thetas: Sequence[Floats], other: Residual) -> tuple[Design, list[Floats]]:
    """The design and its parameters without that signal and what is the same act."""
    gone = {other.first, *(pair for act in SAME_ACT if other.first in act for pair in act)} & set(planned.signals)
    kept = [n for n, term in enumerate(planned.terms()) if term.signal not in gone]
    return planned.without(dict.fromkeys(sorted(gone), "it goes with what is said")), [thetas[n] for n in kept]


def of_replies(apart: Sequence[Residual]) -> str | None:
    """What is to be said of the signals left out."""
    if not apart:
        return None
    named = ", ".join(f"{r.first} {r.correlation:+.2f} (± {r.band or 0:.2f})" for r in apart)
    return (
        "These behaviours do not measure one thing: beyond what the others explain, a reply that is pleased goes with "
        f"{named}. The labels do without it; publish it per signal."
    )


@dataclass(frozen=True)
class _Given:
    """What the factor says of each answer: a term of which nothing is fitted. said: (n, 2, Q)."""

    said: Floats
    signal = "given"
    by_variety = True

    def prior(self) -> Prior:
        nothing = np.empty(0)
        return Prior(nothing, nothing, nothing, nothing)

    def directions(self) -> list[Direction]:
        return []

    def features(self, rows: Rows) -> Any:
        return sparse.identity(len(rows), format="csr")

    def table(self, theta: Floats) -> Floats:
        return self.said

    def score(self, theta: Floats) -> Floats:
        return np.zeros_like(self.said)

    def pull(self, theta: Floats, weights: Floats) -> Floats:
        return theta
