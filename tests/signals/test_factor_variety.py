"""Answers that are regenerated for another one's sake, after little reading, are not bad ones."""

import pytest
from tests.signals.factor_world import SLOPES, draw

from unspoken.signals.factor.model import fit

COMMON, LESS = 0.12, 1.6  # shares of answers; sd of reading times


@pytest.mark.parametrize("seed", [1, 2])
def test_who_wants_another_answer_and_reads_less_is_told_from_who_dislikes_it(seed):
    """The dwell's slope came out at twice the planted one, and V for something else that lengthens reading."""
    model = fit(draw(12_000, seed=seed, variety=COMMON, reads_less=LESS, unread=0.0).episodes)
    found = {(row.signal, row.of): row.value for row in model.loadings}
    spread = (1 + SLOPES["dwell"] ** 2 + COMMON * (1 - COMMON) * LESS**2) ** 0.5
    assert found["dwell", "slope"] == pytest.approx(SLOPES["dwell"] / spread, abs=0.1)
    assert found["dwell", "variety"] == pytest.approx(-LESS / spread, abs=0.5)
