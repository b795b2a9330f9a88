"""The way to the upstream: which headers go there and come back, and sentences for when it does not answer."""

from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from unspoken.api.chat.wire import CONNECTIONS, Broken, Crowded, Line, Lines
from unspoken.errors import TooLarge, Unavailable

Headers = Iterable[tuple[bytes, bytes]]
HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
     b"trailer", b"transfer-encoding", b"upgrade", b"host", b"content-length", b"content-encoding", b"expect")
)  # fmt: skip
PRIVATE = frozenset((b"authorization", b"cookie", b"accept-encoding", b"forwarded", b"via", b"origin", b"x-real-ip"))
KEPT_HERE = HOP | PRIVATE
SAID_TO_US = (b"x-unspoken-", b"x-openwebui-", b"x-forwarded-")  # who chats is for us: names and addresses of people
# An upstream that packs although nobody asked for it says so to the client, who unpacks.
KEPT_BACK = HOP - {b"content-encoding"} | {b"date", b"server", b"set-cookie"}


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and the connection that it is on its way on, if it is."""

    request: bytes
    line: Line | None


class Response:
    """An answer whose body is still to come."""

    def __init__(self, lines: Lines, line: Line) -> None:
        self.status, self.headers = line.status, line.headers
        self._lines = lines
        self._line: Line | None = line

    async def read(self) -> bytes:
        """What came since; b"" at the end. Unavailable when the upstream ends or falls silent in the middle of it."""
        if self._line is None:
            return b""
        try:
            return await self._line.read()
        except Broken as error:
            raise Unavailable(f"The upstream ended in mid-answer ({error}).") from error

    def close(self) -> None:
        """Not wanted any more, or whole."""
        if self._line is not None:
            self._lines.done(self._line)
            self._line = None


class Upstream:
    """Requests to `url` (as https://host/v1) under its own key."""

    def __init__(self, url: str, key: str) -> None:
        self._given = url
        self._url = httpx.URL(url.rstrip("/"))
        self._base = self._url.raw_path.rstrip(b"/")
        self._lines = Lines(
            self._url.host, self._url.port or (443 if self._url.scheme == "https" else 80),
            secure=self._url.scheme == "https",
        )  # fmt: skip
        own = [b"host: " + self._url.netloc, b"accept-encoding: identity"]
        if key:
            own.append(b"authorization: Bearer " + key.encode())
        self._own = b"\r\n".join(own)

    def check(self) -> None:
        """Unavailable when there is none."""
        if not self._given:
            raise Unavailable(
                "This server has no upstream. Set UNSPOKEN_UPSTREAM_URL, as https://api.openai.com/v1, and "
                "UNSPOKEN_UPSTREAM_KEY, and start it again."
            )

    def ask(self, method: str, path: str, headers: Headers, body: bytes | None = None) -> Question:
        """A request, which is on its way already where a connection is open."""
        request = self._request(method, path, headers, body)
        return Question(request, self._lines.ask(request))

    async def open(self, method: str, path: str, headers: Headers, body: bytes | None = None) -> Response:
        """The head of the answer to a request, as `head`."""
        self.check()
        return await self.head(self.ask(method, path, headers, body))

    async def head(self, asked: Question) -> Response:
        """The head of the answer: `close` it. Unavailable says what is not there, or not set."""
        try:
            return Response(self._lines, await self._lines.head(asked.request, asked.line))
        except Crowded as error:
            raise Unavailable(
                f"All {CONNECTIONS} connections to the upstream are in use; try again shortly."
            ) from error
        except (Broken, OSError) as error:  # TimeoutError is one
            said = str(error) or "it took too long"
            raise Unavailable(f"The upstream did not answer ({said}). Is UNSPOKEN_UPSTREAM_URL right?") from error

    async def close(self) -> None:
        """Ends every connection."""
        await self._lines.close()

    def _request(self, method: str, path: str, headers: Headers, body: bytes | None) -> bytes:
        passed = [
            name + b": " + value for name, value in headers if name not in KEPT_HERE and not name.startswith(SAID_TO_US)
        ]
        if body is not None:
            passed.append(b"content-length: %d" % len(body))
        first = b"%b %b%b HTTP/1.1" % (method.encode(), self._base, path.encode())
        return b"\r\n".join([first, self._own, *passed, b"", body or b""])


def returned(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The upstream's headers that the client gets."""
    return [pair for pair in headers if pair[0] not in KEPT_BACK]


def media(headers: Headers) -> bytes:
    """The media type of an answer, lower case, without its parameters."""
    said = next((value for name, value in headers if name == b"content-type"), b"")
    return said.partition(b";")[0].strip().lower()


async def whole(response: Response, limit: int) -> bytes:
    """The body in one piece; TooLarge beyond `limit` bytes, Unavailable."""
    content = bytearray()
    try:
        while piece := await response.read():
            content += piece
            if len(content) > limit:
                raise TooLarge(f"The upstream's answer holds more than {limit} bytes, which are not kept here.")
    finally:
        response.close()
    return bytes(content)
