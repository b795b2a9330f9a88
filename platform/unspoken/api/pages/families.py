"""How pages sort the kinds of events: what people said, what they did, and what they were only shown or asked.

The vocabulary has two families of events, by who sends them (events/kinds.py). A heartbeat is no deed all the same, and
nobody said anything by being asked: whoever counts them among the signals finds mostly what the page did by itself.
"""

from unspoken.events import REVEALED, STATED

CONTEXT = ("solicit", "expose", "heartbeat", "view", "hide", "return")
SAID = tuple(kind for kind in STATED if kind not in CONTEXT)
DONE = tuple(kind for kind in REVEALED if kind not in CONTEXT)
GROUPS = {"stated": SAID, "revealed": DONE, "context": CONTEXT}
# What a kind is drawn as: the classes of unspoken.css.
FAMILIES = {"message": "messages", **{kind: family for family, kinds in GROUPS.items() for kind in kinds}}
