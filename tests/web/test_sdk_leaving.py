"""Hiding, coming back and leaving: each told once, with what had been seen."""

import pytest

STREAM = """async () => {
  const element = document.getElementById("a");
  const answer = u.stream({ message: "m1", element });
  for (let at = 0; at < 4; at++) {
    element.append("0123456789", document.createElement("br"));
    answer.text(element.textContent);
    await new Promise((done) => setTimeout(done, 30));
  }
  window.answer = answer;
}"""
LINK = '<a id="go" href="/page-0">away</a><form id="form" action="/page-0"><button id="send">x</button></form>'


def kinds(found):
    return [each.kind for each in found]


def streaming(stage, **more):
    """A tab in which an answer is half there, exposed, and seen as far as it is there."""
    stage.serve("<!doctype html><title>Elsewhere</title>")
    page = stage.open(stage.url(f'<article id="a"></article>{LINK}', **more.pop("options", {})), **more)
    page.evaluate(STREAM)
    stage.desk.until(lambda found: any(each.fields["seen_chars"] == 40 for each in found), "heartbeat")
    return page


LEAVING = {
    "link": (lambda page: page.click("#go"), "navigate"),
    "form": (lambda page: page.click("#send"), "navigate"),
    "script": (lambda page: page.evaluate("void (location.href = '/page-0')"), "navigate"),
    "tab": (lambda page: page.close(), "tab"),
    "reload": (lambda page: page.evaluate("location.reload()"), "navigate"),
}


@pytest.mark.parametrize("way", LEAVING)
def test_leaving_in_mid_answer_is_a_close_with_its_cause(stage, way):
    leave, cause = LEAVING[way]
    page = streaming(stage, before="addEventListener('pageshow', () => {}); addEventListener('unload', () => {})")
    leave(page)
    found = stage.desk.until(lambda found: {"close", "view"} <= set(kinds(found)))
    [close] = [each for each in found if each.kind == "close"]
    assert close.message == "m1"
    assert close.fields == {"phase": "streaming", "seen_chars": 40, "total_chars": 40, "cause": cause}
    assert "hide" not in kinds(found)


def test_a_page_that_is_kept_for_the_back_button_hides_and_returns_as_another_page_view(stage):
    page = streaming(stage)
    page.click("#go")
    found = stage.desk.until(lambda found: {"hide", "view"} <= set(kinds(found)))
    assert "close" not in kinds(found)
    page.evaluate("void history.back()")
    found = stage.desk.until(lambda found: kinds(found).count("expose") == 2)
    first, second = dict.fromkeys(each.page for each in found)
    assert kinds([each for each in found if each.page == second])[:2] == ["return", "expose"]
    page.close()
    found = stage.desk.until(lambda found: {"close"} <= set(kinds(found)) and kinds(found).count("view") == 2)
    [close] = [each for each in found if each.kind == "close"]
    assert (close.page, close.fields["cause"]) == (second, "tab")
    [back] = [each for each in found if each.kind == "return"]
    assert back.fields["phase"] == "streaming"
    assert 0 < back.fields["away_ms"] < 300_000
    assert [each.page for each in found if each.kind == "view"] == [first, second]


def test_a_tab_that_is_switched_away_hides_says_nothing_and_returns(stage, window):
    page = streaming(stage)
    other = window.new_page()
    other.bring_to_front()
    stage.desk.until(lambda found: {"hide", "view"} <= set(kinds(found)))
    beats = kinds(stage.desk.events()).count("heartbeat")
    other.wait_for_timeout(1200)
    assert kinds(stage.desk.events()).count("heartbeat") == beats
    page.bring_to_front()
    page.evaluate("answer.finish('complete')")
    found = stage.desk.until(lambda found: kinds(found).count("heartbeat") > beats)
    order = [kind for kind in kinds(found) if kind != "heartbeat"]
    assert order == ["expose", "hide", "view", "return", "expose"]
    assert len({each.page for each in found}) == 1
    assert [each.n for each in found] == list(range(len(found)))
    page.close()
    found = stage.desk.until(lambda found: kinds(found).count("view") == 2)
    [back] = [each for each in found if each.kind == "return"]
    hidden = int(back.fields["away_ms"] / 1000 + 0.5) * 1000
    assert 1000 <= hidden < 300_000
    assert [each.fields["hidden_ms"] for each in found if each.kind == "view"] == [0, hidden]


def test_a_tab_that_is_closed_while_hidden_closes(stage, window):
    page = streaming(stage)
    window.new_page().bring_to_front()
    stage.desk.until(lambda found: "hide" in kinds(found))
    page.close()
    found = stage.desk.until(lambda found: "close" in kinds(found))
    assert [kind for kind in kinds(found) if kind != "heartbeat"] == ["expose", "hide", "view", "close"]


def test_the_close_in_the_browsers_hands_is_the_close_of_the_page(stage):
    """Here no beacon and no request leaves any more; what the browser sends later has the id that was kept."""
    page = streaming(stage)
    has = page.evaluate("typeof fetchLater === 'function'")
    assert has, "this Chromium is older than fetchLater"
    page.evaluate("navigator.sendBeacon = () => true; window.fetch = () => new Promise(() => {}); void 0")
    page.close()
    found = stage.desk.until(lambda found: "close" in kinds(found))
    [close] = [each for each in found if each.kind == "close"]
    assert close.fields == {"phase": "streaming", "seen_chars": 40, "total_chars": 40, "cause": "tab"}
    assert "view" not in kinds(found)
    page = stage.open()  # the next page of that origin finds the same close among what was kept
    found = stage.desk.until(lambda found: "view" in kinds(found))
    assert kinds(found).count("close") == 1


def test_a_finished_answer_leaves_no_close_behind(stage):
    page = streaming(stage)
    page.evaluate("answer.finish('complete')")
    page.evaluate("navigator.sendBeacon = () => true; window.fetch = () => new Promise(() => {}); void 0")
    page.close()
    other = stage.window.new_page()
    other.wait_for_timeout(1500)
    assert "close" not in kinds(stage.desk.events())


def test_a_page_in_which_nothing_was_shown_says_nothing_when_it_ends(stage):
    stage.open().close()
    page = streaming(stage)
    page.close()
    found = stage.desk.until(lambda found: "close" in kinds(found))
    assert len({each.page for each in found}) == 1


def test_composing_is_a_phase_of_its_own(stage):
    page = streaming(stage, options={}, before="addEventListener('unload', () => {})")
    page.evaluate("answer.finish('complete'); document.body.append(document.createElement('textarea'))")
    page.type("textarea", "And")
    page.close()
    found = stage.desk.until(lambda found: "close" in kinds(found))
    assert [each.fields["phase"] for each in found if each.kind == "close"] == ["composing"]
    assert "And" not in str([each.fields for each in found])
