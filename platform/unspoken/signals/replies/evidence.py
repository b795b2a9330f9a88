"""From a class to log-odds that the answer was worth more than par, as strong as the detector was measured to be.

With sensitivity and specificity of the detection, a flag is worth at most log(sensitivity / (1 − specificity)), and
never more than its class may weigh. A flag that is right with probability p moves the answer to p·σ(that) + (1 − p)·½.
"""

import math

# Sign and bound of each class, in logits (science: §3). What only goes on with the answer speaks of it not at all; a
# rephrase weighs half of a complaint, since the first wording may have been to blame.
BOUNDS = {
    "refusal_objection": -2.0,
    "correction": -2.0,
    "complaint": -2.0,
    "rephrase": -1.0,
    "thanks": 1.0,
    "clarification": 0.0,
    "elaboration": 0.0,
    "new_topic": 0.0,
}
OPEN = ("refusal_objection", "correction", "complaint")
# The same grievance told again is half news: part of it is about the answer before.
ALREADY_OPEN = 0.5


def log_odds(reply_class: str, p: float, sensitivity: float, specificity: float) -> float:
    """lo of a flagged reply: |lo| ≤ 2, thanks ≤ 1, clarification 0; 0 where the detector is no better than chance."""
    bound = BOUNDS[reply_class]
    known = max(0.0, math.log(sensitivity / (1 - specificity)))
    moved = p * (1 / (1 + math.exp(-min(abs(bound), known))) - 0.5) + 0.5
    return math.copysign(math.log(moved / (1 - moved)), bound) if bound and known else 0.0
