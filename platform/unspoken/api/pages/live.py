"""What comes in, as it comes in: asked again every two seconds, with the number of the newest event that is shown."""

from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import HTMLResponse

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.looking import Looking
from unspoken.events import KINDS
from unspoken.events.plain import flaw
from unspoken.store import tail
from unspoken.store.database import reading

router = frame.router()


@router.get("/live")
def live(engine: Database, look: Looking, after: Annotated[int | None, Query(ge=0, lt=2**63)] = None) -> Response:
    """The newest events of a kind or a conversation; nothing (204) for htmx while there is none after `after`."""
    kind, conversation = look.asked("kind"), look.asked("conversation")
    with reading(engine) as session:
        unheard = bool(flaw(conversation) or flaw(kind))
        found = () if unheard else tail.newest(session, look.one.number, kind, conversation)
    newest = found[0].seq if found else 0
    if look.partial and after is not None and newest <= after:
        return Response(status_code=204)
    return page(look, found, newest)


def page(look: Looking, found: object, newest: int) -> HTMLResponse:
    """All of it, or the list alone."""
    template = "live_now.html" if look.partial else "live.html"
    paused = look.asked("paused") == "1"
    return frame.page(template, look=look, events=found, newest=newest, kinds=KINDS, paused=paused, most=tail.MOST)
