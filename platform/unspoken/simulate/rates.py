"""How likely each act is, given what the answer is worth. Acts are drawn from these, and p_bayes is made of them."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, logit

from unspoken.simulate.config import World
from unspoken.simulate.people import DEVICES
from unspoken.simulate.texts import Corpus

READING_CHARS_PER_S = 238 / 60 * 5.7  # silent reading: Brysbaert 2019
LAST_RANK = 3  # after four answers to one prompt there is no further one
UNREAD_S = 1.2  # a regenerate before this says nothing of the answer
REGENERATE_AFTER_STOP = 0.5
SLOW_START_S, SLOW, QUICK = 2.0, 0.4, 1.2  # nobody stops in the first two seconds as often as later
PAUSE_S, PAUSE_SD, COMPOSE_S, COMPOSE_SD = 2.0, 0.45, 4.0, 0.5
GOOD_LOG = 0.5  # log hazard of closing in good topics above the others
VARIETY_LAST = 1.0  # who only wants to see another answer keeps the last one a little more often, and else any
Nodes = tuple[np.ndarray, np.ndarray]  # stated and revealed utility, of answers or of the points of a grid


def worth(world: World, latent: np.ndarray) -> np.ndarray:
    """The utility of a standard normal latent: itself, or mean 0, variance 1 and a long tail of bad answers."""
    if world.skew == 0:
        return latent
    square = world.skew**2
    spread = np.sqrt((np.exp(square) - 1) * np.exp(square))
    return np.asarray((np.exp(square / 2) - np.exp(-world.skew * latent)) / spread)


@dataclass(frozen=True)
class Rates:
    """A world's acts. Arrays of topics have one entry per prompt; `topic` arguments index them."""

    world: World
    stop_log: np.ndarray  # log hazard per second
    close_log: np.ndarray
    close_slope: np.ndarray  # of log hazard per sd of worth; negative: people leave what they do not like
    copy_logit: np.ndarray
    speed: np.ndarray  # log seconds above the mean
    device_speed: np.ndarray
    variety: np.ndarray

    def driver(self, load: float, u: Nodes) -> np.ndarray:
        """What a signal follows: load·u_S + (1 − load)·u_R at variance 1."""
        stated, revealed = u
        if load == 0:
            return revealed
        scale = np.sqrt(load**2 + (1 - load) ** 2 + 2 * load * (1 - load) * self.world.rho)
        return np.asarray((load * stated + (1 - load) * revealed) / max(scale, 1e-9))

    def exposure(self, seconds: np.ndarray) -> np.ndarray:
        """∫ of the hazard's baseline shape over visible seconds while streaming."""
        if self.world.weibull != 1:
            return np.asarray(5 * (seconds / 5) ** self.world.weibull)
        return np.where(seconds < SLOW_START_S, SLOW * seconds, SLOW * SLOW_START_S + QUICK * (seconds - SLOW_START_S))

    def seconds(self, exposure: np.ndarray) -> np.ndarray:
        """The inverse of `exposure`."""
        if self.world.weibull != 1:
            return np.asarray(5 * (exposure / 5) ** (1 / self.world.weibull))
        first = SLOW * SLOW_START_S
        return np.where(exposure < first, exposure / SLOW, SLOW_START_S + (exposure - first) / QUICK)

    def stop(self, topic: np.ndarray, u: Nodes) -> np.ndarray:
        """Log hazard per unit of exposure."""
        return np.asarray(self.stop_log[topic] - self.world.stop_slope * self.driver(self.world.load_stop, u))

    def close(self, topic: np.ndarray, u: Nodes) -> np.ndarray:
        """Log hazard per unit of exposure."""
        return np.asarray(self.close_log[topic] + self.close_slope[topic] * self.driver(self.world.load_close, u))

    def copy(self, topic: np.ndarray, u: Nodes) -> np.ndarray:
        """Logit."""
        driver = self._link(self.driver(self.world.load_copy, u))
        return np.asarray(self.copy_logit[topic] + self.world.copy_slope * driver)

    def regenerate(self, u: Nodes, variety: np.ndarray | bool) -> np.ndarray:
        """Logit, of an answer that was read."""
        usual = self._base(self.world.regenerate_rate) - self.world.regenerate_slope * self._link(
            self.driver(self.world.load_regenerate, u)
        )
        return np.where(variety, self._base(self.world.variety_regenerate), usual)

    def share(self, u: Nodes) -> np.ndarray:
        """Logit."""
        return np.asarray(self._base(self.world.share_rate) + self.world.share_slope * self.driver(0.0, u))

    def next(self, u: Nodes) -> np.ndarray:
        """Log chances of nothing, a next message, an edit of the prompt; shape (3, …)."""
        world, d = self.world, self.driver(self.world.load_next, u)
        nothing = max(1 - world.next_rate - world.edit_rate, 1e-9)
        logits = np.stack(
            [
                np.full_like(d, np.log(nothing)),
                np.log(max(world.next_rate, 1e-12)) + world.next_slope * d,
                np.log(max(world.edit_rate, 1e-12)) + world.edit_slope * d,
            ]
        )
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=0))

    def reading(self, chars: np.ndarray, pace: np.ndarray, topic: np.ndarray, device: np.ndarray) -> np.ndarray:
        """Log seconds of reading, of an answer worth nothing more or less."""
        return np.asarray(np.log(chars / READING_CHARS_PER_S) + pace + self.speed[topic] + self.device_speed[device])

    def dwell(self, topic: np.ndarray, u: Nodes, variety: np.ndarray | bool) -> np.ndarray:
        """Mean of (log seconds − reading) / dwell_sd."""
        world, d = self.world, self.driver(self.world.load_time, u)
        about = self.world.dwell_variety * (np.asarray(variety, dtype=float) - self.variety[topic])
        return np.asarray(world.dwell_slope * d + world.dwell_bend * (d**2 - 1) + about)

    def pause(self, u: Nodes) -> np.ndarray:
        """Mean of log(pause / PAUSE_S) / PAUSE_SD."""
        return self.world.pause_slope * self.driver(self.world.load_time, u)

    def compose(self, u: Nodes) -> np.ndarray:
        """Mean of log(time to write / COMPOSE_S) / COMPOSE_SD."""
        return self.world.compose_slope * self.driver(self.world.load_time, u)

    def _link(self, d: np.ndarray) -> np.ndarray:
        """The driver itself, or as far as `threshold` says its jumps at ±½."""
        jumps = (d > 0.5).astype(float) - (d < -0.5)
        return np.asarray((1 - self.world.threshold) * d + self.world.threshold * jumps)

    @staticmethod
    def _base(rate: float) -> float:
        return float(np.clip(logit(rate), -60, 60))


