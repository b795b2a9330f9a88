"""p_bayes: the chance that an answer was worth more than par, given what was done with it and the true parameters.

It is the ceiling: who knows every rate, slope and pace, the topic and the device, but neither texts nor tastes, and of
one answer its own acts only. Sums over a grid of both utilities and over the state of wanting variety. Left out: which
sibling was kept and what followed it (that speaks in the chain, once), everything said, and the reply's class.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import expit, log_expit, log_ndtr, ndtr

from unspoken.simulate.draws import Draws
from unspoken.simulate.rates import (
    COMPOSE_S,
    COMPOSE_SD,
    LAST_RANK,
    PAUSE_S,
    PAUSE_SD,
    Nodes,
    log_chance,
    worth,
)

# Even, so that par is a border between two of them; fewer where the stated utility needs points as well.
_POINTS, _POINTS_OF_TWO = 160, (40, 9)
_ROWS = 4000  # at a time
SEEN_BY = ("view", "copy", "share", "pause")  # the events of which p_bayes must know whether they came


def p_bayes(draws: Draws, lost: dict[str, np.ndarray] | None = None) -> np.ndarray:
    """(answers,). `lost`: for view, copy, pause, share whether that event of each answer never came."""
    nodes, weight = grid(draws)
    better = nodes[1] > 0
    found = np.empty(len(draws))
    for rows in _pieces(len(draws)):
        log = np.log(weight) + log_likelihood(draws, rows, nodes, lost or {})
        chance = np.exp(log - log.max(1, keepdims=True))
        found[rows] = (chance @ better) / chance.sum(1)
    found[draws.people.bot[draws.user[draws.exchange]]] = 0.5
    return found


def grid(draws: Draws) -> tuple[Nodes, np.ndarray]:
    """((stated, revealed) utilities of the points, their prior), each (points,). Without loadings, stated is unused."""
    world = draws.world
    loads = (
        world.load_stop,
        world.load_close,
        world.load_time,
        world.load_regenerate,
        world.load_copy,
        world.load_next,
    )
    points, across_points = _POINTS_OF_TWO if any(loads) else (_POINTS, 1)
    edges = np.linspace(-5, 5, points + 1) - world.skew / 2  # which is where a skewed utility is 0
    latent = (edges[1:] + edges[:-1]) / 2
    prior = np.diff(ndtr(edges))
    if not any(loads):
        u = worth(world, latent)
        return (u, u), prior / prior.sum()
    # Given one latent the other is taken as normal with correlation ρ: exact up to the corpus's being discrete.
    across, share = np.polynomial.hermite_e.hermegauss(across_points)
    stated = world.rho * latent[:, None] + np.sqrt(1 - world.rho**2) * across
    weight = (prior[:, None] * share).ravel()
    revealed = np.repeat(latent, across_points)
    return (worth(world, stated.ravel()), worth(world, revealed)), weight / weight.sum()


def log_likelihood(draws: Draws, rows: np.ndarray, u: Nodes, lost: dict[str, np.ndarray]) -> np.ndarray:
    """Of the acts on these answers at each point, (rows, points), up to what no point changes."""
    exchange = draws.exchange[rows]
    prompt, user = draws.prompt[exchange], draws.user[exchange]
    point = u[0][None, :], u[1][None, :]
    topics = np.arange(len(draws.corpus.prompts))[:, None]
    gone = {name: lost[name][rows] if name in lost else np.zeros(len(rows), bool) for name in SEEN_BY}
    log = _while_streaming(draws, rows, point) + _once(draws, rows, point, gone, bool(lost))
    log += _afterwards(draws, rows, exchange, point, gone)

    # Reading time and regenerating share the state of wanting variety.
    rates, looks, world = draws.rates, draws.looks, draws.world
    complete = looks.cut[rows] == ""
    chars = np.array([len(text) for text in draws.texts])[draws.text[rows]]
    expected = rates.reading(chars, draws.people.pace[user], prompt, draws.people.device[user])
    z = (np.log(np.maximum(looks.visible_s[rows], 1e-3)) - expected) / world.dwell_sd
    timed = (complete & ~gone["view"])[:, None]
    asked = (complete & (draws.rank[rows] < min(LAST_RANK, world.answers_per_prompt - 1)))[:, None]
    wanting = _wanting_variety(draws, prompt, draws.rank[rows])
    states = []
    for variety in (False, True):
        state = np.log(np.maximum(wanting if variety else 1 - wanting, 1e-12))[:, None]
        mean = rates.dwell(topics, point, variety)[prompt]
        state = state + timed * _normal(z, mean, looks.clipped[rows], above=False)
        again = log_chance(rates.regenerate(point, variety), looks.regenerated[rows][:, None])
        states.append(state + np.where(asked, again, 0))
    return np.asarray(log + np.logaddexp(*states))


def _wanting_variety(draws: Draws, prompt: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """P(V = 1) before this answer's acts: to come so far, who wants variety is likelier by the ratio of the rates."""
    first = draws.rank == 0
    again, variety = draws.looks.regenerated[first], draws.looks.variety[first]
    ratio = (again[variety].mean() if variety.any() else 1.0) / max(again[~variety].mean(), 1e-9)
    odds = draws.rates.variety[prompt] / (1 - draws.rates.variety[prompt]) * ratio**rank
    return np.asarray(odds / (1 + odds))


