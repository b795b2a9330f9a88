"""How many of so many leavings in mid-stream come to be known: by tab close, navigation, hiding, and kill -9.

Every exposure is a page of an origin of its own (`*.localhost`), so that no later page finds what an earlier one kept
and sends it: what counts is what the leaving page itself brought home. Pages stand in windows of their own, all of them
visible. A page leaves at a random moment after its first text.

The floor, on the same pages: the fetch that a page without an SDK would send when it ends (`pagehide`).
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.page_parts.shares import share
from playwright.sync_api import Browser, BrowserContext, Page, Playwright
from sqlalchemy import select
from tests.web.chromium import started
from tests.web.collector import Collector, Desk
from tests.web.product import Product

from unspoken.store.database import reading
from unspoken.store.tables import Event

TOGETHER = 4  # windows open at once, small ones: all of them are drawn, and without a graphics card that is work
SMALL = "--window-size=500,400"
TABS_PER_KILL = 8
CHUNKS, EVERY_MS = 600, 25.0
LONGEST_S = 3.0  # from the first text to the leaving
SETTLE_S = 5.0  # nothing has arrived for so long: nothing will
Say = Callable[[str], None]
_numbers = count()


@dataclass(frozen=True)
class Place:
    """Where it happens."""

    program: Path
    folder: Path
    playwright: Playwright
    collector: Collector
    product: Product

    @contextmanager
    def browser(self) -> Iterator[tuple[Browser, Callable[[], None]]]:
        """One with a new profile, and how to kill it."""
        with started(self.program, self.folder / f"profile-{next(_numbers)}", SMALL) as chromium:
            yield chromium.connect(self.playwright), chromium.kill

    def address(self, desk: Desk, name: str, **more: object) -> str:
        """Of a chat of its own origin, that asks at once; the name is its conversation's."""
        given = {"conversation": name, "ask": "yes", "chunks": CHUNKS, "every_ms": EVERY_MS, "farewell": "yes"}
        return self.product.chat(self.collector.url, desk.key, origin=self.product.named(name), **given | more)


def close(place: Place, number: int, say: Say) -> dict[str, Any]:
    """The tab is closed: a `close` has to be there."""
    desk = place.collector.project(None)
    names = [f"close-{each}" for each in range(number)]
    with place.browser() as (browser, _):
        for some in _parts(names, TOGETHER):
            opened = [(name, _window(browser, place.address(desk, name))) for name in some]
            random.shuffle(opened)
            for name, page in opened:
                _read(page, name, random.uniform(0, LONGEST_S / TOGETHER))
                page.close()
            say(f"{some[-1]}")
        arrived = _arrived(desk, names, ("close",))
    return {"delivered": share(len(arrived), number), "floor": share(_farewells(place, names), number)}


