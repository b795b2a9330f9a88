"""Which signals a model has, and what of it is settled before the fit: topics, lost events, habits and paces."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.signals.episodes import READING_CHARS_PER_S
from unspoken.signals.factor.acts import Act, Regenerate, Variety
from unspoken.signals.factor.habits import Habit, fit_habit
from unspoken.signals.factor.hazards import Hazard
from unspoken.signals.factor.log import Log
from unspoken.signals.factor.paces import LEAST_SD, Pace, fit_pace
from unspoken.signals.factor.taste import lengths
from unspoken.signals.factor.terms import Codes, Floats, Rows, Term
from unspoken.signals.factor.times import STANDS_OUT, Time

T = TypeVar("T")
# Where the search for slopes starts; of the declared ones, what they are held to be where the data do not say.
HAZARDS = {"stop": -0.8, "close": -0.1}
ACTS = {
    "regenerate": -1.0, "regenerate_stopped": 0.0, "copy": 0.8, "copy_code": 0.3, "share": 0.3, "select": 0.3,
    "edit": -0.2, "writes": 0.0, "leaves": 0.0,
}  # fmt: skip
DECLARED = ("stop", "regenerate")  # negative by declaration: without either the factor has no sign
TIMES = ("dwell", "pause", "latency")
MAY_BEND = ("dwell", "pause")  # a latency is known only where it goes on beyond the reading: its shape is of that too
WITH_HABIT = ("stop", "close", "copy", "share", "edit", "writes")
UNITS = ("user", "opening", "conversation")  # whose times are alike
NEXT_ACTS = ("", "message", "regenerate", "edit", "close", "copy", "select", "share")
ENOUGH_ACTS, ENOUGH_TIMES, ENOUGH_IN_TOPIC = 20, 100, 50
PIECE_ACTS, MOST_PIECES = 40, 4
LEAST_LOSS, MOST_LOSS = 0.02, 0.95
LONGEST_SD = 3.0  # of lengths
SHORTEST_S, LONGEST_S = 0.001, 86_400.0  # a tick of the clock, a day


@dataclass(frozen=True)
class Design:
    """Everything but the parameters. `topics[0]` and `devices[0]` are "": not known, or too rare for an own effect."""

    topics: Sequence[str]
    devices: Sequence[str]
    loss: float  # share of events that never came, where some did not
    log: Log
    edges: Mapping[str, Sequence[float]]  # s, of each hazard's baseline
    rates: Mapping[str, float]  # of each act and hazard, over all
    habits: Mapping[str, Habit]
    paces: Mapping[str, Pace]
    left_out: Mapping[str, str]  # signals that are not in the model, and why
    length: Sequence[float]  # mean and sd of log(reading time by length)
    bends: Mapping[str, float] = field(default_factory=dict)  # of each time, how sure a term in u² is, in errors

    @property
    def signals(self) -> list[str]:
        """In the order of the terms."""
        return [*self.rates, *self.paces]

    @property
    def bent(self) -> list[str]:
        """Times with a term in u²."""
        return [signal for signal, z in self.bends.items() if signal in MAY_BEND and abs(z) > STANDS_OUT]

    def terms(self) -> list[Term]:
        """The signals, then the variety class."""
        topics, devices = len(self.topics), len(self.devices)
        terms: list[Term] = []
        for signal, rate in self.rates.items():
            if signal in HAZARDS:
                terms.append(
                    Hazard(
                        signal, topics, devices, tuple(self.edges[signal]), rate, HAZARDS[signal],
                        by_topic=signal == "close", loss=self.loss,
                    )
                )  # fmt: skip
            else:
                habitual = signal in self.habits and self.habits[signal].variance > 0
                act = Act(signal, topics, rate, ACTS[signal], signal in DECLARED, self.loss, habitual)
                terms.append(Regenerate(act) if signal == "regenerate" else act)
        varied = "regenerate" in self.rates
        terms += [Time(signal, varied and signal == "dwell", signal in self.bent) for signal in self.paces]
        return [*terms, Variety(topics)]

    def without(self, why: Mapping[str, str]) -> "Design":
        """The same less some signals, with the reason why each is left out."""
        return replace(
            self,
            rates=_less(self.rates, why),
            habits=_less(self.habits, why),
            paces=_less(self.paces, why),
            bends=_less(self.bends, why),
            left_out={**self.left_out, **why},
        )

    def rows(self, seen: pl.DataFrame) -> Rows:
        """What the terms read of `observed` rows."""
        topic, device = _codes(seen["topic"], self.topics), _codes(seen["device"], self.devices)
        users = users_of(seen)
        unsure = (seen["gap"] | ~seen["viewed"]).to_numpy() & (self.loss > 0)
        known = {s: _floats(seen[s]) for s in (*HAZARDS, *ACTS, "unread")}
        at_risk = _seconds_at_risk(seen)
        for signal in HAZARDS:  # neither an act nor a time at risk: nothing is known
            known[signal] = np.where((known[signal] > 0) | np.isfinite(at_risk), known[signal], np.nan)
        habit = {}
        for signal in self.rates:
            acts, risk = _risk(signal, known[signal], at_risk)
            risk = np.where(unsure, 1 - self.loss, 1.0) * risk
            fitted = self.habits.get(signal)
            habit[signal] = fitted.log_multiples(acts, risk, topic, users) if fitted else np.zeros(len(seen))
        groups, units = _groups(seen, topic, device), _units(seen)
        for signal, pace in self.paces.items():
            known[signal] = pace.residuals(_log(seen[f"{signal}_s"]), _covariates(signal, seen), units, groups)
        length = np.clip((_log_length(seen) - self.length[0]) / self.length[1], -LONGEST_SD, LONGEST_SD)
        censored, short = (seen[name].to_numpy() for name in ("censored", "short"))
        return Rows(topic, device, unsure, known, habit, at_risk, censored, length, short)

    @staticmethod
    def from_dict(said: Mapping[str, Any]) -> "Design":
        habits = {signal: Habit(**habit) for signal, habit in said["habits"].items()}
        paces = {signal: Pace(**pace) for signal, pace in said["paces"].items()}
        return Design(**{**said, "log": Log(**said["log"]), "habits": habits, "paces": paces})


def _less(of: Mapping[str, T], gone: Container[str]) -> dict[str, T]:
    return {signal: part for signal, part in of.items() if signal not in gone}


def lost_share(seen: pl.DataFrame) -> float:
    """Share of the events that never came among `observed` rows with a gap: that of their views. 0: no gaps."""
    gaps = seen.filter("gap")
    return float(np.clip(1 - gaps["viewed"].to_numpy().mean(), LEAST_LOSS, MOST_LOSS)) if len(gaps) else 0.0


def design(seen: pl.DataFrame, loss: float, log: Log) -> Design:
    """What `observed` rows, of which no event was lost, allow: signals that fire, and rest, often enough."""
    topics = ["", *_frequent(seen["topic"])]
    devices = ["", *_frequent(seen["device"])]
    topic, device, users = _codes(seen["topic"], topics), _codes(seen["device"], devices), users_of(seen)
    at_risk = _seconds_at_risk(seen)
    edges: dict[str, list[float]] = {}
    rates: dict[str, float] = {}
    habits: dict[str, Habit] = {}
    left_out: dict[str, str] = {}
    for signal in (*HAZARDS, *ACTS):
        y = _floats(seen[signal])
        acts, risk = _risk(signal, y, at_risk)
        count, rest = float(acts.sum()), float((y == 0).sum())
        if min(count, rest) < ENOUGH_ACTS or risk.sum() <= 0:
            left_out[signal] = f"{count:.0f} acts, {rest:.0f} answers without"
            continue
        rates[signal] = min(count / float(risk.sum()), 0.99) if signal not in HAZARDS else count / float(risk.sum())
        if signal in HAZARDS:
            times = np.sort(at_risk[(y > 0) & np.isfinite(at_risk)])
            pieces = int(np.clip(len(times) // PIECE_ACTS, 1, MOST_PIECES))
            cuts = np.quantile(times, np.arange(1, pieces) / pieces) if pieces > 1 else np.empty(0)
            edges[signal] = sorted({float(cut) for cut in cuts if cut > 0})
        if signal in WITH_HABIT:
            habits[signal] = fit_habit(acts, risk, topic, users, len(topics))
    paces: dict[str, Pace] = {}
    groups, units = _groups(seen, topic, device), _units(seen)
    for signal in TIMES:
        log_s = _log(seen[f"{signal}_s"])
        covariates, usable = _covariates(signal, seen), np.isfinite(log_s)
        if usable.sum() < ENOUGH_TIMES:
            left_out[signal] = f"{usable.sum()} times"
            continue
        of = groups if signal == "latency" else {name: groups[name] for name in ("topic", "device")}
        pace = fit_pace(
            log_s[usable], covariates[usable], _of(usable, units), _of(usable, of),
            {"topic": len(topics), "device": len(devices), "next_act": len(NEXT_ACTS)},
        )  # fmt: skip
        if pace.sd > LEAST_SD:
            paces[signal] = pace
        else:
            left_out[signal] = "does not vary"
    length = lengths(_log_length(seen), seen["short"].to_numpy())
    return Design(topics, devices, loss, log, edges, rates, habits, paces, left_out, length)


def users_of(seen: pl.DataFrame) -> Codes:
    """(n,) codes of users, −1 where nobody is known."""
    return _numbered(seen["user"])


def _units(seen: pl.DataFrame) -> dict[str, Codes]:
    return {name: _numbered(seen[name]) for name in UNITS}


def _of(chosen: NDArray[np.bool_], codes: Mapping[str, Codes]) -> dict[str, Codes]:
    return {name: each[chosen] for name, each in codes.items()}


def _numbered(names: pl.Series) -> Codes:
    return names.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1


def _risk(signal: str, y: Floats, at_risk: Floats) -> tuple[Floats, Floats]:
    """(acts, risk): 0 where unknown; risk in seconds for hazards, else 1."""
    seconds = np.where(np.isfinite(at_risk), at_risk, 0.0) if signal in HAZARDS else np.ones(len(y))
    known = np.isfinite(y)
    return np.where(known, y, 0.0), np.where(known, seconds, 0.0)


def _seconds_at_risk(seen: pl.DataFrame) -> Floats:
    return np.minimum(_floats(seen["at_risk_s"]), LONGEST_S)


def _groups(seen: pl.DataFrame, topic: Codes, device: Codes) -> dict[str, Codes]:
    return {"topic": topic, "device": device, "next_act": _codes(seen["next_act"], NEXT_ACTS)}


def _frequent(names: pl.Series) -> list[str]:
    counts = names.value_counts()
    return sorted(counts.filter((pl.col("count") >= ENOUGH_IN_TOPIC) & (pl.col(names.name) != ""))[names.name])


def _codes(names: pl.Series, known: Sequence[str]) -> Codes:
    place = {name: code for code, name in enumerate(known)}
    return names.replace_strict(place, default=0, return_dtype=pl.Int64).to_numpy()


def _floats(column: pl.Series) -> Floats:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _log(seconds: pl.Series) -> Floats:
    return np.log(np.clip(_floats(seconds), SHORTEST_S, LONGEST_S))


def _log_length(seen: pl.DataFrame) -> Floats:
    return np.log(np.maximum(_floats(seen["chars"]), 1.0) / READING_CHARS_PER_S)


def _covariates(signal: str, seen: pl.DataFrame) -> Floats:
    """(n, 1 or 2): log of the reading time; for dwell, how much idle time lengthened it (data say how much)."""
    length = _log_length(seen)
    if signal != "dwell":
        return length[:, None]
    return np.column_stack([length, _floats(seen["idle"])])
