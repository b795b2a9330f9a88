"""What a world is made of; world.toml holds exactly these names, and perhaps a preset that they are laid over."""

import json
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput

_WORDS = {int: "a whole number", float: "a number", str: "a text in quotes"}
RECIPE = "given-prompts"  # everybody is given the same few prompts, so people alone keep the splits apart


def _(default: Any, low: float, high: float) -> Any:
    """A number with its limits, both included."""
    return field(default=default, metadata={"limits": (low, high)})


@dataclass(frozen=True)
class World:
    """Slopes are in logits, log hazard or standard deviations per standard deviation of the utility they follow.

    As it stands it is small and votes often, so that a demonstration has enough of both; the preset `default` has the
    size and the rates of real products. Rates are those of an answer worth exactly par.
    """

    name: str = "world"
    rho: float = _(0.3, -1, 1)  # correlation of stated and revealed utility within a prompt

    # People and texts
    users: int = _(1200, 2, 1_000_000)
    exchanges: int = _(6, 1, 1000)  # prompts per user
    activity_sd: float = _(0.0, 0, 2)  # spread of log(exchanges) over users
    answers_per_prompt: int = _(32, 2, 48)
    corpus_seed: int = _(0, 0, 2**32)  # worlds with one corpus share texts, so features are computed once
    filler: int = _(0, 0, 4)  # answers carry 0 … this many sentences that nobody minds; half of them on average
    shared_weight: float = _(0.85, 0, 1)  # of a utility's spread, the part that text and taste carry
    taste_sd: float = _(0.25, 0, 5)  # spread of users' own weights around the common ones
    length_liking: float = _(0.0, -0.7, 0.7)  # of both utilities, the correlation with what makes answers long
    policies: int = _(3, 1, 8)
    policy_tilt: float = _(0.3, 0, 2)  # how differently policies like the attributes, logits
    policy_drift: float = _(0.0, 0, 1)  # 1: the first policy answers all at the beginning, the last one at the end
    skew: float = _(0.0, 0, 1)  # of the utilities: 0 is normal, else minus a log-normal of this shape
    anchor_rate: float = _(0.004, 0, 1)  # answers spoiled on purpose

    # Streaming, stop and close
    chars_per_s: float = _(60.0, 1, 10_000)
    stop_per_s: float = _(0.0068, 1e-9, 10)
    stop_slope: float = _(1.0, -10, 10)
    close_per_s: float = _(0.0068, 1e-9, 10)
    close_slope: float = _(0.7, -10, 10)
    good_topics: float = _(0.5, 0, 1)  # share of topics in which people leave because they got what they wanted
    good_slope: float = _(0.5, -10, 10)  # there, log hazard of closing per standard deviation, upwards
    weibull: float = _(1.0, 0.2, 5)  # 1: hazards are steps in time; else they grow as time^(this − 1)

    # Reading
    pace_sd: float = _(0.17, 0, 2)  # of people, log units
    topic_speed_sd: float = _(0.1, 0, 2)
    device_speed_sd: float = _(0.1, 0, 2)
    dwell_sd: float = _(0.35, 0.01, 2)  # log units
    dwell_slope: float = _(0.45, -10, 10)
    dwell_bend: float = _(0.0, -2, 2)  # times u² − 1
    dwell_variety: float = _(-0.5, -10, 10)  # of who only wants to see another answer
    pause_rate: float = _(0.3, 0, 1)
    pause_slope: float = _(-0.3, -10, 10)
    compose_slope: float = _(0.15, -10, 10)
    idle_rate: float = _(0.03, 0, 1)
    hide_rate: float = _(0.05, 0, 1)

    # Regenerate, siblings
    variety: float = _(0.035, 0, 1)  # mean over topics of the share who only want to see another answer
    variety_regenerate: float = _(0.5, 0, 1)
    regenerate_rate: float = _(0.019, 0, 1)
    regenerate_slope: float = _(1.4, -10, 10)
    unread_rate: float = _(0.006, 0, 1)  # regenerated before it was read, whatever it was
    sibling_slope: float = _(1.2, -10, 10)
    sibling_last: float = _(2.0, -10, 10)  # κ: how much the last generated is kept for its place alone

    # Copy, share, next act
    copy_rate: float = _(0.062, 0, 1)
    copy_slope: float = _(1.3, -10, 10)
    topic_sd: float = _(0.3, 0, 2)  # of the logits and log hazards of copy, stop and close over topics
    threshold: float = _(0.0, 0, 1)  # 1: copy and regenerate jump at ±½ standard deviation, in place of slopes
    share_rate: float = _(0.008, 0, 1)
    share_slope: float = _(0.8, -10, 10)
    next_rate: float = _(0.55, 0, 1)
    next_slope: float = _(0.4, -10, 10)
    edit_rate: float = _(0.03, 0, 1)
    edit_slope: float = _(-0.9, -10, 10)
    reply_slope: float = _(1.0, -10, 10)  # times the slopes of simulate/replies.py

    # What each signal follows: 0 the revealed utility, 1 the stated one
    load_stop: float = _(0.0, 0, 1)
    load_close: float = _(0.0, 0, 1)
    load_time: float = _(0.0, 0, 1)
    load_regenerate: float = _(0.0, 0, 1)
    load_copy: float = _(0.0, 0, 1)
    load_next: float = _(0.0, 0, 1)
    load_keep: float = _(0.0, 0, 1)
    load_reply: float = _(0.5, 0, 1)

    # Asked and said
    vote_rate: float = _(0.55, 0, 1)
    vote_slope: float = _(1.8, -10, 10)
    leniency_sd: float = _(0.5, 0, 5)
    propensity_sd: float = _(0.0, 0, 3)  # of users' log rate of voting
    vote_by_worth: float = _(0.0, -3, 3)  # log rate of voting per standard deviation of the stated utility
    vote_by_attribute: float = _(0.0, -3, 3)  # … of flattery
    vote_by_policy: float = _(0.0, -3, 3)  # … from one policy to the next
    solicit_rate: float = _(0.01, 0, 0.5)  # asked softly, and as often firmly
    rating_rate: float = _(0.002, 0, 1)
    choice_rate: float = _(0.02, 0, 1)  # of chains of siblings

    # Adversaries and unlike people: shares of users, or their number
    bots: float = _(0.0, 0, 1)
    brigade: int = _(0, 0, 10_000)  # accounts that together cast half of all votes, against the truth
    poison: float = _(0.0, 0, 1)  # who votes up what is exclaimed and down what is not
    minority: float = _(0.0, 0, 1)  # of the opposite taste
    gullible: float = _(0.0, 0, 1)  # whose stated utility is flattery
    erase: float = _(0.0, 0, 1)  # who will have their data erased

    # Transport
    heartbeats: int = _(0, 0, 1)
    clock_skew_s: float = _(0.0, 0, 1e7)
    duplicate_rate: float = _(0.0, 0, 1)
    lost_rate: float = _(0.0, 0, 1)  # of what a page sends; messages come from the server
    recency_drift: float = _(0.0, -3, 3)  # standard deviations by which each further sibling has more filler

    def __post_init__(self) -> None:
        """BadInput on a value out of range."""
        for each in fields(self):
            if "limits" in each.metadata:
                (low, high), value = each.metadata["limits"], getattr(self, each.name)
                if not low <= value <= high:
                    raise BadInput(f"world.toml: {each.name} is {value}; it lies between {low} and {high}.")


