"""The thread that sends what is in the outbox, and what it says when it cannot."""

import atexit
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from unspoken.client.outbox import Outbox, Refused
from unspoken.client.post import Again, Delivery, Post, pause_s
from unspoken.errors import BadInput, Unavailable

log = logging.getLogger("unspoken.client")

WATCH_S = 0.05  # how often a flush looks whether another process has sent
FIRST_SILENCE_S = 60.0
LONGEST_SILENCE_S = 3600.0


@dataclass(frozen=True)
class Options:
    """What the clients' arguments of the same names say."""

    url: str
    key: str
    folder: Path
    batch_events: int
    batch_bytes: int
    interval_s: float
    timeout_s: float
    exit_s: float
    limit_bytes: int
    full: Literal["drop", "raise"]
    on_refused: Callable[[Refused], object] | None


class Complaint:
    """Says a trouble that lasts at once, then after a minute, two, four …, an hour; and once when it is over."""

    def __init__(self) -> None:
        self._next = self._silence = 0.0

    def say(self, level: int, sentence: str, *values: object) -> None:
        """Log the sentence, unless it was said a short while ago."""
        if time.monotonic() >= self._next:
            log.log(level, sentence, *values)
            self._silence = min(max(self._silence * 2, FIRST_SILENCE_S), LONGEST_SILENCE_S)
            self._next = time.monotonic() + self._silence

    def over(self, sentence: str, *values: object) -> None:
        """Log the sentence if there was something to complain about."""
        if self._silence:
            log.warning(sentence, *values)
        self._next = self._silence = 0.0


