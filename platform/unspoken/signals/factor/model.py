"""The label model of the revealed family: fitted once, then P(u > 0 | acts) of any answers (science: §4)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unspoken.frames import LABELS, REPLIES, empty
from unspoken.signals import evidence
from unspoken.signals.anchors import Anchors, examine
from unspoken.signals.factor.bends import bends, freed, held
from unspoken.signals.factor.checks import (
    Loading,
    Refit,
    Residual,
    Scored,
    loadings,
    refits,
    residual_correlations,
    scored,
    sentence,
    sign_is_known,
)
from unspoken.signals.factor.design import (
    ACTS,
    DECLARED,
    ENOUGH_ACTS,
    HAZARDS,
    Design,
    design,
    lost_share,
    users_of,
)
from unspoken.signals.factor.explain import labels
from unspoken.signals.factor.likelihood import Likelihood, log_odds, maximise, posterior
from unspoken.signals.factor.log import log_of
from unspoken.signals.factor.observed import READ, REVEALED_COLUMNS, observed
from unspoken.signals.factor.spoken import another_thing, of_replies, replies_to, tied, without
from unspoken.signals.factor.support import unsupported
from unspoken.signals.factor.taste import Taste
from unspoken.signals.factor.terms import Codes, Floats, Rows

RULE, HALVED_RULE = "factor/1", f"{evidence.RULE} halved"
ENOUGH_ANSWERS = 300
SAMPLE, CHECKED = 100_000, 4_000  # answers that the fit sees at most, and the refits without a signal
SPOKEN = 20_000  # answers with a reply that says something, of which the test of spoken.py sees at most so many


@dataclass(frozen=True)
class Factor:
    """A fitted model. `design` is null where there was too little to fit: then the labels are those of acts/1, `halved`
    where there was enough and it shows nothing.
    """

    design: Design | None
    thetas: Sequence[Floats]
    anchors: Anchors
    loadings: Sequence[Loading]
    residuals: Sequence[Residual]
    refits: Sequence[Refit]
    notes: Sequence[str]
    apart: Sequence[Residual] = ()  # what was left out because it goes with what is said: once per act
    halved: bool = False

    @property
    def rule(self) -> str:
        """Which rule its labels name."""
        if self.design:
            return RULE
        return HALVED_RULE if self.halved else evidence.RULE

    def posterior(self, episodes: pl.DataFrame) -> pl.DataFrame:
        """message, user, p, mean, sd, variety, moved, evidence: one row per episode, in the order given.

        p = P(u > 0 | acts), by the map of the anchors; mean and sd of u; variety = P(V = 1 | acts); moved: the logits
        that p owes to each act. Null where nothing is known of an answer, and of planted anchors: they test the model
        and teach nothing, so they get no label.
        """
        rows = episodes.select(REVEALED_COLUMNS)
        if self.design is None:
            return _by_hand(rows, self.halved)
        # In one fixed order, so that every sum has the same bits whatever the order of the rows.
        order = rows.select(pl.arg_sort_by("message", "user")).to_series()
        found = labels(self.design, self.thetas, self.anchors, observed(rows.select(READ)[order], self.design.log))
        told = found[order.arg_sort()].get_columns()
        return rows.select("message", "user", *told, "evidence")

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; from_dict gives back the same model, to the bit."""
        return {
            "rule": self.rule,
            "design": asdict(self.design) if self.design else None,
            "thetas": [theta.tolist() for theta in self.thetas],
            "anchors": asdict(self.anchors),
            "loadings": [asdict(row) for row in self.loadings],
            "residuals": [asdict(row) for row in self.residuals],
            "refits": [asdict(row) for row in self.refits],
            "notes": list(self.notes),
            "apart": [asdict(row) for row in self.apart],
            "halved": self.halved,
        }

    @staticmethod
    def from_dict(said: Mapping[str, Any]) -> "Factor":
        """The model that as_dict wrote."""
        return Factor(
            Design.from_dict(said["design"]) if said["design"] else None,
            [np.array(theta) for theta in said["thetas"]],
            Anchors.from_dict(said["anchors"]),
            [Loading(**row) for row in said["loadings"]],
            [Residual(**row) for row in said["residuals"]],
            [Refit(**row) for row in said["refits"]],
            said["notes"],
            [Residual(**row) for row in said["apart"]],
            said["halved"],
        )