def navigate(place: Place, number: int, say: Say) -> dict[str, Any]:
    """A link is followed. The browser keeps every other page in its cache, from where it may come back: that is a
    `hide`. The others have what keeps them out of it: that is a `close`."""
    desk = place.collector.project(None)
    kept = [f"kept-{each}" for each in range(number // 2)]
    gone = [f"gone-{each}" for each in range(number - number // 2)]
    names = [*kept, *gone]
    random.shuffle(names)
    with place.browser() as (browser, _):
        for some in _parts(names, TOGETHER):
            opened = []
            for name in some:
                more = {"uncached": "yes"} if name.startswith("gone") else {}
                opened.append((name, _window(browser, place.address(desk, name, **more))))
            for name, page in opened:
                _read(page, name, random.uniform(0, LONGEST_S / TOGETHER))
                page.click("#away")
                page.wait_for_url("**/elsewhere")
            say(f"{len(some)} more")
            _arrived(desk, some, ("close", "hide"), seconds=1.0)
            for _, page in opened:
                page.close()
        arrived = _arrived(desk, kept, ("hide",)) | _arrived(desk, gone, ("close",))
    told = {"cached": share(len(arrived & {*kept}), len(kept)), "not_cached": share(len(arrived & {*gone}), len(gone))}
    return {"delivered": share(len(arrived), number), **told, "floor": share(_farewells(place, names), number)}


def hide(place: Place, number: int, say: Say) -> dict[str, Any]:
    """Another tab comes to the front: a `hide` has to be there while the tab stays hidden."""
    desk = place.collector.project(None)
    names = [f"hide-{each}" for each in range(number)]
    arrived: set[str] = set()
    floor = 0
    with place.browser() as (browser, _):
        [window] = browser.contexts
        for some in _parts(names, TOGETHER):
            opened = []
            for name in some:
                opened.append(_tab(window, place.address(desk, name)))  # hides the one before
                _read(opened[-1], name, random.uniform(0, LONGEST_S / TOGETHER))
            opened.append(window.new_page())
            # Counted before the tabs are closed, which would be another chance to tell.
            arrived |= _arrived(desk, some, ("hide",))
            floor += _farewells(place, some)
            say(f"{some[-1]}")
            for page in opened:
                page.close()
    return {"delivered": share(len(arrived), number), "floor": share(floor, number)}


def kill9(place: Place, number: int, say: Say) -> dict[str, Any]:
    """All processes of the browser are killed at once: each page has to be closed in the end, by itself or by the
    platform, which infers it from the silence. `unheard`: of those not even the beginning had arrived."""
    desk = place.collector.project(None)
    names = [f"kill-{each}" for each in range(number)]
    for some in _parts(names, TABS_PER_KILL):
        with place.browser() as (browser, kill):
            opened = [(name, _window(browser, place.address(desk, name))) for name in some]
            for name, page in opened:
                _read(page, name, 0)
            time.sleep(random.uniform(0, LONGEST_S))
            kill()
        say(f"{some[-1]}")
    delivered = _arrived(desk, names, ("close",), seconds=1.0)
    heard = _arrived(desk, names, ("expose",), seconds=1.0)
    desk.infer()
    closed = _arrived(desk, names, ("close",), seconds=1.0)
    return {
        "detected": share(len(closed), number),
        "delivered": share(len(delivered), number),
        "unheard": number - len(heard),
        "floor": share(_farewells(place, names), number),
    }


def _window(browser: Browser, address: str) -> Page:
    """A window of its own in the profile that a person would use; Playwright opens tabs only."""
    [context] = browser.contexts
    session = browser.new_browser_cdp_session()
    with context.expect_page() as opening:
        session.send("Target.createTarget", {"url": address, "newWindow": True})
    session.detach()
    return opening.value


def _tab(window: BrowserContext, address: str) -> Page:
    page = window.new_page()
    page.goto(address, wait_until="commit")
    return page


def _read(page: Page, name: str, seconds: float) -> None:
    """Waits for the first text on the screen, and reads for so long."""
    page.wait_for_function(f"document.getElementById('{name}-a1')?.textContent.length > 0", polling="raf")
    time.sleep(seconds)


def _parts(names: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _of(desk: Desk, kinds: tuple[str, ...]) -> Any:
    return select(Event.conversation).where(Event.project == desk.number, Event.kind.in_(kinds))


def _arrived(desk: Desk, names: list[str], kinds: tuple[str, ...], seconds: float = SETTLE_S) -> set[str]:
    """Of these conversations those with such an event, once all are there or no more have come for a while."""
    found: set[str] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(found) < len(names):
        with reading(desk.engine) as session:
            now = set(session.scalars(_of(desk, kinds))) & {*names}
        if now != found:
            found, end = now, time.monotonic() + seconds
        time.sleep(0.05)
    return found


def _farewells(place: Place, names: list[str]) -> int:
    return len({*names} & {*place.product.farewells})


CAUSES = {"close": close, "navigate": navigate, "hide": hide, "kill9": kill9}