class Sender:
    """An outbox and the thread that empties it: started by the first event, after a fork again by the next."""

    _target: str  # a name for server and key
    _thread: threading.Thread | None
    _condition: threading.Condition
    _fresh: int  # events taken here since the last round
    _rounds: int
    _failures: int  # in a row
    _leads: bool
    _teller: threading.Thread | None  # reports refusals that are no longer in the outbox
    _due: float  # when the next round is, and
    _not_before: float  # the server's own word about that, which no flush overrides

    def __init__(self, options: Options) -> None:
        if options.batch_events < 1 or options.interval_s <= 0:
            raise BadInput("batch_events is at least 1, and interval_s more than 0.")
        Post(options.url, options.key).__exit__()  # a bad address or key is said now, not in a thread
        self._options = options
        self.outbox = Outbox(options.folder, options.limit_bytes)
        self.dropped = 0
        self._full = Complaint()
        self._trouble = Complaint()
        self._closed = False
        self._reset()
        self._aim()
        _LIVE.add(self)
        if self.outbox.waiting():  # of a program that ended before it was done
            self._start()

    def put(self, identity: str, event: bytes) -> str:
        """Keep an event, and see that it is sent. Unavailable if it cannot be kept and `full` is "raise"."""
        try:
            self.outbox.append(event)
        except (sqlite3.Error, OSError) as error:
            self._not_kept(error)
            return identity
        self._fresh += 1
        if self._thread is None:
            self._start()
        elif self._fresh >= self._options.batch_events and not self._failures:
            self._wake()
        return identity

    def flush(self, timeout_s: float, *, leaving: bool = False) -> bool:
        """Wait until everything taken so far is stored, or refused and reported; False when the time was too short.

        `leaving`: give up as soon as sending fails, or when another process is the one that sends.
        """
        end = time.monotonic() + timeout_s
        last, rounds = self.outbox.last(), self._rounds
        while (waits := self.outbox.waiting(last)) or self._tells_elsewhere():
            left = end - time.monotonic()
            tried = self._rounds > rounds or self._not_before > end
            if left <= 0 or (leaving and tried and (self._failures or not self._leads)):
                return False
            if waits and self._thread is None:
                self._start()
            with self._condition:
                if self._rounds == rounds or not self._failures:
                    soon = self._leads or self._rounds == rounds  # else another process sends, and is given the time
                    self._due = 0.0 if soon else min(self._due, time.monotonic() + WATCH_S)
                    self._condition.notify_all()
                self._condition.wait(min(left, WATCH_S))
        return True

    def shut(self, timeout_s: float) -> bool:
        """Flush, then end the thread and let go of the files. What was not sent is sent by the next start.

        Where all went well, a batch that is on its way, of another process's events, is waited for: who leads next
        would send it once more.
        """
        end = time.monotonic() + timeout_s
        try:
            done = self.flush(timeout_s, leaving=True)
        except sqlite3.Error as error:
            log.error("The queue in %s cannot be read: %s.", self.outbox.folder, error)
            done = False
        with self._condition:
            self._closed, thread, self._thread = True, self._thread, None
            self._condition.notify_all()
        if thread is None:
            self.outbox.close()
        elif thread is not threading.current_thread():
            left = end - time.monotonic() if done else 0.0
            thread.join(max(left, WATCH_S))  # one that waits longer for its answer closes the files itself, after that
        return done

    def _aim(self) -> None:
        options = self._options
        target = f"{options.url} {blake2b(options.key.encode(), digest_size=8).hexdigest()}"
        for other in list(_LIVE):
            if (
                other._target != target
                and not other._closed
                and other.outbox.folder.resolve() == options.folder.resolve()
            ):
                raise BadInput(
                    f"Another client of this program keeps events for another server or key in {options.folder}. "
                    "Each project needs a folder of its own: folder=…"
                )
        self._target = target
        try:
            others = self.outbox.aim(target)
        except sqlite3.Error as error:
            raise Unavailable(f"The queue in {options.folder} cannot be written: {error}.") from error
        if others:
            log.warning(
                "%d events in %s were taken for another server or key, and go to %s with this one. If that is "
                "another project, give each its own folder.", others, options.folder, options.url,
            )  # fmt: skip

    def _reset(self) -> None:
        """As before the first event; also in the child of a fork, where the thread is not."""
        self._thread, self._condition = None, threading.Condition()
        self._fresh = self._rounds = self._failures = 0
        self._leads, self._teller = False, None
        self._due = self._not_before = 0.0

    def _start(self) -> None:
        with self._condition:
            if self._thread is None:
                self._closed = False
                self._due = time.monotonic() + self._options.interval_s
                self._thread = threading.Thread(target=self._run, name="unspoken-client", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter is ending: what is on disk is sent by the next start
                    self._thread = None

    def _tells_elsewhere(self) -> bool:
        """Whether another thread reports a refusal; a flush in `on_refused` itself does not wait for its end."""
        return self._teller not in (None, threading.current_thread())

    def _wake(self) -> None:
        with self._condition:
            self._due = 0.0
            self._condition.notify_all()

    def _run(self) -> None:
        me = threading.current_thread()
        with Post(self._options.url, self._options.key, self._options.timeout_s) as post:
            while self._is_due(me):
                again = self._round(post)
                with self._condition:
                    self._rounds += 1
                    self._rest(again)
                    self._condition.notify_all()
        if self._closed:
            self.outbox.close()

    def _is_due(self, me: threading.Thread) -> bool:
        """Wait for the next round; False when this thread is no longer the one that sends."""
        with self._condition:
            while self._thread is me:
                left = max(self._due, self._not_before) - time.monotonic()
                if left <= 0:
                    return True
                self._condition.wait(left)
            return False

    def _rest(self, again: Again | None) -> None:
        """Say when the next round is."""
        now = time.monotonic()
        if again is None:
            self._failures = 0
            self._due = now + self._options.interval_s
            return
        self._failures += 1
        self._due = now + pause_s(self._failures, again)
        if again.after_s is not None:
            self._not_before = self._due

    def _round(self, post: Post) -> Again | None:
        """Send everything that waits; what stands in the way, if anything."""
        self._fresh = 0
        try:
            self._leads = self.outbox.lead()
            me, most = threading.current_thread(), (self._options.batch_events, self._options.batch_bytes)
            while self._leads and self._thread is me and (batch := self.outbox.first(*most)):
                delivery = post.deliver([event for _, event in batch])
                self._settle(batch, delivery)
                if delivery.again:
                    return self._complain(delivery.again)
                self._trouble.over("%s takes events again.", post.address)
                self.outbox.sync()
            return None
        except (sqlite3.Error, OSError) as error:
            return self._complain(Again(f"the queue in {self.outbox.folder} cannot be read or written: {error}"))
        except Exception as error:
            log.exception("A fault of unspoken.client; the events are kept.")
            return Again(f"a fault of this client: {error}")

    def _settle(self, batch: list[tuple[int, bytes]], delivery: Delivery) -> None:
        self._full.over("The queue in %s has room again.", self.outbox.folder)
        rows = [(time.time(), one.status, one.detail, batch[one.place][1]) for one in delivery.refused]
        self._teller = threading.current_thread() if rows else None
        try:
            self.outbox.settle([batch[place][0] for place in delivery.settled], rows)
            self._tell(rows)
        finally:
            self._teller = None

    def _tell(self, rows: list[tuple[float, int, str, bytes]]) -> None:
        for refused in map(Refused.of, rows):
            log.error("The event %s was refused (%d) and dropped: %s", refused.id, refused.status, refused.detail)
            if self._options.on_refused:
                try:
                    self._options.on_refused(refused)
                except Exception:
                    log.exception("The function on_refused failed.")

    def _complain(self, again: Again) -> Again:
        if again.person:
            self.outbox.yield_lead()  # another process may have the right key
        what = "Until somebody mends that" if again.person else "For now"
        level = logging.ERROR if again.person else logging.WARNING
        waiting = f"Events for {self._options.url} cannot be sent: %s. {what} they are kept in %s."
        self._trouble.say(level, waiting, again.reason.rstrip("."), self.outbox.folder)
        return again

    def _not_kept(self, error: Exception) -> None:
        sentence = f"The queue in {self.outbox.folder} took no event: {error}"
        if self._options.full == "raise":
            raise Unavailable(f"{sentence}.") from error
        self.dropped += 1
        self._full.say(logging.ERROR, "%s. Dropped so far: %d.", sentence, self.dropped)


_LIVE: "weakref.WeakSet[Sender]" = weakref.WeakSet()
_forking: list[Sender] = []


def _before_fork() -> None:
    _forking.extend(_LIVE)
    for sender in _forking:
        sender.outbox.before_fork()


def _after_fork(child: bool) -> None:
    while _forking:
        sender = _forking.pop()
        if child:
            sender._reset()
        sender.outbox.after_fork(child)


def _at_exit() -> None:
    for sender in list(_LIVE):
        if not sender._closed:
            sender.shut(sender._options.exit_s)


os.register_at_fork(
    before=_before_fork,
    after_in_parent=lambda: _after_fork(False),
    after_in_child=lambda: _after_fork(True),
)
atexit.register(_at_exit)