def rates(world: World, corpus: Corpus, random: np.random.Generator) -> Rates:
    """The effects of topics, drawn; prompts of one topic share them."""
    names = sorted(set(corpus.topics))
    of_prompt = np.array([names.index(topic) for topic in corpus.topics])

    def over_topics(spread: float) -> np.ndarray:
        drawn = random.normal(size=len(names)) * spread
        return np.asarray((drawn - drawn.mean())[of_prompt])

    good = np.isin(of_prompt, random.permutation(len(names))[: round(world.good_topics * len(names))])
    variety = np.clip(world.variety * np.exp(over_topics(world.topic_sd)), 0, 0.9)
    return Rates(
        world=world,
        stop_log=np.log(world.stop_per_s) + over_topics(world.topic_sd),
        close_log=np.log(world.close_per_s) + over_topics(world.topic_sd) + GOOD_LOG * good,
        close_slope=np.where(good, world.good_slope, -world.close_slope),
        copy_logit=Rates._base(world.copy_rate) + over_topics(world.topic_sd),
        speed=over_topics(world.topic_speed_sd),
        device_speed=np.linspace(-1, 1, len(DEVICES)) * world.device_speed_sd,
        variety=variety,
    )


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Chance of a logit."""
    return np.asarray(expit(x))


def log_chance(x: np.ndarray, did: np.ndarray) -> np.ndarray:
    """Log chance of what was seen, of a logit."""
    return np.asarray(log_expit(np.where(did, x, -x)))
