"""Generations that can be read again: those that run and those that ended lately, bounded in number and bytes."""

import asyncio

from unspoken.api.chat.generation import Generation
from unspoken.errors import Unavailable

MOST = 1_000  # generations
MOST_BYTES = 64_000_000


class Kept:
    """By the ids of their answers. Beyond a bound the one that ended first goes; its text stays in the database."""

    def __init__(self, seconds: float, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._seconds = seconds
        self._most = most
        self._most_bytes = most_bytes
        self._by_message: dict[str, Generation] = {}
        self._running: set[Generation] = set()
        self._ended: dict[Generation, asyncio.TimerHandle] = {}
        self._size = 0

    @property
    def running(self) -> list[Generation]:
        """Those that have not ended."""
        return list(self._running)

    @property
    def size(self) -> tuple[int, int]:
        """How many are kept, and their bytes."""
        return len(self._running) + len(self._ended), self._size

    def find(self, project_id: str, message: str) -> Generation | None:
        """The one that an answer is of, in that project alone."""
        found = self._by_message.get(message)
        return found if found is not None and found.project.id == project_id else None

    def room(self) -> None:
        """Unavailable when those that run fill the bounds by themselves."""
        if len(self._running) >= self._most or (self._size >= self._most_bytes and not self._ended):
            raise Unavailable("Too many answers are being generated at once; try again shortly.", 1)

    def start(self, generation: Generation) -> None:
        """Keep one that begins."""
        self._running.add(generation)
        self._by_message.update(dict.fromkeys(generation.messages, generation))
        self._bound()

    def grew(self, size: int) -> None:
        """A kept one holds so many bytes more."""
        self._size += size
        if self._size > self._most_bytes:
            self._bound()

    def ended(self, generation: Generation) -> None:
        """It ended: keep it for a while, in case somebody comes back."""
        self._running.discard(generation)
        loop = asyncio.get_running_loop()
        self._ended[generation] = loop.call_later(self._seconds, self.drop, generation)
        self._bound()

    def drop(self, generation: Generation) -> None:
        """Keep it no longer."""
        timer = self._ended.pop(generation, None)
        if timer is None and generation not in self._running:
            return
        if timer is not None:
            timer.cancel()
        self._running.discard(generation)
        self._size -= generation.size
        for message in generation.messages:
            del self._by_message[message]

    def _bound(self) -> None:
        while self._ended and (len(self._running) + len(self._ended) > self._most or self._size > self._most_bytes):
            self.drop(next(iter(self._ended)))
