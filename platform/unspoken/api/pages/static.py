"""Files of the pages: style sheets, scripts, the icon."""

from importlib import resources

from fastapi import APIRouter
from fastapi.responses import Response

STATIC = {
    "unspoken.css": "text/css; charset=utf-8",
    "conversations.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "copy.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "htmx.LICENSE.txt": "text/plain; charset=utf-8",
}
router = APIRouter(include_in_schema=False)


@router.get("/static/{name}")
def static(name: str) -> Response:
    """One of them."""
    if name not in STATIC:
        return Response(status_code=404)
    content = resources.files("unspoken.web").joinpath("static", name).read_bytes()
    return Response(content, media_type=STATIC[name], headers={"Cache-Control": "max-age=300"})
