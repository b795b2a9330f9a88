"""Who lives in a world: paces, leniency, clocks, and those who are up to something."""

from dataclasses import dataclass

import numpy as np

from unspoken.simulate.config import World

DEVICES = ("phone", "tablet", "desktop")
BOT_SHARE_OF_WORK = 3  # a bot asks this many times as much as a person


@dataclass(frozen=True)
class People:
    """One row per user.

    pace: log seconds per character above the mean · propensity: log rate of voting · clock_s: how far the clock is
    ahead · exchanges: prompts of each · device: index into DEVICES · sort: of bots, 0 reads as long every time, 1 never
    sleeps, 2 asks at equal intervals; −1 for people · the rest are marks.
    """

    pace: np.ndarray
    leniency: np.ndarray
    propensity: np.ndarray
    clock_s: np.ndarray
    exchanges: np.ndarray
    sort: np.ndarray
    device: np.ndarray
    bot: np.ndarray
    brigade: np.ndarray
    poison: np.ndarray
    minority: np.ndarray
    gullible: np.ndarray
    erases: np.ndarray

    def __len__(self) -> int:
        return len(self.pace)

    def name(self, user: int) -> str:
        """The chatbot's own id of this user."""
        return f"user-{user:05d}"


def people(world: World, random: np.random.Generator) -> People:
    """Draw them. Nobody is two of: bot, member of the brigade, poisoner, gullible, of the minority."""
    count = world.users
    order = random.permutation(count)
    marks, taken = {}, 0
    for name, number in (
        ("bot", round(world.bots * count)),
        ("brigade", min(world.brigade, count)),
        ("poison", round(world.poison * count)),
        ("gullible", round(world.gullible * count)),
        ("minority", round(world.minority * count)),
    ):
        marks[name] = np.isin(np.arange(count), order[taken : taken + number])
        taken += number
    activity = np.exp(random.normal(size=count) * world.activity_sd - world.activity_sd**2 / 2)
    exchanges = np.maximum(np.round(world.exchanges * activity), 1).astype(int)
    exchanges[marks["bot"]] *= BOT_SHARE_OF_WORK
    if world.brigade:
        organic = exchanges[~marks["brigade"]].sum() * world.vote_rate
        exchanges[marks["brigade"]] = max(round(organic / marks["brigade"].sum()), 1)
    return People(
        pace=random.normal(size=count) * world.pace_sd,
        leniency=random.normal(size=count) * world.leniency_sd,
        propensity=random.normal(size=count) * world.propensity_sd - world.propensity_sd**2 / 2,
        clock_s=random.normal(size=count) * world.clock_skew_s,
        exchanges=exchanges,
        sort=np.where(marks["bot"], np.cumsum(marks["bot"]) % 3, -1),
        device=random.choice(len(DEVICES), count, p=(0.5, 0.1, 0.4)),
        erases=random.random(count) < world.erase,
        **marks,
    )
