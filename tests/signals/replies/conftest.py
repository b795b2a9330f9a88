"""Turns of two messages, and an encoder whose vectors the test chooses."""

import polars as pl
import pytest

from unspoken.signals.replies import TURNS


@pytest.fixture
def turned():
    """TURNS from (text, before, seconds); message m0, m1, …, each answering the reply before where `chain` says so."""

    def make(*exchanges, chain=False):
        return pl.DataFrame(
            [
                {
                    "message": f"m{i}",
                    "user": "u",
                    "prompt": f"r{i - 1}" if chain else f"p{i}",
                    "reply": f"r{i}",
                    "event": f"e{i}",
                    "text": text,
                    "before": before,
                    "seconds": seconds,
                }
                for i, (text, before, seconds) in enumerate(exchanges)
            ],
            schema=dict(TURNS),
        )

    return make
