"""Planted anchors: answers spoiled on purpose, of which nobody disputes that they are worse (science: §4).

They test the label model, per axis, by sign; and they set at most one global monotone map of its log-odds. They never
set the weights between signals. No anchors: no test and no map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, ndtri

from unspoken.signals.factor.terms import GRID

Floats = NDArray[np.float64]
ENOUGH = 20  # anchors of an axis, for a verdict on its sign
SLOPE_SD = 0.25  # prior of log b around 0: few anchors move the map little
LEVEL = float(ndtri(0.95))


@dataclass(frozen=True)
class Axis:
    """One way of spoiling: the shift μ of the worth that the model finds, in sd, and whether its sign is right.

    verdict: right, wrong (μ > 0 beyond its 95 % bound), or cannot tell.
    """

    axis: str
    answers: int
    shift: float
    se: float
    verdict: str


@dataclass(frozen=True)
class Anchors:
    """What the anchors say: the axes, and the map logit p = intercept + slope·lo (0 and 1: none was set)."""

    axes: Sequence[Axis] = ()
    intercept: float = 0.0
    slope: float = 1.0
    notes: Sequence[str] = ()

    @property
    def failed(self) -> bool:
        """An axis that the model has the wrong way round: its labels should not be used."""
        return any(axis.verdict == "wrong" for axis in self.axes)

    def map(self, lo: Floats) -> Floats:
        """Log-odds by the map."""
        return self.intercept + self.slope * lo

    @staticmethod
    def from_dict(said: Mapping[str, Any]) -> "Anchors":
        return Anchors([Axis(**axis) for axis in said["axes"]], said["intercept"], said["slope"], said["notes"])


def examine(axes: Sequence[str], planted: Floats, planted_lo: Floats, ordinary: Floats, ordinary_lo: Floats) -> Anchors:
    """The test of each axis, and the map if none fails.

    axes: of each anchor; planted, ordinary: (n, 25) posteriors of the worth under its prior N(0, 1); lo: their
    log-odds.
    """
    if not len(axes):
        return Anchors()
    names = np.array(axes)
    found = [_axis(str(name), planted[names == name]) for name in sorted(set(axes))]
    wrong = [axis.axis for axis in found if axis.verdict == "wrong"]
    if wrong:
        return Anchors(found, notes=[
            f"The label model FAILS its planted anchors on {', '.join(wrong)}: it takes answers spoiled on purpose for "
            "better ones. Do not use its labels before you know why; no map was set."
        ])  # fmt: skip
    enough = [axis for axis in found if axis.answers >= ENOUGH]
    if not enough:
        return Anchors(found, notes=[f"Fewer than {ENOUGH} planted anchors of each axis: no test and no map."])
    used = np.isin(names, [axis.axis for axis in enough])
    intercept, slope = _map(enough, planted_lo[used], ordinary, ordinary_lo)
    told = ", ".join(f"{a.axis} {a.shift:+.2f} ± {LEVEL * a.se:.2f} ({a.verdict})" for a in enough)
    return Anchors(found, intercept, slope, [f"Planted anchors shift the worth by: {told}; log-odds × {slope:.2f}."])


def _axis(name: str, planted: Floats) -> Axis:
    """The most likely shift μ of u ~ N(μ, 1), and the sign of it."""

    def tilted(mu: float) -> tuple[float, Floats]:
        weights = planted * np.exp(mu * GRID - 0.5 * mu * mu)
        total = weights.sum(1)
        return float(np.log(total).sum()), weights / total[:, None]

    shift = float(minimize_scalar(lambda mu: -tilted(mu)[0], bounds=(-3, 3), method="bounded").x)
    worth = tilted(shift)[1]
    variance = worth @ GRID**2 - (worth @ GRID) ** 2
    se = float(1 / np.sqrt(max((1 - variance).sum(), 1e-9)))
    verdict = "cannot tell"
    if len(planted) >= ENOUGH:
        verdict = "right" if shift + LEVEL * se < 0 else "wrong" if shift - LEVEL * se > 0 else "cannot tell"
    return Axis(name, len(planted), shift, se, verdict)


def _map(axes: Sequence[Axis], planted_lo: Floats, ordinary: Floats, ordinary_lo: Floats) -> tuple[float, float]:
    """(a, b): b = b_observed / b_implied, shrunk to 1 by its error; a keeps the mean of p over ordinary answers.

    b_observed: slope of logit P(ordinary, not anchor | lo). b_implied: the same where each ordinary answer counts as an
    anchor as much as the model says, E[φ(u − μ)/φ(u) | acts]. This is the simulation of science §4 in expectation.
    """
    shares, shifts = (np.array([getattr(axis, name) for axis in axes]) for name in ("answers", "shift"))
    density = ordinary @ np.exp(np.outer(GRID, shifts) - 0.5 * shifts**2) @ (shares / shares.sum())
    n = len(ordinary_lo)
    observed, se = _slope(np.concatenate([ordinary_lo, planted_lo]), n, np.ones(n + len(planted_lo)))
    implied, _ = _slope(
        np.concatenate([ordinary_lo, ordinary_lo]), n,
        np.concatenate([np.ones(n), density * len(planted_lo) / density.sum()]),
    )  # fmt: skip
    if observed <= 0 or implied <= 0:
        return 0.0, 1.0
    variance = (se / observed) ** 2
    slope = float(np.exp(np.log(observed / implied) * SLOPE_SD**2 / (SLOPE_SD**2 + variance)))
    mean = float(expit(ordinary_lo).mean())
    intercept = float(brentq(lambda a: float(expit(a + slope * ordinary_lo).mean()) - mean, -20, 20))
    return intercept, slope


def _slope(x: Floats, ones: int, weights: Floats) -> tuple[float, float]:
    """Slope of a weighted logistic regression, the first `ones` rows being 1, and its standard error (Newton)."""
    y = np.zeros(len(x))
    y[:ones] = 1
    design = np.stack([np.ones(len(x)), x], 1)
    share = float(weights[:ones].sum() / weights.sum())
    theta = np.array([np.log(share / (1 - share)), 0.0])
    information = np.eye(2)
    for _ in range(25):
        p = expit(design @ theta)
        information = (design * (weights * p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
        theta = theta + np.linalg.solve(information, design.T @ (weights * (y - p)))
    return float(theta[1]), float(np.sqrt(np.linalg.inv(information)[1, 1]))
