"""What routes ask for: the database, whose key it is, and whether the caller sits at this very machine."""

import re
from ipaddress import ip_address
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy import Engine
from starlette.datastructures import URL

from unspoken.errors import NotAllowed, NotSignedIn
from unspoken.store import keys, sessions
from unspoken.store.database import reading
from unspoken.store.keys import Principal

COOKIE = "unspoken_session"  # of a browser whose owner signed in; see api/pages/session.py
_HOST = re.compile(r"[a-z0-9._:\[\]-]{1,300}", re.ASCII | re.IGNORECASE)
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def engine(request: Request) -> Engine:
    """The app's database."""
    return cast(Engine, request.app.state.engine)


Database = Annotated[Engine, Depends(engine)]


def bearer(request: Request) -> str | None:
    """The key of the Authorization header; NotSignedIn when the header holds something else."""
    header = request.headers.get("authorization")
    return None if header is None else key_of(header)


def key_of(header: str) -> str:
    """The key of an Authorization header; NotSignedIn when it holds something else."""
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise NotSignedIn("The Authorization header must read `Bearer <key>`.")
    return key.strip()


def holder(request: Request, engine: Database) -> Principal:
    """Who runs things: a secret or admin key."""
    return _allowed(_principal(request, engine), "secret", "admin")


def admin(request: Request, engine: Database) -> Principal:
    """Who says what others may do: an admin key, also at this machine, so that the audit can name it."""
    return _allowed(_principal(request, engine), "admin")


def viewer(request: Request, engine: Database) -> str | None:
    """The one project the caller may see; None, all of them, at this machine."""
    if at_this_machine(request) and "authorization" not in request.headers:
        return None
    return _allowed(_principal(request, engine), "secret", "admin").project_id


def page_viewer(request: Request, engine: Database) -> str | None:
    """As `viewer`, for pages, which elsewhere need an admin key: in the header, or one that somebody signed in with."""
    if at_this_machine(request) and "authorization" not in request.headers:
        return None
    if "authorization" not in request.headers and COOKIE in request.cookies:
        return signed_in(request, engine).project_id
    return _allowed(_principal(request, engine), "admin").project_id


def signed_in(request: Request, engine: Database) -> Principal:
    """Who signed in with this browser. NotSignedIn when nobody did, or when it is over."""
    note = request.cookies.get(COOKIE)
    if note is None:
        raise NotSignedIn("Sign in with an admin key of the project to do this.")
    with reading(engine) as session:
        principal = sessions.authenticate(session, note)
    keys.used(engine, principal)
    return principal


def at_this_machine(request: Request) -> bool:
    """Whether the app is open to this machine, and the request came from it, directly, under a loopback name.

    The name matters: a hostile page can point its own name at 127.0.0.1 and would then read along (DNS rebinding).
    """
    if not request.app.state.local or any(name in request.headers for name in FORWARDED):
        return False
    return is_loopback(request.client.host if request.client else "") and is_loopback(_host(request))


def is_loopback(host: str) -> bool:
    """Whether a host name or address means the machine itself."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _host(request: Request) -> str:
    """The name that the request came under; "" for what is no name, as one with a user, a path or a space in it."""
    said = request.headers.get("host", "")
    if not _HOST.fullmatch(said):
        return ""
    try:
        return URL(f"http://{said}").hostname or ""
    except ValueError:
        return ""


def _principal(request: Request, engine: Engine) -> Principal:
    key = bearer(request)
    if key is None:
        raise NotSignedIn(
            "Send a secret or admin key as `Authorization: Bearer <key>`. Without a key this is open only on the "
            "machine itself, under http://127.0.0.1 or http://localhost, when the server listens there alone."
        )
    with reading(engine) as session:
        principal = keys.authenticate(session, key)
    keys.used(engine, principal)
    return principal


def _allowed(principal: Principal, *roles: str) -> Principal:
    if principal.role not in roles:
        raise NotAllowed(f"A {principal.role} key may not do this; it takes a key of role {' or '.join(roles)}.")
    return principal


Admin = Annotated[Principal, Depends(admin)]
Holder = Annotated[Principal, Depends(holder)]
Viewer = Annotated[str | None, Depends(viewer)]
