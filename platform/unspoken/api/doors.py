"""Who may append what: a key looked up once in two seconds, not once a request.

A revoked key is refused at once all the same: the writer looks at it again inside the transaction. What a door may be
late with, by two seconds, are a key's origins and rate and the project's rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from urllib.parse import parse_qsl

from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from unspoken.api.deps import key_of
from unspoken.api.limits import Bucket, Limits
from unspoken.errors import NotAllowed, NotSignedIn
from unspoken.events import REVEALED, STATED, Event, hash_user
from unspoken.store import keys, projects, tokens
from unspoken.store.database import reading
from unspoken.store.keys import Principal
from unspoken.store.tables import Project

TTL_S = 2.0
MOST = 10_000  # keys and tokens remembered; the one that was looked up first goes
LONGEST = tokens.MOST_CHARS + 20  # what is remembered: a header may hold a key and any number of spaces
PUBLIC = ("write", "token")  # what a page holds, and so what may stand in an address
SPOKEN = frozenset((*STATED, *REVEALED))
ASSISTANT = (
    "A write key is public and may not append an assistant's messages; send them from the server with a secret key, or "
    "set the project's `write_key_may_append_assistant`."
)


@dataclass(slots=True)
class Door:
    """One key, and what it opens. `until` is when it is looked up again (monotonic seconds)."""

    principal: Principal
    project: Project
    bucket: Bucket | None
    open: bool  # whether it may append everything
    public: bool
    until: float

    def admit(self, event: Event) -> None:
        """NotAllowed says why this key may not append this event."""
        if self.principal.role == "token":
            self._spoken_by_its_holder(event)
        elif not self.open and event.kind == "message" and event.role == "assistant":
            raise NotAllowed(ASSISTANT)

    def origin(self, origin: bytes | None) -> None:
        """NotAllowed for a page that the key is not for. Browsers say where a request comes from, and cannot lie."""
        allowed = self.principal.origins
        if allowed is None:
            return
        said = (origin or b"").decode("latin-1").lower()
        if said not in allowed:
            raise NotAllowed(
                f"This key is for pages of {', '.join(allowed) or 'nobody'}; the request comes from "
                f"{said[:200] or 'no page that it names'}. Add the origin to the key, or use a secret key on a server."
            )

    def _spoken_by_its_holder(self, event: Event) -> None:
        holder = self.principal
        if event.kind not in SPOKEN:
            raise NotAllowed(f"A message token is for what its holder says and does, not for a `{event.kind}` event.")
        if event.message != holder.message:
            raise NotAllowed(f"This token is for the message {holder.message!r}; `message` must name it.")
        if event.kind == "choice" and holder.message not in (event.chosen, *event.rejected):
            raise NotAllowed(f"This token is for the message {holder.message!r}; a choice must be among it and others.")
        if event.user is None or hash_user(self.project.user_secret, event.user) != holder.user:
            raise NotAllowed("This token was issued for another user; `user` must name the one it was issued for.")


class Doors:
    """The doors that were opened lately, by what was sent to open them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._limits = Limits()
        self._doors: dict[bytes | str, Door] = {}  # bytes: a header; str: a key of the query

    async def of(self, headers: Mapping[bytes, bytes], query: bytes, *, anew: bool = False) -> Door:
        """The door of a request: the header's key, or a write key or token of the query (for sendBeacon).

        `anew` looks the key up now: for what does not pass through the writer, which would see that it was revoked.
        Raises NotSignedIn, NotAllowed, and Unavailable when the database is away.
        """
        key: bytes | str | None = headers.get(b"authorization")
        if key is None:
            key = dict(parse_qsl(query.decode("latin-1"))).get("key", "")
        door, at = self._doors.get(key), monotonic()
        if door is not None and not anew:
            if at < door.until:
                return door
            door.until = at + TTL_S  # one request looks, the others go on through the old one meanwhile
        try:
            found = await run_in_threadpool(self._look, key)
        except BaseException:
            self._doors.pop(key, None)
            raise
        self._doors.pop(key, None)
        if len(key) <= LONGEST:
            if len(self._doors) >= MOST:
                del self._doors[next(iter(self._doors))]
            self._doors[key] = found
        return found

    def known(self, key: bytes | None) -> Door | None:
        """The door of an Authorization header that was looked up lately."""
        door = self._doors.get(key) if key is not None else None
        return door if door is not None and monotonic() < door.until else None

    def forget(self, door: Door) -> None:
        """The writer says that this key is no longer good."""
        door.until = 0.0

    def _look(self, said: bytes | str) -> Door:
        in_query = isinstance(said, str)
        key = said if isinstance(said, str) else key_of(said.decode("latin-1"))
        if not key:
            raise NotSignedIn(
                "Send the project's key as `Authorization: Bearer <key>`, or a write key as `?key=<key>`."
            )
        with reading(self._engine) as session:
            principal = keys.authenticate(session, key)
            if principal.role == "research":
                raise NotAllowed("A research key may not append events; use a write key or a secret key.")
            if in_query and principal.role not in PUBLIC:
                raise NotAllowed(
                    f"Addresses are logged: send the {principal.role} key in the Authorization header instead."
                )
            project = projects.get(session, principal.project_id)
        keys.used(self._engine, principal)
        public = principal.role in PUBLIC
        trusted = not public or projects.rules(project).write_key_may_append_assistant
        return Door(
            principal,
            project,
            self._limits.bucket(principal),
            open=trusted and principal.role != "token",
            public=public,
            until=monotonic() + TTL_S,
        )
