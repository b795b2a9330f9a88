"""What every page shares: the layout, the policy that lets nothing in from elsewhere, and how numbers and times read."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader

import unspoken
from unspoken.events import REVEALED, STATED
from unspoken.store.columns import now

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
FAMILIES = {"message": "messages", **dict.fromkeys(STATED, "stated"), **dict.fromkeys(REVEALED, "revealed")}


def page(template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A template of unspoken/web/pages, with everything in it escaped."""
    said = environment().get_template(template).render(**values, version=unspoken.__version__, families=FAMILIES)
    return HTMLResponse(said, status, {"Content-Security-Policy": POLICY, **(headers or {})})


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Where the templates are."""
    made = Environment(loader=PackageLoader("unspoken.web", "pages"), autoescape=True, trim_blocks=True)
    made.filters |= {"count": _count, "ago": _ago}
    return made


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _ago(moment: datetime | None) -> str:
    if moment is None:
        return "never"
    seconds = max(0, int((now() - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
