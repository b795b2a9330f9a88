"""Client, and its twin for asyncio: the recorder's methods on a queue that is on disk."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, Self

from unspoken.client.outbox import Refused
from unspoken.client.recorder import R, Recorder
from unspoken.client.sender import Options, Sender

FOLDER = Path(".unspoken/outbox")


class _OnDisk(Recorder[R], Generic[R]):
    """What both have: how they are made, and what can be asked of them at once.

    `url` is the server's, `key` a write or secret key of the project. `folder` holds the queue: one folder per project,
    on a local disk; several processes may share it, and one of them sends. `consent` and `user` go with every event
    that does not say otherwise. A batch is sent after `interval_s`, or as soon as `batch_events` were taken. What
    cannot be kept, because the queue holds `limit_bytes` or the disk is full, is dropped and logged, or raises
    Unavailable with `full="raise"`; what was taken before stays. `on_refused` is called, in the sending thread of the
    process that sends, for every event that the server will never take. The end of the program waits `exit_s` for the
    queue to be sent.

    Raises BadInput for an address or key that cannot be one, Unavailable for a folder that cannot be used.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        folder: Path | str = FOLDER,
        consent: str | None = None,
        user: str | None = None,
        on_refused: Callable[[Refused], object] | None = None,
        full: Literal["drop", "raise"] = "drop",
        limit_bytes: int = 100_000_000,
        batch_events: int = 500,
        batch_bytes: int = 1_000_000,
        interval_s: float = 1.0,
        timeout_s: float = 30.0,
        exit_s: float = 2.0,
    ) -> None:
        defaults: Mapping[str, Any] = {"consent": consent, "user": user}
        super().__init__(self._enqueue, defaults)
        self._sender = Sender(
            Options(
                url=url,
                key=key,
                folder=Path(folder).absolute(),
                batch_events=batch_events,
                batch_bytes=batch_bytes,
                interval_s=interval_s,
                timeout_s=timeout_s,
                exit_s=exit_s,
                limit_bytes=limit_bytes,
                full=full,
                on_refused=on_refused,
            )
        )

    def _enqueue(self, identity: str, event: bytes) -> R:
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """How many events are in the queue, of all processes that share its folder."""
        return self._sender.outbox.waiting()

    @property
    def dropped(self) -> int:
        """How many events this client could not keep."""
        return self._sender.dropped

    def refused(self) -> list[Refused]:
        """The last 1,000 events that the server refused for good, oldest first, each with its sentence."""
        return self._sender.outbox.refused()


class Client(_OnDisk[str]):
    """Every method returns the event's id once the event is on disk, which takes some 20 µs; nothing waits for the net.

    For threads, and for programs that fork. No method raises for what the network or the server does.
    """

    def _enqueue(self, identity: str, event: bytes) -> str:
        return self._sender.put(identity, event)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until every event taken so far is stored, or refused and reported; False when the time was too short."""
        return self._sender.flush(timeout_s)

    def shutdown(self, timeout_s: float = 10.0) -> bool:
        """Flush and end. The program's end does it too; False: the next start sends the rest."""
        return self._sender.shut(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


class AsyncClient(_OnDisk[Awaitable[str]]):
    """The twin for asyncio: `await client.vote(…)` returns when the event is on disk, written by another thread.

    The writing has begun when the method returns: an answer that nobody awaits is kept all the same.
    """

    def _enqueue(self, identity: str, event: bytes) -> Awaitable[str]:
        return asyncio.get_running_loop().run_in_executor(None, self._sender.put, identity, event)

    async def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until every event taken so far is stored, or refused and reported; False when the time was too short."""
        return await asyncio.to_thread(self._sender.flush, timeout_s)

    async def shutdown(self, timeout_s: float = 10.0) -> bool:
        """Flush and end. The program's end does it too; False: the next start sends the rest."""
        return await asyncio.to_thread(self._sender.shut, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()