def fit(episodes: pl.DataFrame, said: pl.DataFrame | None = None) -> Factor:
    """The model of frames.EPISODES rows, in any order. Too little to fit is no error: the rule is then acts/1.

    Planted anchors stay out of the fit, and so do answers of which events were lost. Above 100,000 answers it sees a
    fixed sample, by a hash of the message. `said`: frames.REPLIES; a behaviour that goes with them beyond what the
    worth explains is left out (spoken.py), and nothing else of the model depends on them.
    """
    rows = episodes.select(READ).sort("message", "user")
    log = log_of(rows)
    seen = observed(rows, log)
    del rows  # of every answer, while the fit takes most memory
    loss = lost_share(seen)
    ordinary = _teaching(seen, loss)
    judged = seen.clear() if seen["anchor"].null_count() == len(seen) else seen
    del seen
    planned = design(ordinary, loss, log)
    said = empty(REPLIES) if said is None else said
    spoken = replies_to(ordinary, said)
    spoken = spoken[_sample(spoken["message"], None, SPOKEN)]
    found = _search(planned, None, ordinary)
    apart: list[Residual] = []
    while isinstance(found, _Found) and (other := another_thing(tied(found.design, found.of_acts, spoken))):
        apart.append(other)
        found = _search(*without(found.design, found.of_acts, other), ordinary)
    if not isinstance(found, _Found):
        return _not_fitted(found)
    residuals = residual_correlations(found.likelihood, found.thetas, found.rows.known, found.scores, found.users)
    anchors = _examined(found.design, found.of_acts, judged)
    rare = ", ".join(f"{signal} ({why})" for signal, why in found.design.left_out.items())
    told = [f"Left out of the model: {rare}." if rare else None, sentence(residuals), of_replies(apart)]
    return Factor(
        found.design,
        found.of_acts,
        anchors,
        loadings(found.likelihood, found.thetas, found.scores, found.design.topics),
        residuals,
        refits(found.few, found.thetas, DECLARED),
        [*(each for each in told if each), *anchors.notes],
        apart,
    )


@dataclass(frozen=True)
class _Found:
    """A design with its parameters, of its terms and of Taste, and what they were found on: `rows` of `users`; `few` of
    them for refits.
    """

    design: Design
    thetas: Sequence[Floats]
    rows: Rows
    users: Codes
    likelihood: Likelihood
    few: Likelihood
    scores: Scored

    @property
    def of_acts(self) -> Sequence[Floats]:
        """What labels are made with: the design's own."""
        return self.thetas[:-1]


@dataclass(frozen=True)
class _Nothing:
    """Why nothing was found; halved: there was enough to find it in."""

    why: str
    halved: bool = False


def _search(planned: Design, start: Sequence[Floats] | None, ordinary: pl.DataFrame) -> _Found | _Nothing:
    """The most likely parameters of a design, from `start` or from its priors; or why there are none."""
    rows = planned.rows(ordinary)
    told = rows.told(planned.signals)
    if told.sum() < ENOUGH_ANSWERS or not set(DECLARED) & set(planned.rates):
        return _Nothing(_too_little(rows, int(told.sum())))
    chosen = _sample(ordinary["message"], told, SAMPLE)
    users, fitted = users_of(ordinary)[chosen], rows.take(chosen)
    del rows  # of every answer
    terms = [*planned.terms(), Taste()]
    likelihood = Likelihood.of(terms, fitted)
    few = Likelihood.of(terms, fitted.take(_sample(ordinary["message"].gather(chosen), None, CHECKED)))
    first = [term.prior().start for term in terms]
    if start:
        near = [*start, first[-1]]
    else:
        near = maximise(freed(few), first)[0]
        planned = replace(planned, bends=bends(freed(likelihood), near, fitted.topic, users))
        terms = [*planned.terms(), Taste()]
        near = [held(term, theta) for term, theta in zip(terms, near, strict=True)]
        likelihood, few = Likelihood(terms, likelihood.features), Likelihood(terms, few.features)
    thetas, _ = maximise(likelihood, near)
    scores = scored(likelihood, thetas, fitted.topic, users)
    if why := unsupported(likelihood, thetas, scores):
        return _Nothing(why, halved=True)
    if not sign_is_known(likelihood, thetas, scores):
        return _Nothing(
            "The sign of the factor is not known: these data do not show that answers which were regenerated (where "
            "nobody regenerates: stopped) differ from others in anything else that was done with them."
        )
    return _Found(planned, thetas, fitted, users, likelihood, few, scores)


