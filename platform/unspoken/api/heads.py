"""Response headers that are known beforehand, and the bytes they become: what the hot route answers with.

To any ASGI server a Head is a list of headers like any other. An Exchange (api/exchange.py) writes its bytes as they
are, where otherwise every header of every answer is looked through for characters that may not stand in it.
"""

from functools import lru_cache

from unspoken.api.edge import OPEN_HEADERS


class Head(list[tuple[bytes, bytes]]):
    """Headers of an answer with a body of `length` bytes; not to be changed."""

    __slots__ = ("block", "length")

    def __init__(self, headers: list[tuple[bytes, bytes]], length: int) -> None:
        said = [header for header in headers if header[0] != b"content-length"]
        super().__init__([*said, (b"content-length", b"%d" % length)])
        self.length = length
        self.block = b"".join(b"%s: %s\r\n" % header for header in self)


@lru_cache(maxsize=256)
def json_head(length: int) -> Head:
    """The headers of a JSON answer of the open route."""
    return Head([*OPEN_HEADERS, (b"content-type", b"application/json")], length)
