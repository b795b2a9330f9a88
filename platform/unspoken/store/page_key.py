"""The write key of the page /chat: it follows from the project's secret, so that every server process knows it.

Its digest stands in `keys` as any key's does, so that it is listed, counted and revoked as one. A page shows it to
everybody; what it is worth is what any write key is worth.
"""

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from unspoken.errors import NotAllowed
from unspoken.store import audit, keys, projects
from unspoken.store.columns import new_id, now
from unspoken.store.database import reading, transaction
from unspoken.store.dialects import insert_or_skip
from unspoken.store.tables import Key, Project

NAME = "page /chat"
MOST_ORIGINS = 20  # one for each port that the page was ever opened at; the oldest goes


def of(engine: Engine, name: str, origin: str | None) -> tuple[Project, str]:
    """As `ensure`, which writes: that is seldom needed, and SQLite has one writer at a time."""
    with reading(engine) as session:
        if projects.known(session, name):
            project = projects.get(session, name)
            said = keys.of_page(project)
            key = session.scalar(select(Key).where(Key.digest == keys.digest_of(said)))
            if key is not None and _good(key, name) and _opens(key, origin):
                return project, said
    with transaction(engine) as session:
        return ensure(session, name, origin)


def ensure(session: Session, name: str, origin: str | None) -> tuple[Project, str]:
    """The project of that name and its page's key, made when they are not there; good for pages of `origin`, too.

    Without an origin it is good for any page. NotAllowed when somebody revoked it.
    """
    # What comes without a consent string was not sent by the page, and is used for nothing.
    project = projects.ensure(session, name, settings={"consent": "required"})
    said = keys.of_page(project)
    digest = keys.digest_of(said)
    key = session.scalar(select(Key).where(Key.digest == digest))
    if key is None:
        origins = None if origin is None else [origin]
        key_id = new_id()
        row = {"id": key_id, "project_id": project.id, "role": "write", "digest": digest, "hint": said[-4:],
               "name": NAME, "origins": origins, "created_at": now()}  # fmt: skip
        if session.execute(insert_or_skip(session, Key).returning(Key.id), [row]).all():
            audit.write(session, project.id, NAME, "key.create", key_id, {"role": "write", "origins": origins})
        key = session.scalars(select(Key).where(Key.digest == digest)).one()
    if _good(key, name) and not _opens(key, origin):
        _open_to(session, key, origin)
    return project, said


def closed(name: str) -> NotAllowed:
    """What the page says once its key is no longer good."""
    return NotAllowed(
        f"The key of this page (project {name!r}, key {NAME!r}) was revoked, so the chat is closed. Whoever runs this "
        "server can open it again with another project: UNSPOKEN_CHAT_PROJECT."
    )


def _good(key: Key, name: str) -> bool:
    if key.revoked_at is not None or key.expires_at is not None:
        raise closed(name)
    return True


def _opens(key: Key, origin: str | None) -> bool:
    return key.origins is None if origin is None else origin in (key.origins or ())


def _open_to(session: Session, key: Key, origin: str | None) -> None:
    known = key.origins
    key.origins = None if origin is None else [*(known or []), origin][-MOST_ORIGINS:]
    audit.write(session, key.project_id, NAME, "key.origins", key.id, {"before": known, "after": key.origins})
