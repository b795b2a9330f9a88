"""API keys: made, followed by another, taken back; and whose key or token something is.

Only the SHA-256 of a key is stored: 192 random bits need no slow hash, and a look-up by the hash of what was sent tells
a guesser nothing. Every change is written into the audit in the same transaction.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args

from sqlalchemy import Engine, or_, select, update
from sqlalchemy.orm import Session

from unspoken.errors import BadInput, Conflict, NotFound, NotSignedIn, Unavailable
from unspoken.store import audit, tokens
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.tables import Key, Project

Role = Literal["write", "secret", "research", "admin"]
USED_EVERY = timedelta(minutes=1)  # how exact `last_used_at` is
MOST_OVERLAP_S = 366 * 86_400
_ORIGIN = re.compile(r"https?://([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?")
_PAGE = b"unspoken key of the chat page, version 1"
_UNKNOWN = "This key is not known here. Check that it is whole, and that it belongs to this server."


@dataclass(frozen=True)
class Principal:
    """Who asks: a key of one project, with its role, or a message token that such a key signed.

    `origins`: the pages it may be used from (None: any). `events_per_s`: its rate where it has its own.
    A token names the one `message` that may be spoken of and the `user` (hashed) who may speak; a key names neither.
    """

    project_id: str
    role: Role | Literal["token"]
    key_id: str
    origins: tuple[str, ...] | None = None
    events_per_s: float | None = None
    message: str | None = None
    user: str | None = None
    last_used_at: datetime | None = field(default=None, compare=False)


def create(
    session: Session,
    project_id: str,
    role: str,
    *,
    name: str = "",
    origins: Iterable[str] | None = None,
    events_per_s: float | None = None,
    actor: str = audit.HERE,
) -> tuple[Key, str]:
    """A new key and its plain text, `uns_<role>_<random>`, which is shown here once and never again. BadInput."""
    if role not in get_args(Role):
        raise BadInput(f"There is no key role {role!r}; the roles are {', '.join(get_args(Role))}.")
    if len(name) > 200 or (name and not name.isprintable()):
        raise BadInput(f"A key's name has up to 200 printable characters; {name[:40]!r} does not fit.")
    if events_per_s is not None and not 0 < events_per_s < 1e9:
        raise BadInput(f"A key's own rate is a number of events per second above 0, not {events_per_s:g}.")
    pages = _origins(origins)
    if pages is not None and role != "write":
        raise BadInput(f"Origins are for write keys, which pages use; a {role} key never goes into a page.")
    key, plaintext = _add(session, Key(project_id=project_id, role=role, name=name, origins=pages,
                                       events_per_s=events_per_s))  # fmt: skip
    details = {"role": role, "name": name, "origins": pages, "events_per_s": events_per_s}
    audit.write(session, project_id, actor, "key.create", key.id, details)
    return key, plaintext


def rotate(
    session: Session, key_id: str, overlap_s: float, *, project_id: str | None = None, actor: str = audit.HERE
) -> tuple[Key, str]:
    """The key that follows this one, and its plain text; the old one works `overlap_s` longer.

    It is like the old one in role, name, origins and rate. Raises NotFound; Conflict when the old one is no longer in
    force, has a follower already, or is the page's own; BadInput for an overlap that is no such time.
    """
    if not 0 <= overlap_s <= MOST_OVERLAP_S:
        raise BadInput(f"An overlap lasts between 0 seconds and {MOST_OVERLAP_S} (a year), not {overlap_s:g}.")
    old = _one(session, key_id, project_id)
    may_rotate(session, old)
    follower = Key(
        project_id=old.project_id,
        role=old.role,
        name=old.name,
        origins=old.origins,
        events_per_s=old.events_per_s,
        replaces=old.id,
    )
    key, plaintext = _add(session, follower)
    old.expires_at = now() + timedelta(seconds=overlap_s)
    details = {"follower": key.id, "expires_at": old.expires_at.isoformat()}
    audit.write(session, old.project_id, actor, "key.rotate", old.id, details)
    return key, plaintext


def may_rotate(session: Session, key: Key) -> None:
    """Conflict, with the reason, when no key can follow this one."""
    if key.revoked_at is not None:
        raise Conflict(f"The key {key.id} was revoked; make a new one instead.")
    if key.expires_at is not None:
        raise Conflict(f"The key {key.id} was rotated already and ends {_when(key.expires_at)}; rotate its follower.")
    if is_of_page(session, key):
        raise Conflict(
            "This is the key of the page /chat. It follows from the project's secret, so no other can follow it, and "
            "rotating it would only close the chat. The page shows it to everybody; to close the chat, revoke it."
        )


def of_page(project: Project) -> str:
    """The write key that the page /chat of a project has: derived, never drawn, so it is made once (page_key.py)."""
    secret = hmac.digest(bytes.fromhex(project.user_secret), _PAGE, "sha256")
    return f"uns_write_{urlsafe_b64encode(secret[:24]).decode()}"


def is_of_page(session: Session, key: Key) -> bool:
    """Whether it is that one; anybody may call a key by the same name."""
    project = session.get_one(Project, key.project_id)
    return hmac.compare_digest(key.digest, digest_of(of_page(project)))


def revoke(session: Session, key_id: str, *, project_id: str | None = None, actor: str = audit.HERE) -> Key:
    """Makes a key, and every token it issued, useless from the commit on; NotFound when there is none of that id."""
    key = _one(session, key_id, project_id)
    if key.revoked_at is None:
        key.revoked_at = now()
        audit.write(session, key.project_id, actor, "key.revoke", key.id)
    return key


def listed(session: Session, project_id: str) -> Sequence[Key]:
    """A project's keys, the oldest first, with those that are no longer in force."""
    return session.scalars(select(Key).where(Key.project_id == project_id).order_by(Key.created_at, Key.id)).all()


