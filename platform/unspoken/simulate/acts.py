"""What people do with the answer in front of them. Everything is drawn at once for many answers, one row each."""

from dataclasses import dataclass, fields

import numpy as np

from unspoken.simulate.people import People
from unspoken.simulate.rates import (
    COMPOSE_S,
    COMPOSE_SD,
    LAST_RANK,
    PAUSE_S,
    PAUSE_SD,
    REGENERATE_AFTER_STOP,
    UNREAD_S,
    VARIETY_LAST,
    Nodes,
    Rates,
    sigmoid,
)

BOT_READS_S = 25.0
_CLIP_S = 0.2  # nobody has read before the end of the stream


@dataclass(frozen=True)
class Looks:
    """One row per answer that was shown. Seconds are of visible time from the first token, without idling.

    cut: "" complete, else stop, close or unread (regenerated at once) · variety: only wants to see another answer ·
    clipped: read faster than it came, so the time says only that · copied_s, pause_ms: 0 for none · pause_clipped: the
    pause was as long as there was time for.
    """

    cut: np.ndarray
    stream_s: np.ndarray
    visible_s: np.ndarray
    clipped: np.ndarray
    variety: np.ndarray
    regenerated: np.ndarray
    copied_s: np.ndarray
    copied_chars: np.ndarray
    pause_ms: np.ndarray
    pause_clipped: np.ndarray
    idle_ms: np.ndarray
    hidden_ms: np.ndarray
    shared: np.ndarray

    @classmethod
    def joined(cls, parts: "list[Looks]", order: np.ndarray) -> "Looks":
        """The rows of all parts, taken in `order`."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts])[order] for f in fields(cls)))


def look(
    rates: Rates,
    people: People,
    user: np.ndarray,
    topic: np.ndarray,
    chars: np.ndarray,
    variety: np.ndarray,
    rank: int,
    last_rank: int,
    u: Nodes,
    random: np.random.Generator,
) -> Looks:
    """Stream, stop, close, read, copy, pause, share, regenerate.

    `variety`: who only wants to see another answer · `rank`: how many siblings came before.
    """
    world, count = rates.world, len(user)
    bot = people.bot[user]
    stream_s = chars / world.chars_per_s
    stop_s, close_s = (
        rates.seconds(random.exponential(size=count) * np.exp(-log_hazard))
        for log_hazard in (rates.stop(topic, u), rates.close(topic, u))
    )
    first = np.minimum(stop_s, close_s)
    cut = np.where(first >= stream_s, "", np.where(stop_s < close_s, "stop", "close"))
    unread = (random.random(count) < world.unread_rate) & (rank < last_rank) & (stream_s > UNREAD_S)
    cut = np.where(bot, "", np.where(unread, "unread", cut))
    z = rates.dwell(topic, u, variety) + random.normal(size=count)
    reading_s = np.exp(rates.reading(chars, people.pace[user], topic, people.device[user]) + world.dwell_sd * z)
    reading_s = np.where(people.sort[user] == 0, BOT_READS_S, reading_s)
    complete = cut == ""
    clipped = complete & (reading_s < stream_s + _CLIP_S)
    visible_s = np.where(complete, np.maximum(reading_s, stream_s + _CLIP_S), first)
    visible_s = np.where(cut == "unread", UNREAD_S * random.uniform(0.5, 1, count), visible_s)
    able = complete & ~bot
    copied = able & (random.random(count) < sigmoid(rates.copy(topic, u)))
    pause_ms = 1000 * PAUSE_S * np.exp(PAUSE_SD * (rates.pause(u) + random.normal(size=count)))
    most_ms = 800 * visible_s
    paused = able & (random.random(count) < world.pause_rate)
    chance = np.where(cut == "stop", REGENERATE_AFTER_STOP, sigmoid(rates.regenerate(u, variety)))
    again = (complete | (cut == "stop")) & ~bot & (random.random(count) < chance)
    idle = able & (random.random(count) < world.idle_rate)
    hidden = able & (random.random(count) < world.hide_rate)
    return Looks(
        cut=cut,
        stream_s=stream_s,
        visible_s=visible_s,
        clipped=clipped,
        variety=variety,
        regenerated=(again | (cut == "unread")) & (rank < last_rank),
        copied_s=np.where(copied, stream_s + random.uniform(0.1, 0.95, count) * (visible_s - stream_s), 0.0),
        copied_chars=np.where(copied, np.maximum(chars * random.uniform(0.05, 1, count), 1), 0).astype(int),
        pause_ms=np.where(paused, np.minimum(pause_ms, most_ms), 0).astype(int),
        pause_clipped=paused & (pause_ms >= most_ms),
        idle_ms=np.where(idle, random.integers(30_000, 110_000, count), 0),
        hidden_ms=np.where(hidden, random.exponential(60_000, count) + 1000, 0).astype(int),
        shared=able & (random.random(count) < sigmoid(rates.share(u))),
    )


@dataclass(frozen=True)
class Ends:
    """One row per exchange: how it went on after its last answer.

    kept: row of the answer written on below, the last one without siblings · act: 0 nothing, 1 a next message, 2 an
    edit of the prompt · compose_s: from the end of reading to that act.
    """

    kept: np.ndarray
    act: np.ndarray
    compose_s: np.ndarray


def end(rates: Rates, starts: np.ndarray, looks: Looks, u: Nodes, bot: np.ndarray, random: np.random.Generator) -> Ends:
    """Keep a sibling, then write, edit or leave. `starts`: the row of each exchange's first answer."""
    world = rates.world
    count = np.diff(np.append(starts, len(u[0])))
    last = starts + count - 1
    driver = rates.driver(world.load_keep, u)
    noise = random.gumbel(size=(len(starts), LAST_RANK + 1))  # the largest of utility + Gumbel is a softmax choice
    score = np.full((len(starts), LAST_RANK + 1), -np.inf)
    browsing = looks.variety[last]
    for rank in range(LAST_RANK + 1):
        row = np.minimum(starts + rank, last)
        is_last = (row == last).astype(float)
        any_of_them = VARIETY_LAST * is_last
        usual = world.sibling_slope * driver[row] + world.sibling_last * is_last
        score[:, rank] = np.where(rank < count, np.where(browsing, any_of_them, usual) + noise[:, rank], -np.inf)
    kept = starts + score.argmax(1)
    chances = np.exp(rates.next((u[0][kept], u[1][kept])))
    draw = random.random(len(starts))
    act = (draw > chances[0]).astype(int) + (draw > chances[0] + chances[1])
    act = np.where((looks.cut[last] == "close") | bot, 0, act)
    mean = rates.compose((u[0][kept], u[1][kept]))
    return Ends(kept, act, COMPOSE_S * np.exp(COMPOSE_SD * (mean + random.normal(size=len(starts)))))
