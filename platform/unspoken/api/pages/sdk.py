"""The browser SDK at /sdk/unspoken.js: one module made of the files in web/sdk, for pages of any origin.

The sources are small modules with comments; what is served is their text in one file, without the imports that held
them together, minified, and with short names for what is private to a class. The joining takes no parser, because of
how these files are written, which tests/api/pages/test_sdk.py holds them to.
"""

import gzip
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from itertools import product
from string import ascii_lowercase

import rjsmin
from fastapi import APIRouter, Request
from fastapi.responses import Response

import unspoken

PARTS = ("ids.js", "outbox.js", "watch.js", "leaving.js", "unspoken.js")  # in the order of who needs whom
TYPES = "unspoken.d.ts"
SHARED = {
    "Access-Control-Allow-Origin": "*",  # a module is fetched with CORS
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
    "Vary": "Accept-Encoding",
}
PRIVATE = r"#[a-zA-Z]\w*"
LETTERS = list(product(range(9), ascii_lowercase))
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Served:
    """A file as it goes out, plain and packed."""

    plain: bytes
    packed: bytes
    tag: str


@router.api_route("/sdk/unspoken.js", methods=["GET", "HEAD"])
def module(request: Request) -> Response:
    """The module."""
    return _answer(request, served("js"), "text/javascript; charset=utf-8")


@router.api_route("/sdk/unspoken.d.ts", methods=["GET", "HEAD"])
def types(request: Request) -> Response:
    """Its types, to be kept beside a copy of it or named in a `paths` of tsconfig.json."""
    return _answer(request, served("d.ts"), "application/typescript; charset=utf-8")


@lru_cache
def served(form: str) -> Served:
    """`js` or `d.ts`, made once."""
    folder = resources.files("unspoken.web").joinpath("sdk")
    if form == "js":
        parts = (folder.joinpath(name).read_text("utf-8") for name in PARTS)
        text = f"// unspoken {unspoken.__version__}, Apache-2.0\n" + joined(*parts)
    else:
        text = folder.joinpath(TYPES).read_text("utf-8")
    plain = text.encode()
    return Served(plain, gzip.compress(plain, 9, mtime=0), sha256(plain).hexdigest()[:20])


def joined(*parts: str) -> str:
    """Modules as one: only the last one's exports are exports of the whole."""
    inner = [re.sub(r"^export ", "", part, flags=re.MULTILINE) for part in parts[:-1]]
    text = re.sub(r"^import .*\n", "", "\n".join([*inner, parts[-1]]), flags=re.MULTILINE)
    whole = rjsmin.jsmin(text).strip() + "\n"
    short = {name: f"#{letter}{number or ''}" for name, (number, letter) in zip(_private(whole), LETTERS, strict=False)}
    return re.sub(PRIVATE, lambda name: short[name[0]], whole)


def _private(text: str) -> list[str]:
    """The names that begin with #, the frequent ones first. In no other place a # stands before a letter."""
    return [name for name, _ in Counter(re.findall(PRIVATE, text)).most_common()]


def _answer(request: Request, file: Served, media: str) -> Response:
    packed = _takes_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{file.tag}{"-gz" if packed else ""}"'
    headers = SHARED | {"ETag": tag}
    if tag in (each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if packed else file.plain, media_type=media, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False
