"""What the user's next message says of the answer before it: the expressed family (docs/replies.md)."""

from unspoken.signals.replies.detect import replies
from unspoken.signals.replies.labels import RULE, labels
from unspoken.signals.replies.rules import forget
from unspoken.signals.replies.turns import TURNS, turns

__all__ = ["RULE", "TURNS", "forget", "labels", "replies", "turns"]
