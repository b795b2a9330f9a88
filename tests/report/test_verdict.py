"""The rule: which interval earns which words, and when nothing is said."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from unspoken.report import verdict as rule
from unspoken.report.halves import Estimate

SURE = [{"family": family, "estimate": 0.8, "low5": 0.7, "low": 0.68, "high": 0.9} for family in ("stated", "revealed")]
Z = {0.025: -1.959964, 0.05: -1.644854, 0.975: 1.959964}


def estimate(rho: float, sd: float, people: float = 5000, labels: tuple[int, int] = (2000, 2400)) -> Estimate:
    """An estimate whose replicates of ρ̃ are normal quantiles around it; its floors are 1."""
    from scipy.stats import norm

    values = rho + sd * norm.ppf((np.arange(4000) + 0.5) / 4000)
    c = np.broadcast_to(np.eye(4), (4000, 4, 4)).copy()
    c[:, [0, 1, 2, 3], [1, 0, 3, 2]] = 1.0
    c[:, 0, 3] = c[:, 1, 2] = values
    point = c[0].copy()
    point[0, 3] = point[1, 2] = rho
    return Estimate(point, c, np.ones((4000, 4)), labels, people, 1.0, refitted=False)


@pytest.mark.parametrize(
    ("rho", "sd", "label"),
    [
        (0.30, 0.05, "differ by more than the margin"),
        (0.90, 0.04, "differ"),  # g = .10 [.02, .18]
        (0.98, 0.005, "differ, less than the margin"),  # g = .02 [.01, .03]
        (1.00, 0.02, "same"),  # g = 0 [−.04, .04]
        (1.03, 0.03, "same"),  # not clipped
        (0.98, 0.05, "cannot tell"),  # g = .02 [−.08, .12]
        (1.00, 0.04, "cannot tell"),  # the upper bound .066 passes the margin
        (-0.50, 0.20, "differ by more than the margin"),
        (0.936, 0.006, "differ by more than the margin"),  # g = .064 [.052, .076]
    ],
)
def test_the_interval_decides_the_label(rho, sd, label):
    found = rule.verdict(estimate(rho, sd), SURE, "Labels correlate.")
    assert found["label"] == label
    assert found["labels_sentence"] == "Labels correlate."
    assert found["gap"]["estimate"] == pytest.approx(1 - rho)
    assert found["gap"]["low"] == pytest.approx(1 - rho + Z[0.025] * sd, abs=0.01 * sd + 1e-9)
    assert found["gap"]["upper95"] == pytest.approx(1 - rho - Z[0.05] * sd, abs=0.01 * sd + 1e-9)
    assert found["rho"]["high"] == pytest.approx(rho + Z[0.975] * sd, abs=0.01 * sd + 1e-9)
    assert found["margin"] == 0.05


@pytest.mark.parametrize("low5", [0.29, None])
@pytest.mark.parametrize("noisy", ["stated", "revealed"])
def test_models_too_noisy_print_no_gap_whatever_the_interval(noisy, low5):
    rows = [{**row, "low5": low5} if row["family"] == noisy else row for row in SURE]
    found = rule.verdict(estimate(0.3, 0.05), rows, "")
    assert found["label"] == "cannot tell"
    assert found["gap"] is found["rho"] is found["labels_needed"] is None
    assert noisy in found["reason"]
    assert ".70" not in found["reason"]  # neither the gap nor the other family's bound
    assert rule.too_noisy(rows) == [noisy]


def test_both_families_may_be_too_noisy():
    rows = [{**row, "low5": 0.1, "estimate": None} for row in SURE]
    found = rule.verdict(estimate(0.3, 0.05), rows, "")
    assert "stated – (lower 5 % bound .10) and revealed –" in found["reason"]


def test_without_an_estimate_the_reason_is_the_one_given():
    found = rule.verdict(None, [], "Labels: too few.", "There is no stated model.")
    assert found["label"] == "cannot tell"
    assert found["reason"] == "There is no stated model."
    assert found["labels_sentence"] == "Labels: too few."
    assert found["gap"] is None


def test_labels_needed_are_those_of_eighty_per_cent_power():
    found = rule.verdict(estimate(0.98, 0.05), SURE, "")["labels_needed"]
    assert found["to_establish"] == pytest.approx(2000 * (2.80 * 0.05 / 0.02) ** 2, rel=0.02)
    assert found["to_establish_sameness"] == pytest.approx(2000 * (2.49 * 0.05 / 0.03) ** 2, rel=0.02)


def test_no_number_of_labels_establishes_a_gap_of_nothing_or_a_sameness_that_is_not():
    assert rule.verdict(estimate(1.1, 0.05), SURE, "")["labels_needed"]["to_establish"] is None
    assert rule.verdict(estimate(0.9, 0.05), SURE, "")["labels_needed"]["to_establish_sameness"] is None


def test_few_people_widen_the_interval():
    many, few, few_more = (rule.interval(estimate(0.5, 0.1, people=n)) for n in (300, 12, 299))
    width = many["high"] - many["low"]
    assert few["high"] - few["low"] == pytest.approx(width * 2.200985 / 1.959964, rel=1e-3)
    assert width < few_more["high"] - few_more["low"] < width * 1.01
    assert few["lower95"] < many["lower95"]
    assert "12 effective people" in rule.verdict(estimate(0.5, 0.1, people=12), SURE, "")["reason"]
    assert few["estimate"] == many["estimate"]
    assert all(math.isfinite(value) for value in rule.interval(estimate(0.5, 0.1, people=0.0)).values())


def test_nothing_finite_is_told_from_nothing_finite():
    nothing = estimate(0.5, 0.1)
    c = np.full_like(nothing.replicates, np.nan)
    for broken in (
        replace(nothing, point=c[0], replicates=c),
        replace(nothing, replicates=c),
        replace(nothing, point=-nothing.point),
    ):
        found = rule.verdict(broken, SURE, "")
        assert found["label"] == "cannot tell"
        json.dumps(found, allow_nan=False)
        assert "nan" not in json.dumps(found)
        json.dumps([rule.reliability(broken, family) for family in ("stated", "revealed")], allow_nan=False)


def test_the_reliability_of_a_family_comes_with_the_bound_that_the_verdict_asks():
    found = rule.reliability(estimate(0.5, 0.1), "stated")
    assert found == {"family": "stated", "estimate": 1, "low5": 1, "low": 1, "high": 1}


def test_the_reason_says_the_gap_and_what_it_means():
    reason = rule.verdict(estimate(0.3, 0.05), SURE, "")["reason"]
    assert "= .70 [.60, .80]" in reason
    assert "keeps 30 % of" in reason
    assert "keeps nothing of" in rule.verdict(estimate(-0.2, 0.05), SURE, "")["reason"]
    assert "keeps 100 % of" in rule.verdict(estimate(1.2, 0.05), SURE, "")["reason"]
    assert "= 10.30 [10.20, 10.40]" in rule.verdict(estimate(-9.3, 0.05), SURE, "")["reason"]
    assert "= −.20 [−.30, −.10]" in rule.verdict(estimate(1.2, 0.05), SURE, "")["reason"]
