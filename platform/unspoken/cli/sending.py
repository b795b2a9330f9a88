"""What `--send` sends with: the Python client's own code, without its queue. The file is the queue."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unspoken.client.post import Again, Post, pause_s
from unspoken.errors import BadInput, Conflict, NotSignedIn, Unavailable, UnspokenError
from unspoken.sources.batches import Write
from unspoken.sources.position import Tally

MARKED = "/v1/project/simulated"
TRIES = 6  # in a row of the same events; they take 8 to 16 s where the server does not say itself how long to wait


@contextmanager
def sending(url: str, key: str, simulated: bool | None = None) -> Iterator[Write]:
    """What sends a batch to a server, the same ids again while that is busy or away. BadInput for a bad URL or key.

    `simulated`, where given, is what the project there is to be marked as before it gets the first of them.
    Writing raises NotSignedIn (the key), BadInput (no server of ours is there), Conflict (the project holds events of
    the other mark), Unavailable (it did not take them; at once when nothing has ever answered there).
    """
    with Post(url, key, timeout_s=60) as post:
        answered, marked = False, simulated is None

        def write(batch: list[dict[str, Any]], tally: Tally) -> None:
            nonlocal answered, marked
            if not marked:
                _mark(post, url, bool(simulated))
                answered = marked = True
            failures, left = 0, batch
            while left:
                delivery = post.deliver([json.dumps(item).encode() for item in left])
                tally.stored += delivery.stored
                tally.repeated += delivery.repeated
                tally.erased += delivery.erased
                for refusal in delivery.refused:
                    tally.refuse(f"{left[refusal.place].get('id')}: {refusal.detail}")
                settled = set(delivery.settled)
                left = [item for place, item in enumerate(left) if place not in settled]
                answered = answered or bool(settled)
                if again := delivery.again:
                    failures = 1 if settled else failures + 1
                    answered = answered or again.status is not None
                    if again.person or failures >= TRIES or not answered:
                        raise _gave_up(url, again, failures)
                    time.sleep(pause_s(failures, again))

        yield write


def _mark(post: Post, url: str, simulated: bool) -> None:
    """Tell the server what the project's people are."""
    failures = 0
    while again := post.put(MARKED, {"simulated": simulated}):
        failures += 1
        if again.status == 409:
            raise Conflict(again.reason.partition(" ")[2])
        if again.status in (404, 405):
            raise BadInput(
                f"{url} cannot be told whether these people exist, so nothing was sent: {again.reason.rstrip('.')}. "
                "Check the address; where it is right, that server is older than this command, and needs its version."
            )
        if again.person or again.status is None or failures >= TRIES:
            raise _gave_up(url, again, failures)
        time.sleep(pause_s(failures, again))


def _gave_up(url: str, again: Again, failures: int) -> UnspokenError:
    reason = again.reason.rstrip(".")
    if again.status in (401, 403):
        return NotSignedIn(f"{url} answers {reason}.")
    if again.person:
        return BadInput(f"{url} takes no events: {reason}. Check the address.")
    if again.status is None and failures == 1:
        return Unavailable(f"{url} cannot be reached: {reason}. Check the address, and that the server runs.")
    return Unavailable(f"{url} did not take the events in {failures} tries: {reason}. Try again later.")
