"""Conversations: the list with its filters and the search, one conversation, and one message as a whole."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import Query
from fastapi.responses import HTMLResponse, RedirectResponse

from unspoken.api.deps import Database
from unspoken.api.pages import frame, reading
from unspoken.api.pages.families import GROUPS
from unspoken.api.pages.forms import Form
from unspoken.api.pages.looking import Look, Looking
from unspoken.api.pages.threads import Threads
from unspoken.api.pages.wording import detail
from unspoken.errors import BadInput, NotFound
from unspoken.events import KINDS, hash_user
from unspoken.events.plain import flaw
from unspoken.store import conversations, database, searching, talk
from unspoken.store.tables import Project

PER_PAGE = 20  # messages of one conversation
WHOLE = 1_000_000  # characters: the longest that a message may have
LOOSE = 50  # acts about the conversation as a whole that are listed
ABSENT = 20  # messages that never came whose acts are shown
ANY = conversations.Filter()
router = frame.router()


@router.get("/conversations")
def conversation_list(engine: Database, look: Looking) -> HTMLResponse:
    """The latest first; with words, the messages that hold them."""
    wanted = _wanted(look)
    words = searching.words_of(_plain(look.asked("q")))
    project = look.one.number
    with database.reading(engine) as session:
        if words:
            before = look.asked("before")
            start = int(before) if before.isdecimal() and len(before) < 18 else None

            def accept(names: Collection[str]) -> set[str]:
                return conversations.matching(session, project, wanted, sorted(names))

            found = searching.search(session, project, words, start, None if wanted == ANY else accept)
            return _list(look, wanted, found=found)
        after = conversations.place_of(_plain(look.asked("after")))
        return _list(look, wanted, listing=conversations.listed(session, project, wanted, after))


@router.post("/conversations/user")
def of_user(engine: Database, look: Looking, fields: Form) -> RedirectResponse:
    """To the conversations of a user: the id they have in the chatbot comes in a form, and only its hash goes on."""
    asked = dict(look.request.query_params) | {"after": "", "before": "", "who": ""}
    if user := fields.get("user", "").strip():
        with database.reading(engine) as session:
            asked["who"] = hash_user(session.get_one(Project, look.one.id).user_secret, user)
    return RedirectResponse(look.to("/conversations", **asked), 303)


@router.get("/conversations/one")
def conversation(
    engine: Database,
    look: Looking,
    id: Annotated[str, Query(max_length=200)],
    at: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int | None, Query(ge=1, le=10_000)] = None,
) -> HTMLResponse:
    """A conversation along one path of its tree: through the message `at`, or to the newest."""
    project = look.one
    with database.reading(engine) as session:
        held = talk.Talk([], False) if flaw(id) else talk.read(session, project.number, id, talk.MOST)
        if not held.acts:
            raise NotFound("There is no such conversation in this project, or it was erased or is older than is kept.")
        threads = Threads(held.acts)
        path = threads.path(at)
        names = [place.node.id for place in path]
        if page is None:
            page = names.index(at) // PER_PAGE + 1 if at in names else 1
        shown = path[(page - 1) * PER_PAGE : page * PER_PAGE]
        on_page = [place.node.id for place in shown]
        acts = reading.about(held.acts, {name: node.role for name, node in threads.nodes.items()})
        texts = talk.texts(session, project.number, id, on_page, reading.SHOWN)
        labels = talk.labels(session, project.id, on_page)
        messages = reading.told(shown, texts, acts, labels, {act.id: act.kind for act in held.acts})
        gone = [name for name in acts if name is not None and name not in threads.nodes]
        kept = talk.texts(session, project.number, id, gone[:ABSENT], 0)
    loose = acts.get(None, [])
    return frame.page(
        "conversation.html",
        look=look,
        id=id,
        at=at,
        held=held,
        threads=threads,
        messages=messages,
        chips=reading.chips(held.acts),
        loose=[(act, detail(act)) for act in loose[:LOOSE]],
        loose_more=len(loose) - LOOSE,
        absent=[reading.absent(name, acts[name], name in kept) for name in gone[:ABSENT]],
        absent_more=len(gone) - ABSENT,
        users=list(dict.fromkeys(act.user for act in held.acts if act.user))[:6],
        devices=sorted({act.device for act in held.acts if act.device}),
        page=page,
        pages=-(-len(path) // PER_PAGE),
        on_path=len(path),
    )


@router.get("/conversations/text")
def text(
    engine: Database,
    look: Looking,
    id: Annotated[str, Query(max_length=200)],
    message: Annotated[str, Query(max_length=200)],
) -> HTMLResponse:
    """All of a long message."""
    with database.reading(engine) as session:
        unheard = flaw(id) or flaw(message)
        found = {} if unheard else talk.texts(session, look.one.number, id, [message], WHOLE)
    if message not in found:
        raise NotFound("There is no such message in this project, or it was erased or is older than is kept.")
    return frame.page("text.html", look=look, id=id, message=message, text=found[message])


def _list(
    look: Look,
    wanted: conversations.Filter,
    listing: conversations.Listing | None = None,
    found: searching.Found | None = None,
) -> HTMLResponse:
    return frame.page(
        "conversations.html",
        look=look,
        wanted=wanted,
        listing=listing,
        found=found,
        kinds=[kind for kinds in GROUPS.values() for kind in kinds if kind != "heartbeat"],
        older=conversations.said_place(listing.after) if listing else None,
        models=sorted({model for row in listing.rows for model in row.models}) if listing else [],
        filtered=wanted != ANY,
    )


def _wanted(look: Look) -> conversations.Filter:
    """What the address asks for. BadInput for a day that is none."""
    asked = {name: _plain(look.asked(name)) for name in ("has", "who", "model", "from", "to")}
    since, until = _day(asked["from"]), _day(asked["to"])
    return conversations.Filter(
        kinds=tuple(kind for kind in dict.fromkeys(asked["has"].split(",")) if kind in KINDS),
        user=asked["who"],
        model=asked["model"],
        since=since,
        until=until and until + timedelta(days=1),
    )


def _day(said: str) -> datetime | None:
    if not said:
        return None
    try:
        day = date.fromisoformat(said)
        if not 1970 <= day.year < 2200:
            raise ValueError
    except ValueError:
        raise BadInput(f"{said[:40]!r} is no day; write one from 1970 on as 2026-10-01.") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _plain(said: str) -> str:
    """What an address asks for; nothing where no database could hold it."""
    return "" if flaw(said) else said
