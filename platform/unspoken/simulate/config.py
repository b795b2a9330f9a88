"""What a world is made of; world.toml holds exactly these names."""

import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from unspoken.errors import BadInput

_LIMITS: dict[str, tuple[float, float]] = {
    "rho": (-1, 1),
    "users": (2, 1_000_000),
    "exchanges": (1, 24),
    "answers_per_prompt": (2, 48),
    "corpus_seed": (0, 2**32),
    "shared_weight": (0, 1),
    "vote_rate": (0, 1),
    "regenerate_rate": (0, 1),
    "copy_rate": (0, 1),
    "taste_sd": (0, 5),
    "leniency_sd": (0, 5),
    "stop_per_s": (1e-9, 10),
    "close_per_s": (1e-9, 10),
    "chars_per_s": (1, 10_000),
    **dict.fromkeys(
        (
            "vote_slope", "stop_slope", "close_slope", "regenerate_slope", "copy_slope", "sibling_slope",
            "sibling_last", "dwell_slope",
        ),
        (-10, 10),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A small world. Slopes are in logits (or log hazard) per standard deviation of the utility they follow."""

    name: str = "world"
    rho: float = 0.3  # correlation of stated and revealed utility within a prompt
    users: int = 1200
    exchanges: int = 6  # prompts per user
    answers_per_prompt: int = 32
    corpus_seed: int = 0  # worlds with one corpus share texts, so features are computed once
    shared_weight: float = 0.85  # of a utility's spread, the part that text and taste carry
    taste_sd: float = 0.25  # spread of users' own weights around the common ones
    vote_rate: float = 0.55  # far above the 1–3 % of real products, so that a small world has enough votes
    vote_slope: float = 1.8
    leniency_sd: float = 0.5
    stop_per_s: float = 0.012
    stop_slope: float = 1.0
    close_per_s: float = 0.006
    close_slope: float = 0.6
    regenerate_rate: float = 0.12
    regenerate_slope: float = 1.4
    copy_rate: float = 0.15
    copy_slope: float = 1.3
    sibling_slope: float = 1.2
    sibling_last: float = 2.0  # κ: how much the last generated is kept for its place alone
    dwell_slope: float = 0.15
    chars_per_s: float = 60.0  # of the stream

    def __post_init__(self) -> None:
        """BadInput on a value out of range."""
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadInput(f"world.toml: {name} is {value}; it lies between {low} and {high}.")


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
        raise BadInput(f"{path}: world is {world!r}; a table of settings, [world], was needed.")
    return from_dict(world)


def from_dict(given: dict[str, Any]) -> World:
    """As `read`, from names and values."""
    known = [field.name for field in fields(World)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise BadInput(f"A world has no setting {', '.join(unknown)}; it has {', '.join(known)}.")
    values: dict[str, Any] = {}
    for name, value in given.items():
        wanted: type[str | int | float] = type(getattr(_DEFAULTS, name))
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if isinstance(value, bool) or not fits:
            raise BadInput(f"world.toml: {name} is {value!r}; {wanted.__name__} was needed.")
        values[name] = wanted(value)
    return World(**values)


_DEFAULTS = World()


def to_toml(world: World, seed: int) -> str:
    """world.toml of the finished world: the settings, and the seed that made it."""
    lines = ["# Simulated: the people of this world do not exist.", "simulated = true", f"seed = {seed}", "[world]"]
    lines += [f"{key} = {_toml(value)}" for key, value in asdict(world).items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | float) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML one
    return repr(value)
