"""Keys: which there are, a new one (shown once), one that follows another, and ending one. Each asks first."""

from datetime import datetime

from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.forms import Form, number
from unspoken.api.pages.looking import Look, Looking
from unspoken.api.pages.session import Actor, done
from unspoken.errors import NotFound
from unspoken.store import audit, keys
from unspoken.store.columns import now
from unspoken.store.database import reading, transaction
from unspoken.store.tables import Key

# Role → what it may, in words for whoever chooses.
ROLES = {
    "write": "a page sends events with it; it is public",
    "secret": "a server sends, reads, trains and issues tokens with it",
    "admin": "signs in here, and says what others may do",
    "research": "for the scoring server; may do nothing yet",
}
OVERLAPS = {"86400": "a day", "3600": "an hour", "604800": "a week", "0": "not at all"}
router = frame.router()


@router.get("/keys")
def keys_page(engine: Database, look: Looking) -> HTMLResponse:
    """Those in force first; no key can be shown again."""
    with reading(engine) as session:
        found = sorted(keys.listed(session, look.one.id), key=lambda key: key.created_at, reverse=True)
        chat = {key.id for key in found if keys.is_of_page(session, key)}
    at = now()
    live = [key for key in found if not _over(key, at)]
    over = [key for key in found if _over(key, at)]
    return frame.page("keys.html", look=look, live=live, over=over, roles=ROLES, chat=chat)


@router.post("/keys")
def create(engine: Database, look: Looking, actor: Actor, fields: Form) -> HTMLResponse:
    """A new key, in this page and never again."""
    with transaction(engine) as session:
        key, plaintext = keys.create(
            session,
            actor.project_id,
            fields.get("role", ""),
            name=fields.get("name", "").strip(),
            origins=fields.get("origins", "").split(),
            events_per_s=number(fields, "events_per_s", "The rate"),
            actor=audit.by_key(actor.key_id),
        )
    return _shown_once(look, key, plaintext)


@router.get("/keys/{key_id}/rotate")
def ask_rotate(engine: Database, look: Looking, key_id: str) -> HTMLResponse:
    """Asks how long the old one goes on."""
    with reading(engine) as session:
        key = _one(session, look, key_id)
        keys.may_rotate(session, key)
    return frame.page("key_rotate.html", look=look, key=key, overlaps=OVERLAPS, own=_own(look, key))


@router.post("/keys/{key_id}/rotate")
def rotate(engine: Database, look: Looking, actor: Actor, fields: Form, key_id: str) -> HTMLResponse:
    """The key that follows, in this page and never again."""
    overlap_s = number(fields, "overlap_s", "The overlap") or 0.0
    with transaction(engine) as session:
        by = audit.by_key(actor.key_id)
        key, plaintext = keys.rotate(session, key_id, overlap_s, project_id=actor.project_id, actor=by)
    return _shown_once(look, key, plaintext)


@router.get("/keys/{key_id}/revoke")
def ask_revoke(engine: Database, look: Looking, key_id: str) -> HTMLResponse:
    """Asks whether this is meant."""
    with reading(engine) as session:
        key = _one(session, look, key_id)
        chat = keys.is_of_page(session, key)
    return frame.page("key_revoke.html", look=look, key=key, own=_own(look, key), chat=chat)


@router.post("/keys/{key_id}/revoke")
def revoke(engine: Database, look: Looking, actor: Actor, _fields: Form, key_id: str) -> RedirectResponse:
    """Ends it; whoever revokes the key they signed in with is signed out by that."""
    with transaction(engine) as session:
        keys.revoke(session, key_id, project_id=actor.project_id, actor=audit.by_key(actor.key_id))
    return done(look.to("/keys", done="revoked"))


def _shown_once(look: Look, key: Key, plaintext: str) -> HTMLResponse:
    return frame.page("key_made.html", 201, look=look, key=key, plaintext=plaintext)


def _one(session: Session, look: Look, key_id: str) -> Key:
    found = next((key for key in keys.listed(session, look.one.id) if key.id == key_id), None)
    if found is None:
        raise NotFound(f"There is no key with the id {key_id[:64]!r}.")
    return found


def _own(look: Look, key: Key) -> bool:
    return look.principal is not None and look.principal.key_id == key.id


def _over(key: Key, at: datetime) -> bool:
    return key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= at)
