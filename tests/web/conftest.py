"""A real browser, a real server, and a product's page from another origin that uses the SDK.

Where no Chromium can be had these tests are skipped, and the last lines of the run say so; under CI they fail.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright
from tests.api.chat.upstream import Upstream
from tests.server import serving
from tests.web.chatting import PATIENCE_MS, House, Talk, entered, housed
from tests.web.chromium import Chromium, NoChromium, obtain, started
from tests.web.collector import Collector, Desk, open_collector
from tests.web.product import Product, selling
from tests.web.stage import Stage, staged

WHY = pytest.StashKey[str]()
SKIPPED = pytest.StashKey[int]()
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """For one file: as long as it runs, nothing else in this thread can have an event loop."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Path:
    """Where Chromium is. Skips, loudly, where there is none and none can be had; fails under CI."""
    try:
        return obtain()
    except NoChromium as error:
        request.config.stash[WHY] = str(error)
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"{error} CI does not skip the browser tests.", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def chromium(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The browser that a file's tests share: they share its storage only where they share an origin."""
    profile = tmp_path_factory.mktemp("profile")
    with started(program, profile) as chromium:
        yield chromium
    shutil.rmtree(profile, ignore_errors=True)  # tens of megabytes that say nothing about a failed test


@pytest.fixture(scope="module")
def browser(chromium: Chromium, playwright: Playwright) -> Iterator[Browser]:
    """The same, as Playwright drives it."""
    browser = chromium.connect(playwright)
    yield browser
    browser.close()


@pytest.fixture
def window(browser: Browser, chromium: Chromium) -> Iterator[BrowserContext]:
    """The window of tabs that a person would have, with one empty tab; what a test opens is closed after it."""
    [window] = browser.contexts
    window.set_default_timeout(PATIENCE_MS)
    before = chromium.tabs()
    yield window
    chromium.close(chromium.tabs() - before)


@pytest.fixture(scope="session")
def collector(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One server on a migrated SQLite file, for the whole session; each test has a project of its own."""
    folder = tmp_path_factory.mktemp("collector")
    with serving(folder) as serve, open_collector(folder, serve) as collector:
        yield collector


@pytest.fixture
def product() -> Iterator[Product]:
    """A chatbot's own web server: another origin than the collector's, and another one in each test."""
    with selling() as product:
        yield product


@pytest.fixture
def desk(collector: Collector, product: Product) -> Desk:
    """A project whose write key is good for that origin, and the events that arrive in it."""
    return collector.project([product.origin])


@pytest.fixture
def stage(window: BrowserContext, collector: Collector) -> Iterator[Stage]:
    """A bare page with the SDK, in a project of its own."""
    with staged(window, collector) as stage:
        yield stage


Visit = Callable[..., Page]


@pytest.fixture
def visit(window: BrowserContext, collector: Collector, product: Product, desk: Desk) -> Visit:
    """Opens the product's chat in a tab; `more` are its settings, see product.py."""

    def visit(**more: object) -> Page:
        page = window.new_page()
        page.goto(product.chat(collector.url, desk.key, **more))
        page.wait_for_selector("html[data-ready]")
        return page

    return visit


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A model that says what the test wants, and then "Hello there."."""
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture
def house(tmp_path: Path, upstream: Upstream) -> Iterator[House]:
    """A server with the page /chat before that model."""
    with housed(tmp_path, upstream_url=upstream.url, chat_model="m-1") as house:
        yield house


@pytest.fixture
def enter(window: BrowserContext) -> Callable[..., Talk]:
    """Opens the chat of a house in a tab; see chatting.py."""
    return partial(entered, window)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Counts what is skipped for want of a browser."""
    result = yield
    if result.get_result().skipped and WHY in item.config.stash:  # type: ignore[attr-defined]
        item.config.stash[SKIPPED] = item.config.stash.get(SKIPPED, 0) + 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The last lines, so that nobody takes the rest for the whole."""
    if number := config.stash.get(SKIPPED, 0):
        terminalreporter.section("browser tests", sep="!", red=True, bold=True)
        why = config.stash[WHY]
        terminalreporter.write_line(f"{number} browser tests were skipped: {why}", red=True, bold=True)
