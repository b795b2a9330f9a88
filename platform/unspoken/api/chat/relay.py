"""A generation to one reader: what is there at once, then each chunk as it comes. Who leaves ends only this."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi.responses import Response

from unspoken.api.chat.generation import Generation, Head

Message = MutableMapping[str, Any]
BATCH = 64  # chunks that are sent as one


class Relay(Response):
    """Server-sent events of a generation from `position` on; `numbered` adds an `id:` line to each chunk.

    `noted`: who leaves early is recorded; not where they did not agree to that.

    The reader's end is watched beside the sending, not polled: whoever polls loses the race for the receive channel.
    """

    def __init__(
        self, generation: Generation, head: Head, *, position: int = 0, numbered: bool = False, noted: bool = True
    ) -> None:
        self.status_code = head.status
        self.raw_headers = head.headers
        self.background = None
        self._generation = generation
        self._body = head.body
        self._position = position
        self._numbered = numbered
        self._noted = noted

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        """ASGI."""
        generation = self._generation
        gone = asyncio.ensure_future(_gone(receive))
        gone.add_done_callback(lambda _: generation.wake())
        over = False
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            over = await self._sent(send, gone)
        except OSError:
            pass  # some servers say so in this way
        finally:
            gone.cancel()
            if not over and self._noted:
                generation.left(self._position)

    async def _sent(self, send: Any, gone: "asyncio.Future[None]") -> bool:
        """Whether all of it was sent; `_position` is how far it came."""
        generation = self._generation
        if self._body is not None:
            await asyncio.sleep(0)  # for the news of one who left while the upstream was thinking
            if not gone.done():
                await send({"type": "http.response.body", "body": self._body})
            return not gone.done()
        while not gone.done():
            if self._position < len(generation.chunks):
                batch = generation.chunks[self._position : self._position + BATCH]
                body = self._text(batch)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                if not gone.done():
                    self._position += len(batch)
            elif generation.ended:
                await send({"type": "http.response.body", "body": b""})
                return True
            else:
                await generation.changed()
        return False

    def _text(self, batch: list[tuple[int, bytes]]) -> bytes:
        if not self._numbered:
            return batch[0][1] if len(batch) == 1 else b"".join(block for _, block in batch)
        before = self._generation.chunks[self._position - 1][0] if self._position else 0
        parts = []
        for number, block in batch:
            parts.append(b"id: %d\n%b" % (number, block) if number > before else block)
            before = number
        return b"".join(parts)


async def _gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
