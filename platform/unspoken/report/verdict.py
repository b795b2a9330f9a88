"""The rule that turns an interval into a verdict, and the sentences around it (science §7)."""

import math
from typing import Any

from scipy.stats import t as student

from unspoken.report.halves import Estimate
from unspoken.report.resampling import percentile, robust_sd
from unspoken.report.words import two

MARGIN = 0.05
LEAST_RELIABILITY = 0.3
ENOUGH_PEOPLE = 300


def interval(estimate: Estimate) -> dict[str, float]:
    """ρ̃, its 95 % interval and one-sided 95 % bound; widened by t below 300 effective people per half."""
    low, lower95, high = percentile(estimate.rho_replicates, 0.025, 0.05, 0.975)
    wider = 1.0
    if estimate.people_per_half < ENOUGH_PEOPLE:
        wider = float(student.ppf(0.975, max(estimate.people_per_half - 1, 1))) / 1.959964
    rho = estimate.rho
    return {
        "estimate": rho,
        "low": rho - (rho - low) * wider,
        "high": rho + (high - rho) * wider,
        "lower95": rho - (rho - lower95) * wider,
    }


def reliability(estimate: Estimate, family: str) -> dict[str, Any]:
    """r of one family with its bounds; `low5` is what the verdict asks."""
    point, replicates = estimate.reliability(family)
    low, low5, high = percentile(replicates, 0.025, 0.05, 0.975)
    return {
        "family": family,
        "estimate": _finite(point),
        "low5": _finite(low5),
        "low": _finite(low),
        "high": _finite(high),
    }


def too_noisy(reliabilities: list[dict[str, Any]]) -> list[str]:
    """Families whose reliability is not shown to reach .3."""
    return [row["family"] for row in reliabilities if row["low5"] is None or row["low5"] < LEAST_RELIABILITY]


def verdict(
    estimate: Estimate | None, reliabilities: list[dict[str, Any]], labels_sentence: str, why_none: str = ""
) -> dict[str, Any]:
    """The verdict of the report; no gap is printed where the models are too noisy to have one."""
    shared: dict[str, Any] = {"labels_sentence": labels_sentence, "margin": MARGIN}
    nothing: dict[str, Any] = {"label": "cannot tell", "gap": None, "rho": None, "labels_needed": None}
    if estimate is None:
        return {**nothing, **shared, "sentence": "Models: cannot tell.", "reason": why_none}
    noisy = too_noisy(reliabilities)
    if noisy:
        said = " and ".join(
            f"{row['family']} {two(row['estimate'])} (lower 5 % bound {two(row['low5'])})"
            for row in reliabilities
            if row["family"] in noisy
        )
        return {
            **nothing,
            **shared,
            "sentence": "Models: cannot tell, they are too noisy.",
            "reason": f"Two models trained on different people do not agree enough: reliability {said}; .3 is needed. "
            "A gap between two such models would be a number about noise, so none is printed.",
        }
    rho = interval(estimate)
    if not all(math.isfinite(value) for value in rho.values()):
        return {
            **nothing,
            **shared,
            "sentence": "Models: cannot tell.",
            "reason": "ρ̃ is not defined: two models of one family, trained on different people, do not agree at all.",
        }
    gap = {
        "estimate": 1 - rho["estimate"],
        "low": 1 - rho["high"],
        "high": 1 - rho["low"],
        "upper95": 1 - rho["lower95"],
    }
    label, sentence = _rule(gap)
    return {
        **shared,
        "label": label,
        "sentence": sentence,
        "reason": f"Preference gap g = 1 − ρ̃ = {two(gap['estimate'])} [{two(gap['low'])}, "
        f"{two(gap['high'])}]: choosing answers by the revealed score keeps {_share(rho['estimate'])} of what "
        f"choosing by the stated score gains.{_widened(estimate)}",
        "gap": gap,
        "rho": {key: rho[key] for key in ("estimate", "low", "high")},
        "labels_needed": _needed(estimate, gap["estimate"]),
    }


def _rule(gap: dict[str, float]) -> tuple[str, str]:
    differs, same = gap["low"] > 0, gap["upper95"] < MARGIN
    if differs and gap["low"] > MARGIN:
        return "differ by more than the margin", "What people say and what they do differ, by more than the margin."
    if differs and same:
        return "differ, less than the margin", "What people say and what they do differ, by less than the margin."
    if differs:
        return "differ", "What people say and what they do differ."
    if same:
        return "same", f"What people say and what they do reward the same answers: the gap is less than {two(MARGIN)}."
    return "cannot tell", "Models: cannot tell whether what people say and what they do differ."


def _needed(estimate: Estimate, gap: float) -> dict[str, int | None]:
    """Labels per arm for 80 % power: to establish the gap seen, and to establish sameness within the margin."""
    n, spread = min(estimate.labels), robust_sd(estimate.rho_replicates)
    return {
        "to_establish": math.ceil(n * (2.80 * spread / gap) ** 2) if gap > 1e-6 else None,
        "to_establish_sameness": math.ceil(n * (2.49 * spread / (MARGIN - gap)) ** 2) if gap < MARGIN - 1e-6 else None,
    }


def _widened(estimate: Estimate) -> str:
    if estimate.people_per_half >= ENOUGH_PEOPLE:
        return ""
    return f" Only {estimate.people_per_half:.0f} effective people stand in a half, so the interval is widened by t."


def _share(rho: float) -> str:
    return "nothing" if rho <= 0 else f"{min(rho, 1.0) * 100:.0f} %"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
