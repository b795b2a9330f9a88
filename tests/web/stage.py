"""A bare page of its own origin with the SDK in it as `u`, for what the product's chat page does not do."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from playwright.sync_api import BrowserContext, Page
from tests.web.collector import Collector, Desk

# A tenth of what is meant, so that a test need not wait for a minute; what lies between keeps its proportion.
HASTY = {"tick": 100, "beat": 500, "rest": 2000, "pause": 1000, "idle": 4000, "away": 500}
MOVES = "window.moves = []; document.addEventListener('mousemove', () => moves.push(performance.now()), true); void 0"
PAGE = """<!doctype html>
<meta charset="utf-8"><link rel="icon" href="data:,"><title>Stage</title>
{body}
<script type="module">
  import {{ init }} from "{module}";
  window.fates = [];
  window.start = (more) => (window.u = init({{ ...{options}, ...more, onEvent: (event, fate, detail) =>
    fates.push([event.kind, fate, detail]) }}));
  start();
  document.documentElement.dataset.ready = "yes";
</script>
"""


def whole_seconds(page: Page) -> int:
    """How long the mouse rested between its last two moves since MOVES was run, in ms that are whole seconds."""
    ms: float = page.evaluate("moves.at(-1) - moves.at(-2)")
    return int(ms / 1000 + 0.5) * 1000


@dataclass
class Stage:
    """Serves what a test writes, from an origin of its own."""

    window: BrowserContext
    collector: Collector
    desk: Desk
    pages: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    port: int = 0
    faults: list[str] = field(default_factory=list)  # whatever was thrown into a page
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def origin(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, html: str, headers: Mapping[str, str] | None = None) -> str:
        """The address of a new page."""
        path = f"/page-{next(self._numbers)}"
        self.pages[path] = (html, headers or {})
        return self.origin + path

    def url(
        self, body: str = '<article id="a"></article>', headers: Mapping[str, str] | None = None, **options: object
    ) -> str:
        """The address of a new page with the SDK started with these options."""
        given = {"key": self.desk.key, "conversation": "c1", "timing": HASTY, "debug": True} | options
        module = f"{self.collector.url}/sdk/unspoken.js"
        return self.serve(PAGE.format(body=body, module=module, options=json.dumps(given)), headers)

    def open(self, url: str = "", before: str = "") -> Page:
        """A tab with this page, or with one with the SDK; `before` is run in it before anything of its own."""
        page = self.window.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        if before:
            page.add_init_script(before)
        page.goto(url or self.url())
        page.wait_for_selector("html[data-ready]")
        return page


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        found = self.server.stage.pages.get(self.path)
        if found is None:
            self.send_error(404)
            return
        html, headers = found
        self.send_response(200)
        for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(html.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is no server's log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, stage: Stage) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stage = stage


@contextmanager
def staged(window: BrowserContext, collector: Collector) -> Iterator[Stage]:
    """A stage with a project of its own. Nothing may have been thrown into its pages at the end."""
    stage = Stage(window, collector, collector.project(None))
    server = _Server(stage)
    stage.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stage
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
    assert stage.faults == []