def _not_fitted(found: _Nothing) -> Factor:
    labels = f"The labels are those of the hand-set weights ({evidence.RULE})"
    if found.halved:
        labels += ", halfway to ½: as likely as not they hold nothing. Do not train on them"
    return Factor(None, [], Anchors(), [], [], [], [f"{found.why} {labels}."], halved=found.halved)


def _too_little(rows: Rows, told: int) -> str:
    known = int(rows.told([*HAZARDS, *ACTS]).sum())
    counts = []
    for signal in DECLARED:
        y = rows.known[signal]
        counts.append(f"{signal} in {(y > 0).sum()} and not in {(y == 0).sum()}")
    return (
        f"There is too little to fit the label model: {known} answers have behaviour and no event lost, and of {told} "
        f"it is frequent enough to be used ({ENOUGH_ANSWERS} are needed); {', '.join(counts)} (of one of the two "
        f"{ENOUGH_ACTS} each are needed)."
    )


def _teaching(seen: pl.DataFrame, loss: float) -> pl.DataFrame:
    """The answers that the fit sees: no planted anchors, and none of which an event is known to be missing.

    How likely each act is to be lost, given that something was, nobody knows. To leave these answers out takes the same
    share of every act, which moves intercepts and no slope. And where no view came, a stop or close may still tell its
    time while the lack of one tells none: to count the acts alone would select by what is to be explained.
    """
    sure = ~pl.col("gap") & pl.col("viewed") if loss > 0 else pl.lit(True)
    chosen = seen.filter(pl.col("anchor").is_null() & sure)
    return chosen.with_columns(pl.when("viewed").then(pl.col("stop", "close")))


def _examined(planned: Design, thetas: Sequence[Floats], seen: pl.DataFrame) -> Anchors:
    """The planted anchors beside a sample of the ordinary answers, both judged as labels are."""
    if seen["anchor"].null_count() == len(seen):
        return Anchors()
    rows = planned.rows(seen)
    told = rows.told(planned.signals)
    planted = np.flatnonzero(told & seen["anchor"].is_not_null().to_numpy())
    rest = _sample(seen["message"], told & seen["anchor"].is_null().to_numpy(), CHECKED)
    arm, other = (
        posterior(Likelihood.of(planned.terms(), rows.take(of)).log_joint(thetas))[0] for of in (planted, rest)
    )
    axes = seen["anchor"].gather(planted).to_list()
    return examine(axes, arm.sum(1), log_odds(arm), other.sum(1), log_odds(other))


def _sample(messages: pl.Series, told: NDArray[np.bool_] | None, most: int) -> Codes:
    """(≤ most,) places of answers, ascending: those with the least hash of their id."""
    places = np.arange(len(messages)) if told is None else np.flatnonzero(told)
    if len(places) <= most:
        return places
    hashes = np.array([crc32(message.encode()) for message in messages.gather(places)], np.int64)
    return np.sort(places[np.argsort(hashes, kind="stable")[:most]])


def _by_hand(rows: pl.DataFrame, halved: bool) -> pl.DataFrame:
    """halved: even odds that the weights hold and that behaviour says nothing."""
    found = evidence.acts(rows)
    if halved:
        found = found.with_columns((pl.col("p") + 0.5) / 2)
    nothing = pl.lit(None, pl.Float64)
    return found.select(
        "message",
        "user",
        pl.when(rows["anchor"].is_null()).then("p").alias("p"),
        nothing.alias("mean"),
        nothing.alias("sd"),
        nothing.alias("variety"),
        pl.lit([], dtype=LABELS["moved"]).alias("moved"),
        "evidence",
    )
