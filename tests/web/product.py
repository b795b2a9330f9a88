"""The product: a web server of its own origin with a chat page, whose answers stream chunk by chunk.

The page's settings stand in its address: `collector` and `key` (without a collector it does not use the SDK),
`conversation`, `user`, `chunks` and `every_ms` of an answer, `ask`: whether it asks by itself when it is opened,
`uncached`: whether it does what keeps a page out of the back/forward cache, `farewell`: whether it tries a plain fetch
when it ends, and `measured`: whether each use of the SDK leaves a mark in a trace.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

SHOP = Path(__file__).parent / "shop"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
FILES = {"/chat": "chat.html", "/chat.js": "chat.js", "/elsewhere": "elsewhere.html"}


@dataclass(frozen=True)
class Product:
    """Where it is."""

    port: int
    farewells: list[str]  # conversations of pages whose plain fetch arrived

    @property
    def origin(self) -> str:
        """Another one than the collector's: another port is another origin."""
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> str:
        """The same server as yet another origin, with a storage of its own: *.localhost is this machine."""
        return f"http://{name}.localhost:{self.port}"

    def chat(self, collector: str, key: str, **more: object) -> str:
        """Address of the chat page with these settings; `origin` is another name of this server."""
        return f"{more.pop('origin', self.origin)}/chat?{urlencode({'collector': collector, 'key': key, **more})}"


class _Handler(BaseHTTPRequestHandler):
    """Files from the shop folder, and answers. Its pages may use the finest clock that browsers have."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/stream":
            given = parse_qs(asked.query)
            with suppress(OSError):  # the reader left: what this is all about
                self._stream(int(given["chunks"][0]), float(given["every_ms"][0]) / 1000)
        elif name := FILES.get(asked.path):
            self._file(SHOP / name)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        self.server.farewells.extend(parse_qs(urlsplit(self.path).query).get("of", []))
        self.send_response(204)
        self.end_headers()

    def _file(self, path: Path) -> None:
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", TYPES[path.suffix])
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, chunks: int, every_s: float) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(chunks):
            self.wfile.write(b"word%d%s" % (number, b"\n" if number % 12 == 11 else b" "))
            self.wfile.flush()
            if self.server.ending.wait(every_s):
                return

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is no server's log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ending = threading.Event()
        self.farewells: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle is what is tested here."""


@contextmanager
def selling() -> Iterator[Product]:
    """The product's server on a free port."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Product(server.server_port, server.farewells)
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
