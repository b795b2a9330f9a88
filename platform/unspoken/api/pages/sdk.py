"""The browser SDK at /sdk/unspoken.js: one module, made of the files in web/sdk, for pages of any origin.

What is served is built when those change (`make sdk`, by esbuild) and not here: it is a file among them.
"""

import gzip
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import resources

from fastapi import APIRouter, Request
from fastapi.responses import Response

MODULE = "unspoken.min.js"
TYPES = "unspoken.d.ts"
SHARED = {
    "Access-Control-Allow-Origin": "*",  # a module is fetched with CORS
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
    "Vary": "Accept-Encoding",
}
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
    return _answer(request, served(MODULE), "text/javascript; charset=utf-8")


@router.api_route("/sdk/unspoken.d.ts", methods=["GET", "HEAD"])
def types(request: Request) -> Response:
    """Its types, to be kept beside a copy of it or named in a `paths` of tsconfig.json."""
    return _answer(request, served(TYPES), "application/typescript; charset=utf-8")


@lru_cache
def served(name: str) -> Served:
    """A file of web/sdk, packed once."""
    plain = resources.files("unspoken.web").joinpath("sdk", name).read_bytes()
    return Served(plain, gzip.compress(plain, 9, mtime=0), sha256(plain).hexdigest()[:20])


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
