"""Two looks at one reply: what a rule says, what the classifier says, and what is kept of both.

A class is kept where a rule speaks and the classifier does not contradict it, or where the classifier is sure on its
own. The encoder knows English: phrases of other languages stand alone, as everything does where there is no encoder.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unspoken.signals.replies import rules
from unspoken.signals.replies.classifier import CLASSES, NONE, features
from unspoken.signals.replies.likeness import SAME_WORDS, SHORTEST, asked_again, cosines, edit_distances
from unspoken.signals.replies.rules import Found

Encode = Callable[[list[str]], np.ndarray]
# Both chosen on real chats (docs/replies.md), where rules alone are right too seldom; half of the texts that are as
# like as a rephrase ask for the next step there.
CONTRADICTED_BELOW = 0.15
SAME_IN_BOTH = 0.8  # the cosine that a rephrase needs beside its edit distance
LIKE = Found("rephrase", "")  # by likeness to the prompt, which knows no language


class Look(NamedTuple):
    """What can be known of a reply without the time and without the classifier."""

    phrases: list[Found]
    after_thanks: bool
    distance: float
    cosine: float


def look(pairs: list[tuple[str, str]], encode: Encode | None) -> tuple[list[Look], np.ndarray | None]:
    """One Look per (before, text), and the classifier's features (n, d) where there is an encoder."""
    texts = sorted({text for pair in pairs for text in pair})
    phrases = {text: rules.by_phrases(text) for text in texts}
    distances, likeness, x = edit_distances(pairs), np.zeros(len(pairs)), None
    if encode is not None:
        # What the rules do not read of a long text, the encoder need not read either.
        vectors = np.asarray(encode([text[: rules.HEAD_CHARS] for text in texts]), dtype=np.float64)
        place = {text: i for i, text in enumerate(texts)}
        own = vectors[[place[text] for _, text in pairs]]
        likeness = cosines(own, vectors[[place[before] for before, _ in pairs]])
        # A vector of next to nothing says nothing of likeness.
        likeness[[min(len(before), len(text)) < SHORTEST for before, text in pairs]] = 0.0
        x = features([text[: rules.HEAD_CHARS] for _, text in pairs], own, distances, likeness)
    looks = [
        Look(phrases[text], _grateful(phrases[before][:1]), float(distances[i]), float(likeness[i]))
        for i, (before, text) in enumerate(pairs)
    ]
    return looks, x


def _grateful(found: list[Found]) -> bool:
    return any(one.reply_class == "thanks" for one in found)


def ruled(seen: Look, seconds: float | None) -> Found | None:
    """The first look alone."""
    found = list(seen.phrases)
    grateful = seen.after_thanks or _grateful(found)
    if not grateful and asked_again(seen.distance, seen.cosine, seconds):
        found.append(LIKE)
    return min(found, key=lambda one: rules.ORDER.index(one.reply_class), default=None)


class Kept(NamedTuple):
    """What is said of a reply, and by which detector's measured rates it counts."""

    reply_class: str
    p: float
    how: str
    rates: str  # rules, validated


def judge(seen: Look, seconds: float | None, chances: np.ndarray | None, known: dict[str, Any]) -> Kept | None:
    """Rule, classifier (chances by class) and both together; None where nothing is kept."""
    rule = ruled(seen, seconds)
    if chances is None or (rule and rule.language not in ("", "en")):
        return rule and Kept(rule.reply_class, known["rates"]["rules"][rule.reply_class]["precision"], "rule", "rules")
    name = rule.reply_class if rule else CLASSES[int(chances.argmax())]
    if name == NONE:
        return None
    if rule == LIKE and not (seen.distance <= SAME_WORDS and seen.cosine >= SAME_IN_BOTH):
        return None
    chance = float(chances[CLASSES.index(name)])
    if chance < (CONTRADICTED_BELOW if rule else known["alone"]):
        return None
    # Never surer of a class than its flags were right in real chats.
    p = min(calibrated(chance, rule is not None, known), known["rates"]["validated"][name]["precision"])
    return Kept(name, p, "rule" if rule else "classifier", "validated")


def calibrated(chance: float, ruled: bool, known: dict[str, Any]) -> float:
    """P(it is of the class) from the classifier's chance and whether a rule says so too; four decimals."""
    level, slope, rule = known["calibration"]
    logit = level + slope * log_ratio(chance) + rule * ruled
    return round(1 / (1 + math.exp(-logit)), 4)


def log_ratio(chance: float) -> float:
    """Logit of a chance, within ±7."""
    inside = min(max(chance, 1e-3), 1 - 1e-3)
    return math.log(inside / (1 - inside))
