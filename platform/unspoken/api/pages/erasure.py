"""A person's data: what became of requests to erase it, asking for one, and giving it to them."""

import hmac
from itertools import chain

from fastapi import Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from sqlalchemy.orm import Session

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.forms import Form, text
from unspoken.api.pages.looking import Looking
from unspoken.api.pages.session import Actor, done
from unspoken.api.users import LONGEST, hashed_in, lines_of
from unspoken.errors import BadInput
from unspoken.jobs import erasing
from unspoken.store import audit, erasure, projects
from unspoken.store.database import reading, transaction
from unspoken.store.keys import Principal

WHOSE = "The id of a user"
router = frame.router()


@router.get("/erasure")
def erasure_page(engine: Database, look: Looking) -> HTMLResponse:
    """What was asked, newest first. People stand here as hashes: nobody's name is kept."""
    with reading(engine) as session:
        found = erasure.listed(session, look.one.id)
        jobs = {each.seq: erasing.job_of(session, each.seq) for each in found if each.finished_at is None}
    return frame.page("erasure_now.html" if look.partial else "erasure.html", look=look, found=found, jobs=jobs)


@router.post("/erasure")
def erase(engine: Database, look: Looking, actor: Actor, fields: Form) -> RedirectResponse:
    """Erases a user everywhere, when their id was typed twice; it cannot be taken back."""
    user = text(fields, "user", WHOSE, LONGEST)
    if not hmac.compare_digest(user.encode(), fields.get("again", "").strip().encode()):
        raise BadInput("The two ids are not the same, so nothing was erased. Go back and type the same id twice.")
    with transaction(engine) as session:
        erasing.ask(session, actor.project_id, _hash(session, actor, user), audit.by_key(actor.key_id))
    return done(look.to("/erasure", done="asked"))


@router.post("/erasure/export")
def export(engine: Database, _look: Looking, actor: Actor, fields: Form) -> Response:
    """Everything the project holds of a user, as a file of JSON lines; a POST, so that no address names them."""
    user = text(fields, "user", WHOSE, LONGEST)
    with transaction(engine) as session:
        hashed = _hash(session, actor, user)
        audit.write(session, actor.project_id, audit.by_key(actor.key_id), "user.exported", hashed)
    lines = lines_of(engine, actor.project_id, hashed)
    whole = chain([next(lines)], lines)  # a database that is away says so before the answer begins
    headers = {"Content-Disposition": 'attachment; filename="user.jsonl"'}
    return StreamingResponse(whole, media_type="application/jsonl", headers=headers)


def _hash(session: Session, actor: Principal, user: str) -> str:
    return hashed_in(projects.get(session, actor.project_id).user_secret, user)
