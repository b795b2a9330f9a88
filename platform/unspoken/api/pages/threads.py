"""The messages of a conversation as the tree they are: which path is shown, and what else was said at each place."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from unspoken.store.talk import Act


@dataclass
class Node:
    """One message. What several reports of it say is put together; the first counts where they differ."""

    id: str
    at: datetime
    seq: int
    role: str
    parent: str | None
    user: str | None
    told: list[Act]
    children: list["Node"] = field(default_factory=list)

    def said(self, name: str) -> Any:
        """A field of the message, or an envelope's; None where no report has it."""
        every = (act.fields.get(name, getattr(act, name, None)) for act in self.told)
        return next((value for value in every if value is not None), None)


@dataclass(frozen=True)
class Place:
    """A message on the path, and its siblings of the same role in the order in which they came."""

    node: Node
    siblings: list[Node]

    @property
    def number(self) -> int:
        """Which of the siblings it is, from 1."""
        return next(place for place, each in enumerate(self.siblings, 1) if each is self.node)

    @property
    def before(self) -> str | None:
        """The sibling before it."""
        return self.siblings[self.number - 2].id if self.number > 1 else None

    @property
    def after(self) -> str | None:
        """The sibling after it."""
        return self.siblings[self.number].id if self.number < len(self.siblings) else None


class Threads:
    """All messages that the events tell of. `flat`: none names the one it answers, so they are put in a row by time."""

    def __init__(self, acts: Iterable[Act]) -> None:
        self.nodes: dict[str, Node] = {}
        for act in acts:
            if act.kind == "message" and act.message is not None:
                self._add(act.message, act)
        order = sorted(self.nodes.values(), key=_place)
        self.flat = len(order) > 1 and all(node.parent is None for node in order)
        if self.flat:
            for above, node in pairwise(order):
                node.parent = above.id
        self._cut_cycles(order)
        self.roots: list[Node] = []
        for node in order:
            above_it = self.nodes.get(node.parent) if node.parent is not None else None
            (self.roots if above_it is None else above_it.children).append(node)
        self._newest: dict[str, Node] = {}
        for node in reversed(order):
            at: Node | None = node
            while at is not None and at.id not in self._newest:
                self._newest[at.id] = node
                at = self.nodes.get(at.parent) if at.parent is not None else None

    def path(self, at: str | None) -> list[Place]:
        """From the first message through the one named to the newest below; to the newest of all without a name."""
        start = self.nodes.get(at) if at else None
        if start is None:
            start = max(self.roots, key=lambda root: _place(self._newest[root.id]), default=None)
        way: list[Node] = []
        node = start
        while node is not None:
            way.append(node)
            node = self.nodes.get(node.parent) if node.parent is not None else None
        way.reverse()
        while way and way[-1].children:
            below = self._newest[way[-1].id]
            # The node itself is the newest where its answers' clocks lie before its own.
            leads = [each for each in way[-1].children if self._newest[each.id] is below]
            way.append(leads[0] if leads else max(way[-1].children, key=lambda each: _place(self._newest[each.id])))
        return [Place(node, self._siblings(node)) for node in way]

    def _siblings(self, node: Node) -> list[Node]:
        above = self.nodes.get(node.parent) if node.parent is not None else None
        beside = self.roots if above is None else above.children
        return [each for each in beside if each.role == node.role]

    def _add(self, message: str, act: Act) -> None:
        known = self.nodes.get(message)
        role, parent = str(act.fields.get("role") or ""), act.fields.get("parent")
        if known is None:
            self.nodes[message] = Node(message, act.at, act.seq, role, parent, act.user, [act])
            return
        known.told.append(act)
        known.parent = known.parent or parent
        known.user = known.user or act.user

    def _cut_cycles(self, order: Iterable[Node]) -> None:
        """Messages that are each other's parents hang together nowhere: the earliest of them begins anew."""
        settled: set[str] = set()
        for node in order:
            walking: dict[str, Node] = {}
            at: Node | None = node
            while at is not None and at.id not in settled and at.id not in walking:
                walking[at.id] = at
                at = self.nodes.get(at.parent) if at.parent is not None else None
            if at is not None and at.id in walking:
                ids = list(walking)
                min((walking[each] for each in ids[ids.index(at.id) :]), key=_place).parent = None
            settled.update(walking)


def _place(node: Node) -> tuple[datetime, int]:
    return (node.at, node.seq)
