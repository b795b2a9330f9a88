"""API keys: what they look like, who they are, and taking them back. Only the SHA-256 of a key is stored."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal, cast, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.errors import BadInput, NotFound, NotSignedIn
from unspoken.store.tables import Key, now

Role = Literal["write", "secret", "research", "admin"]


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


def create(session: Session, project_id: str, role: str) -> tuple[Key, str]:
    """A new key and its plain text, `uns_<role>_<random>`, which is shown here once and never again."""
    if role not in get_args(Role):
        raise BadInput(f"There is no key role {role!r}; the roles are {', '.join(get_args(Role))}.")
    plaintext = f"uns_{role}_{secrets.token_urlsafe(24)}"
    key = Key(project_id=project_id, role=role, digest=_digest(plaintext), hint=plaintext[-4:])
    session.add(key)
    session.flush()
    return key, plaintext


def authenticate(session: Session, plaintext: str) -> Principal:
    """Whose key this is; NotSignedIn for an unknown or revoked one."""
    digest = _digest(plaintext)
    key = session.scalar(select(Key).where(Key.digest == digest))
    if key is None or not hmac.compare_digest(key.digest, digest):
        raise NotSignedIn("This key is not known here. Check that it is whole, and that it belongs to this server.")
    if key.revoked_at is not None:
        raise NotSignedIn(f"The key ending in {key.hint} was revoked; ask for a new one.")
    return Principal(key.project_id, cast(Role, key.role), key.id)


def revoke(session: Session, key_id: str) -> None:
    """Makes a key useless from the commit on; NotFound when there is none of that id."""
    key = session.get(Key, key_id)
    if key is None:
        raise NotFound(f"There is no key with the id {key_id!r}.")
    key.revoked_at = key.revoked_at or now()


def _digest(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()
