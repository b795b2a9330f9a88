"""Signing in with an admin key, and who acts: the key comes in a form, once, and a cookie stands for it from then on.

The cookie is unreadable for scripts, never sent from another site, and worth nothing once the key is revoked.
"""

from collections import deque
from ipaddress import ip_address, ip_network
from time import monotonic
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from unspoken.api.deps import COOKIE, Database, signed_in
from unspoken.api.pages import frame
from unspoken.api.pages.forms import Form, same_origin
from unspoken.api.pages.looking import Looking
from unspoken.errors import NotAllowed, NotSignedIn, TooMany
from unspoken.store import keys, sessions
from unspoken.store.database import reading
from unspoken.store.keys import Principal

MOST_WRONG = 10  # tries of one address
WITHIN_S = 60.0
MOST_ADDRESSES = 10_000
LONGEST_KEY = 500
router = frame.router()


class Tries:
    """How often an address showed a key that was none, within the last minute. Each server process has its own."""

    def __init__(self) -> None:
        self._wrong: dict[str, deque[float]] = {}

    def check(self, address: str) -> None:
        """TooMany when the address has used its tries up."""
        times = self._wrong.get(address)
        at = monotonic()
        while times and at - times[0] > WITHIN_S:
            times.popleft()
        if times and len(times) >= MOST_WRONG:
            wait = int(WITHIN_S - (at - times[0])) + 1
            raise TooMany(f"{MOST_WRONG} keys that were none came from this address. Try again in {wait} s.", wait)

    def wrong(self, address: str) -> None:
        """One more."""
        if address not in self._wrong and len(self._wrong) >= MOST_ADDRESSES:
            self._wrong.pop(next(iter(self._wrong)))
        self._wrong.setdefault(address, deque(maxlen=MOST_WRONG)).append(monotonic())


def actor(request: Request, engine: Database, look: Looking) -> Principal:
    """Who presses a button: signed in, on a page of ours, about their own project. NotAllowed, NotSignedIn."""
    same_origin(request)
    principal = look.principal or signed_in(request, engine)
    if look.chosen is not None and look.chosen.id != principal.project_id:
        raise NotAllowed(
            f"You are signed in for the project {look.name(principal.project_id)!r}, and this is {look.chosen.name!r}. "
            "Sign in with an admin key of that project."
        )
    return principal


Actor = Annotated[Principal, Depends(actor)]


@router.get("/signin")
def form(request: Request) -> HTMLResponse:
    """The form; `back` says where somebody was."""
    return frame.page("signin.html", said="", back=frame.own_path(request.query_params.get("back", "/")))


@router.post("/signin")
def sign_in(request: Request, engine: Database, fields: Form) -> Response:
    """A cookie for a key, and back to where one was; or the form again, with what was wrong."""
    address, back = _address(request), frame.own_path(fields.get("back", "/"))
    tries: Tries = request.app.state.tries
    try:
        # A right key always signs in: behind a proxy everybody has one address, and one of them could lock all out.
        note = _note(engine, fields.get("key", "").strip())
    except (NotSignedIn, NotAllowed) as error:
        try:
            tries.check(address)
        except TooMany as many:
            headers = {"Retry-After": str(many.retry_after_s)}
            return frame.page("signin.html", many.status, headers, said=many.public, back=back)
        tries.wrong(address)
        return frame.page("signin.html", error.status, said=error.public, back=back)
    answer = RedirectResponse(back, 303)
    answer.set_cookie(
        COOKIE,
        note,
        max_age=int(sessions.LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=_over_tls(request),
    )
    return answer


@router.post("/signout")
def sign_out(request: Request, _fields: Form) -> RedirectResponse:
    """The browser forgets; other browsers stay signed in until the key is revoked."""
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=_over_tls(request))
    return answer


def done(address: str) -> RedirectResponse:
    """After a deed: to the page that shows it, by GET, so that loading it again does nothing again."""
    return RedirectResponse(address, 303)


def _note(engine: Database, key: str) -> str:
    if not key:
        raise NotSignedIn("No key was given. Paste an admin key of the project, as `unspoken keys create` printed it.")
    with reading(engine) as session:
        principal = keys.authenticate(session, key[:LONGEST_KEY])
        if principal.role != "admin":
            raise NotAllowed(
                f"This is a key of role {principal.role}. Signing in takes an admin key of the project: "
                "`unspoken keys create --project NAME --role admin` makes one."
            )
        note = sessions.begin(session, principal)
    keys.used(engine, principal)
    return note


def _over_tls(request: Request) -> bool:
    """Also where a proxy in front says so: a lie would only cost whoever tells it their own session."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").partition(",")[0].strip())


def _address(request: Request) -> str:
    """Who tries: of IPv6 the network of 64 bits, since one person has all of it."""
    host = request.client.host if request.client else ""
    try:
        return str(ip_network((host, 64), strict=False)) if ip_address(host).version == 6 else host
    except ValueError:
        return host