def authenticate(session: Session, plaintext: str) -> Principal:
    """Whose key or message token this is; NotSignedIn for one that is unknown, revoked, or past its time."""
    if plaintext.startswith(tokens.PREFIX):
        return _holder(session, plaintext)
    digest = digest_of(plaintext)
    key = session.scalar(select(Key).where(Key.digest == digest))
    if key is None or not hmac.compare_digest(key.digest, digest):
        raise NotSignedIn(_UNKNOWN)
    in_force(key)
    origins = None if key.origins is None else tuple(key.origins)
    return Principal(
        key.project_id, cast(Role, key.role), key.id, origins, key.events_per_s, last_used_at=key.last_used_at
    )


def in_force(key: Key) -> None:
    """NotSignedIn when the key was revoked, or has run out."""
    if key.revoked_at is not None:
        raise NotSignedIn(f"The key ending in {key.hint} was revoked; ask for a new one.")
    if key.expires_at is not None and key.expires_at <= now():
        raise NotSignedIn(
            f"The key ending in {key.hint} was replaced and ended {_when(key.expires_at)}; use the one that follows it."
        )


def used(engine: Engine, principal: Principal) -> None:
    """Notes that the key is in use, at most once a minute; a database that cannot be written now is no obstacle."""
    at = now()
    if principal.last_used_at is not None and at - principal.last_used_at < USED_EVERY:
        return
    stale = or_(Key.last_used_at.is_(None), Key.last_used_at < at - USED_EVERY)
    try:
        with transaction(engine) as session:
            session.execute(update(Key).where(Key.id == principal.key_id, stale).values(last_used_at=at))
    except Unavailable:
        return  # who only reads can still be answered


def _holder(session: Session, plaintext: str) -> Principal:
    """Who holds a message token. Nothing that it claims is told apart before its signature is known to be ours."""
    claims = tokens.read(plaintext)
    issued = None
    if claims is not None:
        by = select(Key, Project.user_secret).join(Project, Key.project_id == Project.id)
        issued = session.execute(by.where(Key.id == claims.key, Project.id == claims.project)).one_or_none()
    if claims is None or issued is None or not tokens.genuine(plaintext, issued.user_secret):
        raise NotSignedIn("This message token is not known here. Ask the server that issued it for a new one.")
    in_force(issued.Key)
    if claims.expires_at <= now():
        raise NotSignedIn(f"This message token ended {_when(claims.expires_at)}; ask for a new one.")
    return Principal(
        claims.project,
        "token",
        claims.key,
        message=claims.message,
        user=claims.user,
        last_used_at=issued.Key.last_used_at,
    )


def _add(session: Session, key: Key) -> tuple[Key, str]:
    plaintext = f"uns_{key.role}_{secrets.token_urlsafe(24)}"
    key.digest, key.hint = digest_of(plaintext), plaintext[-4:]
    session.add(key)
    session.flush()
    return key, plaintext


def _one(session: Session, key_id: str, project_id: str | None) -> Key:
    """The key, locked; another project's is as absent as one that never was."""
    wanted: list[Any] = [Key.id == key_id, *([] if project_id is None else [Key.project_id == project_id])]
    key = None if "\0" in key_id else session.scalar(select(Key).where(*wanted).with_for_update())
    if key is None:
        raise NotFound(f"There is no key with the id {key_id[:64]!r}.")
    return key


def _origins(given: Iterable[str] | None) -> list[str] | None:
    if given is None or not (pages := sorted({each.strip().lower().rstrip("/") for each in given})):
        return None
    for page in pages:
        if not _ORIGIN.fullmatch(page):
            raise BadInput(
                f"{page[:100]!r} is no origin; write scheme and host, as in https://shop.example, with the port where "
                "it is not the usual one, and nothing after."
            )
    if len(pages) > 100:
        raise BadInput(f"A key takes up to 100 origins, not {len(pages)}; make several keys.")
    return pages


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def digest_of(plaintext: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()
