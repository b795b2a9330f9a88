"""What the database holds after a page was left, hidden, or come back to in the middle of an answer: exactly that.

Nothing is simulated: tabs are closed, switched and navigated in a Chromium that does to them what it does to people's.
"""

import pytest
from tests.web.collector import Shape, shapes, whole

A1, A2 = "c1-a1", "c1-a2"
WENT: tuple[Shape, ...] = (("expose", A1, {}), ("hide", A1, {"phase": "streaming"}), ("view", A1, {}))
ONCE = ["expose", "close", "view"]
BOTH_TIMES = ["expose", "hide", "view", "return", *ONCE]


@pytest.fixture
def streaming(visit):
    """Opens the chat in a tab, asks, and returns once a part of the answer is there."""

    def streaming(name=A1, **more):
        page = visit(**more)
        page.click("#ask")
        shown(page, name)
        return page

    return streaming


def shown(page, name, chars=200):
    page.wait_for_function(f"document.getElementById('{name}').textContent.length >= {chars}")


def kinds(events, conversation):
    return [kind for kind, _, _ in shapes([each for each in events if each.conversation == conversation])]


def chars(page, name=A1):
    return page.evaluate(f"document.getElementById('{name}').textContent.length")


def test_closing_the_tab_mid_stream_leaves_a_close_in_mid_stream(streaming, visit, desk):
    page = streaming()
    there = chars(page)
    page.close()

    left: tuple[Shape, ...] = (
        ("expose", A1, {}),
        ("close", A1, {"phase": "streaming", "cause": "tab"}),
        ("view", A1, {}),
    )
    events = desk.exactly(*left)
    [close] = [each for each in events if each.kind == "close"]
    assert there <= close.fields["total_chars"] < there + 1000
    assert 0 < close.fields["seen_chars"] <= close.fields["total_chars"]
    visit().evaluate("unspoken.flush()")  # the next page sends again what this one could not know to have arrived
    assert [each.id for each in desk.exactly(*left)] == [each.id for each in events]


def test_navigating_away_mid_stream_is_told_and_becomes_a_close_when_nobody_returns(streaming, desk):
    """The browser keeps the page in its cache, from where it may come back: for now the user only went out of sight."""
    page = streaming()
    page.click("#away")
    page.wait_for_url("**/elsewhere")

    desk.exactly(*WENT)
    assert desk.infer() == 1
    desk.until(lambda found: [each.kind for each in found].count("close") == 1)
    [close] = desk.events("close")
    assert close.message == A1
    assert (close.fields["cause"], close.fields["phase"]) == ("inferred", "streaming")


def test_navigating_away_from_a_page_that_no_cache_may_keep_is_a_close(streaming, desk):
    page = streaming(uncached="yes")
    page.click("#away")
    page.wait_for_url("**/elsewhere")

    desk.exactly(
        ("expose", A1, {}),
        ("close", A1, {"phase": "streaming", "cause": "navigate"}),
        ("view", A1, {}),
    )


def test_switching_tabs_and_coming_back_is_no_close(streaming, window, desk):
    page = streaming()
    other = window.new_page()  # in front of it
    page.wait_for_function("document.visibilityState === 'hidden'", polling=50)
    desk.exactly(*WENT)
    page.bring_to_front()

    events = desk.exactly(*WENT, ("return", A1, {"phase": "streaming"}), ("expose", A1, {}))
    [back] = [each for each in events if each.kind == "return"]
    assert 0 < back.fields["away_ms"] < 300_000
    other.close()


def test_a_page_that_comes_back_from_the_cache_is_another_view_of_it(streaming, desk):
    page = streaming(chunks=60, every_ms=2)
    page.wait_for_selector("article[data-ended]")
    page.click("#away")
    page.wait_for_url("**/elsewhere")
    page.evaluate("history.back()")
    page.wait_for_selector("html[data-restored]")  # by pageshow.persisted, so this is no reload

    events = desk.exactly(
        ("expose", A1, {}),
        ("hide", A1, {"phase": "reading"}),
        ("view", A1, {}),
        ("return", A1, {"phase": "reading"}),
        ("expose", A1, {}),
    )
    views = {each.kind: each.page for each in events}
    assert views["hide"] != views["return"]
    assert len({each.session for each in events}) == 1


def test_stopping_is_no_close_and_leaving_afterwards_is_a_close_while_reading(streaming, desk):
    page = streaming()
    page.click("#stop")
    page.wait_for_selector("article[data-ended=stopped]")
    there = chars(page)
    desk.exactly(("expose", A1, {}), ("stop", A1, {}))
    page.close()

    events = desk.exactly(
        ("expose", A1, {}),
        ("stop", A1, {}),
        ("close", A1, {"phase": "reading", "cause": "tab"}),
        ("view", A1, {}),
    )
    [stop] = [each for each in events if each.kind == "stop"]
    assert abs(stop.fields["total_chars"] - there) < 200


def test_copying_tells_how_much_and_never_what(streaming, desk):
    page = streaming(chunks=60, every_ms=2)
    page.wait_for_selector("article[data-ended]")
    page.locator("article").select_text()
    selected = page.evaluate("String(getSelection()).length")
    page.keyboard.press("Control+c")

    events = desk.exactly(("expose", A1, {}), ("copy", A1, {"chars": selected, "part": "prose"}))
    assert "word" not in repr([each.fields for each in events])


def test_regenerating_twice_and_going_back_to_the_first(streaming, desk):
    page = streaming()
    page.click("#again")
    shown(page, A2)
    page.click("#again")
    shown(page, "c1-a3")
    page.evaluate("for (const _ of [1, 2]) document.getElementById('back').click()")  # what is passed over is not read
    assert page.inner_text("#place") == "1/3"

    desk.exactly(
        ("expose", A1, {}),
        ("regenerate", A1, {"phase": "streaming", "displayed": A1}),
        ("view", A1, {}),
        ("expose", A2, {}),
        ("regenerate", A2, {"phase": "streaming", "displayed": A2}),
        ("view", A2, {}),
        ("expose", "c1-a3", {}),
        ("select", A2, {"previous": "c1-a3", "displayed": "c1-a3"}),
        ("select", A1, {"previous": A2, "displayed": "c1-a3"}),
        ("expose", A1, {}),  # it is read again
    )


def test_two_tabs_at_once_are_told_apart(streaming, desk):
    one = streaming(conversation="c1")
    two = streaming("c2-a1", conversation="c2")  # opens in front of the first
    two.close()
    one.wait_for_function("document.visibilityState === 'visible'", polling=50)
    one.close()

    events = desk.until(lambda found: whole(found) and kinds(found, "c1") == BOTH_TIMES and kinds(found, "c2") == ONCE)
    assert len({(each.conversation, each.page, each.session) for each in events}) == 2
    assert len({each.page for each in events}) == len({each.session for each in events}) == 2
