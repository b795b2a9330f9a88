"""What a form of a page sent: bounded, decoded, each field once, and from a page of our own."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit

from fastapi import Depends, Request

from unspoken.api import bodies
from unspoken.errors import BadInput, MalformedBody, NotAllowed, TooLarge, WrongMediaType
from unspoken.events.plain import flaw

MEDIA = "application/x-www-form-urlencoded"
MOST_BYTES = 100_000
MOST_FIELDS = 50
Fields = Mapping[str, str]


def same_origin(request: Request) -> None:
    """NotAllowed unless a page of this very server sent the request: another site could otherwise press our buttons.

    The cookie's SameSite says the same; a browser that knows neither that nor these headers is turned away.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        ours = site == "same-origin"
    else:  # not sent to a name without TLS; browsers that are older do not send it at all
        said = request.headers.get("origin")
        if said is None and request.method in ("GET", "HEAD"):  # to our own server these come without an Origin
            said = request.headers.get("referer")
        origin = _split(said or "")
        ours = bool(origin.netloc) and origin.netloc.lower() == request.headers.get("host", "").lower()
    if not ours:
        raise NotAllowed(
            "This was not sent by a page of this server, so nothing was done. Open the page here and press its button; "
            "a program sends a key to the routes under /v1 instead."
        )


async def read(request: Request) -> Fields:
    """The fields of a form. NotAllowed from another site; WrongMediaType, TooLarge, MalformedBody."""
    same_origin(request)
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    length = request.headers.get("content-length", "")
    if said != MEDIA and (said or length not in ("", "0")):  # a form without fields may come without a type
        raise WrongMediaType(f"Content-Type is {said[:100] or 'missing'}; a form is sent as {MEDIA}.")
    if length.isdigit() and int(length[:20]) > MOST_BYTES:
        raise _too_large()
    content = await bodies.gather(request.receive)
    if len(content) > MOST_BYTES:
        raise _too_large()
    try:
        pairs = parse_qsl(content.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise MalformedBody(f"This is no form of up to {MOST_FIELDS} fields in UTF-8. Open the page again.") from error
    fields = dict(pairs)
    if any(flaw(value) for value in fields.values()):
        raise BadInput("A field holds a NUL or half a character, which no text can hold here.")
    return fields


def text(fields: Fields, name: str, what: str, longest: int = 200) -> str:
    """A field that has to be there, without the white space around it. BadInput."""
    said = fields.get(name, "").strip()
    if not 1 <= len(said) <= longest:
        raise BadInput(f"{what} has 1 to {longest} characters; this one has {len(said)}. Go back and fill it in.")
    return said


def number(fields: Fields, name: str, what: str) -> float | None:
    """A number, None where the field is empty. BadInput."""
    said = fields.get(name, "").strip()
    try:
        return float(said) if said else None
    except ValueError:
        raise BadInput(f"{what} is a number, as in 250; {said[:40]!r} is none. Go back and change it.") from None


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # brackets that hold no address
        return urlsplit("")


def _too_large() -> TooLarge:
    return TooLarge(f"A form has up to {MOST_BYTES:,} bytes; this one has more.")


Form = Annotated[Fields, Depends(read)]
