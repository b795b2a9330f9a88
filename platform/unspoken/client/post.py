"""POST /v1/events from this side: what became of each event of a batch, and whether to send the rest again.

An event is given up only on the word of an Unspoken server (or a 413 for it alone). Whatever else answers, a proxy's
error page, a login page, another program at that address, the events stay with the sender.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit

from unspoken.errors import BadInput

PATH = "/v1/events"
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0
_PASSING = (408, 425, 429)  # as every 5xx: the same request may do later
_CONDEMNED = (400, 409, 413, 422)  # about what was sent, when an Unspoken server says it


@dataclass(frozen=True)
class Again:
    """Why events have to be sent again.

    `after_s`: what the server asked for. `person`: it will not pass by itself; the key or the address is wrong.
    `status`: of HTTP, None without an answer.
    """

    reason: str
    after_s: float | None = None
    person: bool = False
    status: int | None = None


@dataclass(frozen=True)
class Refusal:
    """One event that the server will never take: its place in the batch, and the server's sentence."""

    place: int
    status: int
    detail: str


@dataclass
class Delivery:
    """What became of a batch. `settled` are the places of events that were stored or refused."""

    stored: int = 0
    erased: int = 0
    repeated: int = 0
    settled: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    again: Again | None = None


def address(url: str) -> str:
    """The URL that events go to, of a server's; BadInput says what is wrong with it."""
    try:
        parts = urlsplit(url)
        name = (parts.hostname or "").encode("idna")  # as the system does it before it asks for the address
        wrong = parts.scheme not in ("http", "https") or not name or parts.port == 0
    except ValueError:  # brackets that do not close, a port that is no number, a name with an empty part
        wrong = True
    if wrong or not url.isprintable() or " " in url or parts.query or parts.fragment:
        raise BadInput(f"{url!r} is no address of a server. One looks like http://localhost:8000.")
    return url.rstrip("/").removesuffix(PATH) + PATH


def pause_s(failures: int, again: Again) -> float:
    """How long to wait after so many failures in a row (1 …), with jitter so that clients do not come back together."""
    if again.after_s is not None:
        return min(max(again.after_s, 0.1), LONGEST_RETRY_AFTER_S) * random.uniform(1, 1.25)
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1)


class Post:
    """A connection to one server with one key."""

    def __init__(self, url: str, key: str, timeout_s: float = 30.0) -> None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise BadInput("This is no key: one is ASCII without spaces, as `unspoken keys create` prints it.")
        self.address = address(url)
        import httpx  # 60 ms, which `import unspoken.client` need not take

        self._errors = httpx.HTTPError
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            httpx.URL(self.address).host.encode()  # both ways: a name may be one that IDNA does not know
            self._http = httpx.Client(headers=headers, timeout=timeout_s)
        except (httpx.InvalidURL, ValueError) as error:
            raise BadInput(f"{url!r} is no address of a server: {error}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def deliver(self, events: Sequence[bytes]) -> Delivery:
        """Send events, each JSON, in order; in halves where the whole is too large, or one of them spoils it."""
        done = Delivery()
        parts = [(0, len(events))]
        while parts:
            start, stop = parts.pop()
            answer = self._send(events[start:stop])
            if isinstance(answer, Again):
                done.again = answer
                return done
            status, body = answer
            if "items" not in body and status >= 400:
                if stop - start > 1:
                    middle = (start + stop) // 2
                    parts += [(middle, stop), (start, middle)]
                    continue
                body = {"items": [{"item": 0, "status": status, "detail": body.get("detail")}]}
            _account(body, start, stop, done)
            if done.again:
                return done
        return done

    def put(self, path: str, said: dict[str, Any]) -> Again | None:
        """Say something else to the server; why it is not so, else None."""
        at = self.address.removesuffix(PATH) + path
        try:
            answer = self._http.put(at, json=said)
        except self._errors as error:
            return Again(f"no answer: {str(error) or type(error).__name__}")
        status = answer.status_code
        if status == 200:
            return None
        try:
            body = answer.json()
        except ValueError:
            body = None
        if isinstance(body, dict) and str(body.get("type")).startswith("urn:unspoken:problem:"):
            reason = f"{status} {body.get('detail')}"
        else:
            reason = f"{status} {answer.reason_phrase}: what answers at {at} is no Unspoken server"
        passing = status in _PASSING or status >= 500
        return Again(reason, _seconds(answer.headers.get("Retry-After")), person=not passing, status=status)

    def _send(self, events: Sequence[bytes]) -> tuple[int, dict[str, Any]] | Again:
        """The server's status and what it says of these events, or why they must be sent again."""
        content = b'{"sent_at":%d,"events":[%b]}' % (time.time_ns() // 1_000_000, b",".join(events))
        try:
            answer = self._http.post(self.address, content=content)
        except self._errors as error:
            return Again(f"no answer: {str(error) or type(error).__name__}")
        status = answer.status_code
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            body = {}
        ours = str(body.get("type")).startswith("urn:unspoken:problem:")
        reason = f"{status} {body.get('detail') if ours else answer.reason_phrase}"
        if status in (200, 207) and isinstance(body.get("stored"), int) and isinstance(body.get("repeated"), int):
            return status, body
        if status == 413 or (ours and status in _CONDEMNED) or (ours and _complete(body, len(events))):
            return status, body | {"detail": reason.partition(" ")[2]}
        if status in _PASSING or status >= 500:
            return Again(reason, _seconds(answer.headers.get("Retry-After")), status=status)
        if ours:
            return Again(reason, person=True, status=status)
        said = f"{status} {answer.reason_phrase}"
        return Again(f"{said}: what answers at {self.address} is no Unspoken server", person=True, status=status)


def _complete(body: dict[str, Any], count: int) -> bool:
    """Whether a problem says of each event why it was refused."""
    items = body.get("items")
    return isinstance(items, list) and len(items) == count


def _account(body: dict[str, Any], start: int, stop: int, done: Delivery) -> None:
    """Add what the server said of the events from `start` to `stop`."""
    done.stored += int(body.get("stored", 0))
    done.erased += int(body.get("erased", 0))
    done.repeated += int(body.get("repeated", 0))
    left = set(range(start, stop))
    for item in body.get("items", ()):
        place, status = start + int(item["item"]), int(item["status"])
        if status >= 500 or status in _PASSING:
            left.discard(place)
            done.again = Again(f"{status} {item.get('detail')}", status=status)
        elif status >= 400:
            done.refused.append(Refusal(place, status, str(item.get("detail"))))
    done.settled += sorted(left)


def _seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After header: seconds, or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
