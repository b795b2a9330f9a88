"""What the votes and replies of a drawn world let one know at best: posteriors of one vote or one reply alone.

As p_bayes they know every rate and slope, the topic and the user's leniency, but neither texts nor tastes. NaN where
there is none: where nothing was said, or where what was said follows something that no grid of utilities holds.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import expit, log_expit, ndtr

from unspoken.simulate.draws import Draws
from unspoken.simulate.rates import REGENERATE_AFTER_STOP, Nodes, worth
from unspoken.simulate.replies import REPLIES

_POINTS, _ACROSS, _ROWS = 80, 7, 1000
_SHARE, _SLOPE, _ = zip(*REPLIES.values(), strict=True)


def stated(draws: Draws) -> np.ndarray:
    """P(u_stated > 0 | the vote, and that the answer was whole), (answers,).

    NaN everywhere where the text decides who votes, and of whoever votes for other reasons than the worth.
    """
    world, people, vote = draws.world, draws.people, draws.said.vote
    whose = draws.user[draws.exchange]
    known = (vote != 0) & ~(people.bot | people.brigade | people.poison | people.gullible)[whose]
    if world.vote_by_worth or world.vote_by_attribute or world.vote_by_policy:
        known[:] = False
    whole = draws.looks.cut == ""

    def log(rows: np.ndarray, u: Nodes) -> np.ndarray:
        up = world.vote_slope * u[0] + people.leniency[whose[rows]][:, None]
        return np.asarray(
            np.where(whole[rows][:, None], _log_whole(draws, rows, u), 0) + log_expit(up * _column(vote[rows]))
        )

    return _posterior(draws, np.flatnonzero(known), log, lambda u: u[0] > 0)


def expressed(draws: Draws) -> np.ndarray:
    """P(what replies follow > 0 | the class of the reply, and that it came below an only answer), (answers,).

    NaN where there are siblings: which of them was written on below is a choice, and speaks in the chain.
    """
    alone = np.diff(np.append(draws.starts, len(draws))) == 1
    people = draws.people
    first = draws.starts[alone & (draws.ends.act == 1) & ~(people.bot | people.gullible)[draws.user]]

    def log(rows: np.ndarray, u: Nodes) -> np.ndarray:
        about = draws.world.reply_slope * _driver(draws, u)
        logits = np.log(_SHARE)[:, None] + np.multiply.outer(_SLOPE, about)
        reply = (logits - np.logaddexp.reduce(logits, axis=0))[draws.reply[draws.exchange[rows]]]
        return np.asarray(np.log(_stays(draws, rows, u)) + draws.rates.next(u)[1] + reply)

    return _posterior(draws, first, log, lambda u: _driver(draws, u) > 0)


def expressed_worth(draws: Draws) -> np.ndarray:
    """What replies follow in this world, (answers,): the stated and the revealed utility by its `load_reply`."""
    return _driver(draws, (draws.u_stated, draws.u_revealed))


def _driver(draws: Draws, u: Nodes) -> np.ndarray:
    return draws.rates.driver(draws.world.load_reply, u)


def _posterior(
    draws: Draws,
    rows: np.ndarray,
    log: Callable[[np.ndarray, Nodes], np.ndarray],
    better: Callable[[Nodes], np.ndarray],
) -> np.ndarray:
    """Sum over a grid of both utilities; given the stated one the other is normal with correlation ρ."""
    world = draws.world
    edges = np.linspace(-5, 5, _POINTS + 1) - world.skew / 2  # which is where a skewed utility is 0
    latent = (edges[1:] + edges[:-1]) / 2
    across, share = np.polynomial.hermite_e.hermegauss(_ACROSS)
    other = world.rho * latent[:, None] + np.sqrt(1 - world.rho**2) * across
    u = worth(world, np.repeat(latent, _ACROSS)), worth(world, other.ravel())
    prior = np.log((np.diff(ndtr(edges))[:, None] * share).ravel())
    found = np.full(len(draws), np.nan)
    for some in _pieces(rows):
        each = prior + log(some, u)
        chance = np.exp(each - each.max(1, keepdims=True))
        found[some] = chance @ better(u) / chance.sum(1)
    return found


def _log_whole(draws: Draws, rows: np.ndarray, u: Nodes) -> np.ndarray:
    """Log chance that the answer was neither stopped nor closed while it streamed, (rows, points)."""
    stop, close = _hazards(draws, rows, u)
    return np.asarray(-_column(draws.rates.exposure(draws.looks.stream_s[rows])) * (stop + close))


def _stays(draws: Draws, rows: np.ndarray, u: Nodes) -> np.ndarray:
    """Chance that a first answer was neither closed nor regenerated, (rows, points)."""
    rates = draws.rates
    whole = np.exp(_log_whole(draws, rows, u))
    stop, close = _hazards(draws, rows, u)
    variety = _column(rates.variety[draws.prompt[draws.exchange[rows]]])
    again = (1 - variety) * expit(rates.regenerate(u, False)) + variety * expit(rates.regenerate(u, True))
    return np.asarray(whole * (1 - again) + (1 - whole) * stop / (stop + close) * (1 - REGENERATE_AFTER_STOP))


def _hazards(draws: Draws, rows: np.ndarray, u: Nodes) -> Nodes:
    prompts = np.arange(len(draws.corpus.prompts))[:, None]
    of = draws.prompt[draws.exchange[rows]]
    point = u[0][None, :], u[1][None, :]
    return np.exp(draws.rates.stop(prompts, point))[of], np.exp(draws.rates.close(prompts, point))[of]


def _column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[:, None])


def _pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]
