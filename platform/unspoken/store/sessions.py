"""A browser's session: who showed an admin key, as a signed note that the browser keeps and nobody else does.

`<project>.<key>.<until>.<signature>`: the signature is HMAC-SHA256 under a key that follows from the project's secret.
A session is worth no more than the key it names: when that is revoked or runs out, the session ends with it.
"""

import hmac
import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from unspoken.errors import NotSignedIn
from unspoken.store import keys
from unspoken.store.columns import now
from unspoken.store.keys import Principal
from unspoken.store.tables import Key, Project

LASTS = timedelta(hours=12)
_FORM = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})\.(\d{10})\.([0-9a-f]{64})", re.ASCII)
_PURPOSE = b"unspoken browser session, version 1"


def begin(session: Session, principal: Principal, lasts: timedelta = LASTS) -> str:
    """The note for a browser whose owner has just shown that key."""
    secret = session.scalars(select(Project.user_secret).where(Project.id == principal.project_id)).one()
    said = f"{principal.project_id}.{principal.key_id}.{int((now() + lasts).timestamp())}"
    return f"{said}.{_signature(secret, said)}"


def authenticate(session: Session, note: str) -> Principal:
    """Who signed in; NotSignedIn for a note that is none of ours, too old, or whose key is no longer in force.

    Nothing that it claims is told apart before its signature is known to be ours.
    """
    form = _FORM.fullmatch(note)
    issued = None
    if form is not None:
        by = select(Key, Project.user_secret).join(Project, Key.project_id == Project.id)
        issued = session.execute(by.where(Key.id == form[2], Project.id == form[1])).one_or_none()
    if form is None or issued is None or not _genuine(note, issued.user_secret):
        raise NotSignedIn("This session is not known here. Sign in again.")
    if datetime.fromtimestamp(int(form[3]), UTC) <= now():
        raise NotSignedIn(f"Signing in lasts {LASTS // timedelta(hours=1)} hours, and they are over. Sign in again.")
    keys.in_force(issued.Key)
    if issued.Key.role != "admin":
        raise NotSignedIn("This session is not of an admin key. Sign in again.")
    return Principal(form[1], "admin", form[2], last_used_at=issued.Key.last_used_at)


def _genuine(note: str, user_secret: str) -> bool:
    said, _, signature = note.rpartition(".")
    return hmac.compare_digest(signature, _signature(user_secret, said))


def _signature(user_secret: str, said: str) -> str:
    # A key of its own, so that no signature here is ever a message token's, or the hash of a user.
    key = hmac.digest(bytes.fromhex(user_secret), _PURPOSE, "sha256")
    return hmac.digest(key, said.encode(), "sha256").hex()
