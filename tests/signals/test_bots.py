"""Accounts that no person is behind, and people who look a little like them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from unspoken.frames import EPISODES
from unspoken.signals.bots import FEWEST, bots

START = datetime(2026, 10, 1, tzinfo=UTC)
STREAM = 60  # characters a second


class Log:
    """Episodes of drawn people and programs; times in hours from the start, reading and replying times in seconds."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.rows: list[dict[str, Any]] = []

    def answer(self, user: str, hour: float, read=None, reply=None, after=None) -> None:
        """One answer; `read`: seconds in view from its length, `after`: seconds in view beyond the stream."""
        chars = int(self.random.lognormal(6.5, 0.6)) + 30
        streamed = chars / STREAM
        if after:
            visible = streamed + after()
        elif read:
            visible = read(chars)
        else:
            visible = max(streamed, chars / 22 * self.random.lognormal(0, 0.35))
        self.rows.append(
            {
                "message": f"m{len(self.rows):07}",
                "user": user,
                "at": START + timedelta(hours=hour) + timedelta(seconds=0.8),
                "latency_s": 0.8,
                "chars": chars,
                "duration_ms": int(streamed * 1000),
                "visible_ms": int(visible * 1000),
                "stopped": False,
                "reply_after_ms": int((reply() if reply else self.random.lognormal(3, 0.6)) * 1000),
            }
        )

    def sessions(self, user: str, days: int, each: int, wakes: float, awake: float = 15.0, **how) -> None:
        """A person who sits down once a day somewhere in their waking hours."""
        for day in range(days):
            hour = day * 24 + wakes + self.random.uniform(0, awake - 2)
            for _ in range(each):
                self.answer(user, hour, **how)
                hour += self.random.lognormal(np.log(0.04), 0.8)

    def episodes(self) -> pl.DataFrame:
        return pl.DataFrame(self.rows, schema=dict(EPISODES))


def people(log: Log, count: int) -> Log:
    for person in range(count):
        log.sessions(f"person-{person:03}", 6, int(log.random.integers(1, 5)), log.random.uniform(0, 24))
    return log


@pytest.fixture(scope="module")
def careful() -> Log:
    """People with habits: each of these once a month makes somebody suspect a program."""
    log = people(Log(1), 300)
    random = log.random
    for n in range(30):
        log.sessions(f"night-shift-{n}", 8, 6, 18 + random.uniform(-1, 1), 14)
        for day in range(5):  # sixteen hours, every ten minutes
            hour = day * 24 + 7.0
            while hour < day * 24 + 23:
                log.answer(f"power-{n}", hour)
                hour += random.exponential(1 / 6)
            log.answer(f"each-morning-{n}", day * 24 + 9 + random.normal() * 0.1)
            log.answer(f"each-morning-{n}", (day + 5) * 24 + 9 + random.normal() * 0.1)
            log.answer(f"each-morning-{n}", (day + 10) * 24 + 9 + random.normal() * 0.1)
        log.sessions(f"skims-{n}", 6, 4, 8, after=lambda: random.uniform(0.3, 1.6))
        log.sessions(f"pastes-{n}", 6, 4, 8, reply=lambda: random.lognormal(0.5, 0.5))
        log.sessions(f"even-{n}", 6, 4, 8, read=lambda chars: chars / 20 * random.lognormal(0, 0.15))
        hour = 8.0
        while hour < 34:  # a night through, before the deadline
            log.answer(f"deadline-{n}", hour)
            hour += random.exponential(0.5)
    return log


def test_people_with_habits_are_not_taken_for_programs(careful):
    assert bots(careful.episodes()).rows() == []


@pytest.fixture(scope="module")
def planted() -> pl.DataFrame:
    """1,000 people and 100 programs of five sorts."""
    log = people(Log(2), 1000)
    random = log.random
    for n in range(20):
        log.sessions(f"bot-even-{n}", 6, 4, 9, read=lambda chars: 25.0)
        log.sessions(f"bot-rate-{n}", 6, 4, 9, read=lambda chars: chars / 400 * random.lognormal(0, 0.01))
        log.sessions(f"bot-fast-{n}", 6, 4, 9, reply=lambda: random.uniform(0.1, 0.3))
        hour, start = 0.0, random.uniform(0, 24)
        for step in range(51):
            hour += random.uniform(1 / 3, 1)
            log.answer(f"bot-awake-{n}", start + hour)
            log.answer(f"bot-clock-{n}", start + step * 17 / 60 + random.normal() * 0.5 / 3600)
    return log.episodes()


def test_at_least_95_of_100_programs_and_at_most_1_of_100_people_are_flagged(planted):
    flagged = set(bots(planted)["user"])
    programs = {user for user in planted["user"].unique() if user.startswith("bot")}
    assert len(flagged & programs) >= 0.95 * len(programs)
    assert len(flagged - programs) <= 0.01 * 1000


@pytest.mark.parametrize(
    ("sort", "reason"),
    [
        ("bot-even", "reading times all alike"),
        ("bot-rate", "reading times all alike"),
        ("bot-fast", "faster than anyone"),
        ("bot-awake", "never asleep"),
        ("bot-clock", "like a clock"),
    ],
)
def test_the_reason_says_what_was_found_and_its_number(planted, sort, reason):
    mine = bots(planted).filter(pl.col("user").str.starts_with(sort))
    assert len(mine) >= 19
    assert {said.split(":")[0] for said in mine["reason"]} == {reason}
    assert all(any(sign.isdigit() for sign in said) for said in mine["reason"])


def test_too_few_answers_are_not_judged():
    log = people(Log(3), 100)
    for step in range(FEWEST - 1):
        log.answer("bot", step * 0.5, read=lambda chars: 25.0, reply=lambda: 0.1)
    assert bots(log.episodes()).is_empty()
    log.answer("bot", 9.0, read=lambda chars: 25.0, reply=lambda: 0.1)
    assert bots(log.episodes())["user"].to_list() == ["bot"]


def test_where_everybody_is_at_the_number_it_is_how_the_log_was_made():
    log = Log(4)
    for person in range(50):
        for step in range(40):
            log.answer(f"u{person}", step * 1.0, read=lambda chars: 25.0, reply=lambda: 0.1)
    assert bots(log.episodes()).is_empty()


def test_what_was_measured_on_no_clock_is_not_judged():
    log = people(Log(5), 100)
    for step in range(40):
        log.answer("import", step * 1.0, read=lambda chars: 25.0, reply=lambda: 0.0)
    made_up = pl.when(pl.col("user") != "import")
    rows = log.episodes().with_columns(made_up.then(name).alias(name) for name in ("visible_ms", "duration_ms"))
    assert bots(rows).is_empty()


def test_nobody_and_nothing_are_no_programs(planted):
    assert bots(planted.clear()).is_empty()
    assert bots(planted.with_columns(pl.lit(None, dtype=pl.String).alias("user"))).is_empty()
    kept = ("message", "user", "at", "duration_ms")
    rest = bots(
        planted.with_columns(pl.lit(None, dtype=EPISODES[name]).alias(name) for name in EPISODES if name not in kept)
    )
    assert {said.split(":")[0] for said in rest["reason"]} == {"never asleep", "like a clock"}


def test_the_order_of_rows_decides_nothing(planted):
    assert bots(planted).equals(bots(planted.sample(fraction=1, shuffle=True, seed=1)))