def read(path: Path) -> World:
    """The world that a TOML file describes; BadInput names what it does not know."""
    if not path.is_file():
        raise BadInput(f"There is no file {path}. Write one with any of: {', '.join(f.name for f in fields(World))}.")
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is not TOML: {error}") from None
    world = given.get("world", given)
    if not isinstance(world, dict):
        said = json.dumps(world, ensure_ascii=False, default=str)
        raise BadInput(f"{path}: world is {said}; a table of settings, [world], was needed.")
    return from_dict(world)


def from_dict(given: dict[str, Any]) -> World:
    """As `read`, from names and values; `preset` names the world that the others change."""
    from unspoken.simulate.presets import preset

    base = preset(str(given["preset"])) if "preset" in given else _DEFAULTS
    known = [field.name for field in fields(World)]
    unknown = sorted(set(given) - {*known, "preset"})
    if unknown:
        raise BadInput(f"A world has no setting {', '.join(unknown)}; it has {', '.join(known)}.")
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name == "preset":
            continue
        wanted: type[str | int | float] = type(getattr(_DEFAULTS, name))
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if isinstance(value, bool) or not fits:
            said = json.dumps(value, ensure_ascii=False, default=str)
            raise BadInput(f"world.toml: {name} is {said}; {_WORDS[wanted]} was needed.")
        values[name] = wanted(value)
    return replace(base, **values)


_DEFAULTS = World()


def to_toml(world: World, seed: int) -> str:
    """world.toml of the finished world: the settings, and the seed that made it."""
    lines = ["# Simulated: the people of this world do not exist.", "simulated = true"]
    lines += [f'recipe = "{RECIPE}"', f"seed = {seed}", "[world]"]
    lines += [f"{key} = {_toml(value)}" for key, value in asdict(world).items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | float) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML one
    return repr(value)
