"""Worlds by name: the default one, and those in which somebody or something is against the labels."""

from dataclasses import replace
from typing import Any

from unspoken.errors import BadInput
from unspoken.simulate.config import World

# The size and the rates of real products (science: §8).
_DEFAULT: dict[str, Any] = {"users": 3000, "exchanges": 17, "vote_rate": 0.02, "propensity_sd": 0.5}

# name → what it is, and what it changes of the default world.
PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "default": ("rates of real products, nobody against them", {}),
    "heavy": ("a few people do most of it", {"activity_sd": 1.2}),
    "bots": ("3 % of the accounts are programs: one reading time, day and night, a vote up for everything",
             {"bots": 0.03}),
    "brigade": ("20 accounts cast half of all votes, against the truth", {"brigade": 20}),
    "poison": ("1 % of the users vote up what holds an exclamation, down what does not", {"poison": 0.01}),
    "recency": ("the last generated is kept for its place, and later siblings are longer by half a deviation",
                {"sibling_last": 3.0, "filler": 4, "recency_drift": 0.5}),
    "abandonment": ("in most topics people leave early because they have what they wanted",
                    {"good_topics": 0.8, "close_per_s": 0.01}),
    "topic_speed": ("some topics are read twice as fast as others", {"topic_speed_sd": 0.5, "device_speed_sd": 0.3}),
    "long": ("people like what is long, in what they say and in what they do", {"length_liking": 0.5}),
    "skew": ("clocks are off by hours; batches say when they were sent", {"clock_skew_s": 7200.0}),
    "duplicates": ("a fifth of what is sent comes twice, some of it late", {"duplicate_rate": 0.2}),
    "beacons": ("a tenth of what pages send never comes", {"lost_rate": 0.1}),
    "variety": ("a fifth of the time people only want to see another answer", {"variety": 0.2}),
    "minority": ("15 % of the users want the opposite", {"minority": 0.15}),
    "gullible": ("2 % of the users say that they like whatever flatters", {"gullible": 0.02}),
    "drifting": ("one policy takes over from another in the course of time", {"policy_drift": 1.0, "policy_tilt": 0.8}),
    "null": ("what people say and what they do follow one utility", {"rho": 1.0}),
    "null_selected": ("the same, but who is pleased votes more often, and more often on flattery",
                      {"rho": 1.0, "vote_by_worth": 0.5, "vote_by_attribute": 0.5}),
    "misspecified": ("utilities are skewed, hazards grow with time, acts jump at a threshold, reading time bends",
                     {"skew": 0.35, "weibull": 1.5, "threshold": 1.0, "dwell_bend": 0.1}),
    "mixed": ("four fifths of copies and replies follow what people would say", {"load_copy": 0.8, "load_reply": 0.8}),
    "selected": ("votes are cast on the answers of other policies than most answers come from",
                 {"vote_by_policy": 1.2, "policy_tilt": 0.8}),
    "attribute_votes": ("whether somebody votes depends on how flattering the answer is", {"vote_by_attribute": 0.7}),
    "erasure": ("a tenth of the users have their data erased afterwards", {"erase": 0.1}),
    "silent": ("no act follows any utility", dict.fromkeys(
        ("stop_slope", "close_slope", "good_slope", "dwell_slope", "pause_slope", "compose_slope", "regenerate_slope",
         "sibling_slope", "copy_slope", "share_slope", "next_slope", "edit_slope", "reply_slope"), 0.0)),
}  # fmt: skip


def preset(name: str) -> World:
    """The world of that name; BadInput lists those there are."""
    if name not in PRESETS:
        raise BadInput(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
    return replace(World(name=name), **_DEFAULT | PRESETS[name][1])


def listed() -> str:
    """One line per preset."""
    width = max(map(len, PRESETS))
    return "\n".join(f"{name:{width}}  {about}" for name, (about, _) in PRESETS.items())
