"""What the database holds when something broke: the server away, the network away, the browser killed."""

import pytest
from tests.server import serving
from tests.web.chatting import PATIENCE_MS
from tests.web.chromium import started
from tests.web.collector import Shape, open_collector

A1 = "c1-a1"
EXPOSED: Shape = ("expose", A1, {})


@pytest.fixture
def frail(program, tmp_path):
    """A collector of this test alone, which it may take down."""
    with serving(tmp_path) as serve, open_collector(tmp_path, serve) as collector:
        yield collector


def test_a_reload_with_unsent_events_sends_them_once_the_server_is_back(window, product, frail):
    """The browser's own reload, as by its button: another document takes the page's place."""
    desk = frail.project([product.origin])
    page = window.new_page()
    page.goto(product.chat(frail.url, desk.key))
    page.wait_for_selector("html[data-ready]")
    with frail.down():
        page.click("#ask")
        page.wait_for_function("document.querySelector('article')?.textContent.length >= 200")
        page.click("#up")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert desk.events() == []

    events = desk.exactly(
        EXPOSED,
        ("vote", A1, {"value": 1}),
        ("close", A1, {"phase": "streaming", "cause": "navigate"}),
        ("view", A1, {}),
    )
    assert len({each.page for each in events}) == 1  # all of the page that is gone; the one that sent them did nothing


def test_what_happens_offline_arrives_when_the_network_is_back(visit, window, desk):
    page = visit(chunks=60, every_ms=2)
    page.click("#ask")
    page.wait_for_selector("article[data-ended]")
    desk.exactly(EXPOSED)
    window.set_offline(True)
    try:
        page.wait_for_function("!navigator.onLine")
        page.click("#up")
        page.locator("article").select_text()
        page.keyboard.press("Control+c")
        page.evaluate("unspoken.flush()")  # resolves when there is nobody to be reached
        desk.exactly(EXPOSED)
    finally:
        window.set_offline(False)

    chars = page.evaluate("String(getSelection()).length")
    desk.exactly(EXPOSED, ("vote", A1, {"value": 1}), ("copy", A1, {"chars": chars, "part": "prose"}))


def test_a_browser_that_is_killed_mid_stream_is_closed_by_the_platform(
    program, tmp_path, playwright, collector, product, desk
):
    with started(program, tmp_path / "profile") as chromium:
        browser = chromium.connect(playwright)
        page = browser.contexts[0].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(product.chat(collector.url, desk.key, ask="yes"))
        desk.until(lambda found: any(each.kind == "heartbeat" for each in found))
        chromium.kill()  # kill -9

    heard = desk.exactly(EXPOSED)
    assert desk.infer() == 1
    *before, close = desk.events("expose", "heartbeat", "close")
    assert [each.id for each in before] == [each.id for each in heard]
    assert close.message == A1
    assert (close.fields["cause"], close.fields["phase"]) == ("inferred", "streaming")
    assert close.fields["seen_chars"] == before[-1].fields["seen_chars"] > 0