def _while_streaming(draws: Draws, rows: np.ndarray, u: Nodes) -> np.ndarray:
    """Stop and close: at risk while it streams. What was regenerated before it was read says nothing."""
    rates, looks = draws.rates, draws.looks
    cut, prompt = looks.cut[rows], draws.prompt[draws.exchange[rows]]
    at_risk = np.where(cut == "", looks.stream_s[rows], looks.visible_s[rows]) * (cut != "unread")
    topics = np.arange(len(draws.corpus.prompts))[:, None]
    stop, close = rates.stop(topics, u), rates.close(topics, u)
    log = -rates.exposure(at_risk)[:, None] * (np.exp(stop) + np.exp(close))[prompt]
    log += np.where((cut == "stop")[:, None], stop[prompt], 0)
    return np.asarray(log + np.where((cut == "close")[:, None], close[prompt], 0))


def _once(draws: Draws, rows: np.ndarray, u: Nodes, gone: dict[str, np.ndarray], losing: bool) -> np.ndarray:
    """Copy, share and pause: one event each, and where events get lost, none may mean either."""
    rates, looks = draws.rates, draws.looks
    prompt = draws.prompt[draws.exchange[rows]]
    complete = looks.cut[rows] == ""
    rate = draws.world.lost_rate if losing else 0.0
    topics = np.arange(len(draws.corpus.prompts))[:, None]
    log = np.zeros((len(rows), u[1].shape[1]))
    for name, did, logit in (
        ("copy", looks.copied_s[rows] > 0, rates.copy(topics, u)),
        ("share", looks.shared[rows], np.broadcast_to(rates.share(u), (len(topics), u[1].shape[1]))),
    ):
        seen = (did & ~gone[name])[:, None]
        not_seen = log_expit(-logit) if rate == 0 else np.log1p(-(1 - rate) * expit(logit))
        log += np.where(seen, log_expit(logit)[prompt], not_seen[prompt])
    paused = (looks.pause_ms[rows] > 0) & ~gone["pause"]
    pause = np.log(np.maximum(looks.pause_ms[rows], 1) / (1000 * PAUSE_S)) / PAUSE_SD
    log += paused[:, None] * _normal(pause, rates.pause(u), looks.pause_clipped[rows], above=True)
    return np.asarray(complete[:, None] * log)


def _afterwards(
    draws: Draws, rows: np.ndarray, exchange: np.ndarray, u: Nodes, gone: dict[str, np.ndarray]
) -> np.ndarray:
    """What follows an answer without siblings; with siblings it follows the choice among them."""
    rates, ends = draws.rates, draws.ends
    count = np.diff(np.append(draws.starts, len(draws)))
    alone = (count[exchange] == 1) & (draws.looks.cut[rows] != "close")
    act = ends.act[exchange]
    log = alone[:, None] * rates.next(u)[:, 0][act]
    compose = np.log(np.maximum(ends.compose_s[exchange], 1e-9) / COMPOSE_S) / COMPOSE_SD
    timed = alone & (act > 0) & ~gone["view"]
    log += timed[:, None] * _normal(compose, rates.compose(u), np.zeros(len(rows), bool), above=True)
    return np.asarray(log)


def _normal(z: np.ndarray, mean: np.ndarray, clipped: np.ndarray, above: bool) -> np.ndarray:
    """Log density of z; of a clipped one, the log chance of lying beyond it."""
    left = z[:, None] - mean
    found = -0.5 * left**2
    if clipped.any():
        found[clipped] = log_ndtr(-left[clipped] if above else left[clipped]) + 0.5 * np.log(2 * np.pi)
    return np.asarray(found)


def _pieces(count: int) -> Iterator[np.ndarray]:
    for start in range(0, count, _ROWS):
        yield np.arange(start, min(start + _ROWS, count))
