"""What the page /chat looks like where there is little room or much text, and what it says of what it does."""

import pytest
from tests.api.chat.upstream import DONE, Gate, Reply, chunk, stream

LONG = "Here:\n\n```\n" + "code_" * 60 + "\n```\n\n| a | " + "b" * 200 + " |"


@pytest.mark.parametrize("width", [1280, 390])
def test_two_answers_fit_side_by_side_whatever_code_is_in_them(house, upstream, enter, width):
    upstream.replies.extend([stream(LONG), stream("Short.")])
    talk = enter(house, 0.1)
    page = talk.page
    page.set_viewport_size({"width": width, "height": 780})
    talk.agree("all")
    talk.say("Which?")
    page.wait_for_selector(".choose:not([disabled])")
    for place in (".side >> nth=0", ".side >> nth=1", ".choose >> nth=0", ".choose >> nth=1"):
        box = page.locator(place).bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= width and box["width"] > 150, place
    scrolls = "(() => { const pre = document.querySelector('pre'); return pre.scrollWidth > pre.clientWidth; })()"
    assert page.evaluate(scrolls)


def test_the_question_can_be_answered_on_a_phone_without_scrolling(house, enter):
    talk = enter(house)
    talk.page.set_viewport_size({"width": 390, "height": 780})
    talk.page.wait_for_selector("#consent[open]")
    box = talk.page.locator("#agree").bounding_box()
    assert box and box["y"] >= 0 and box["y"] + box["height"] <= 780
    talk.agree("votes")


def test_the_panel_says_of_an_answer_that_comes_back_that_it_is_there_again(house, upstream, enter):
    upstream.replies.extend([stream("The first."), stream("The second.")])
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    page.click("#watch")
    talk.ask("Hi")
    page.wait_for_selector("#events li:has-text('its first word came on your screen')")
    page.click(".again")
    page.wait_for_selector(".assistant:has-text('The second.')")
    talk.answered()
    page.click(".assistant .back")
    page.wait_for_selector("#events li:has-text('it is on your screen again')")
    page.reload()
    page.wait_for_selector("#events li:has-text('expose'):has-text('it is on your screen')", state="attached")
    assert page.locator("#events li:has-text('first word')").count() == 0


def test_the_panel_says_one_sentence_where_nothing_is_recorded(house, enter):
    talk = enter(house)
    page = talk.page
    talk.agree("none")
    page.click("#watch")
    talk.ask("Hi")
    assert page.locator("#panel").inner_text().count(".") == 1
    assert not page.is_visible(".legend") and page.locator("#events li").count() == 0


def test_two_answers_are_read_out_one_after_the_other(house, upstream, enter):
    def reply(name, gates):
        parts = [part for i, gate in enumerate(gates) for part in (chunk(f"{name} says {i} times something. "), gate)]
        return Reply([*parts, chunk(finish="stop"), DONE])

    gates = [Gate() for _ in range(4)]
    upstream.replies.extend([reply("One", gates), reply("Other", gates)])
    talk = enter(house, 0.1)
    page = talk.page
    talk.agree("all")
    page.evaluate("""() => {
      window.said = [];
      const hear = ({ addedNodes }) => addedNodes.forEach((node) => said.push(node.textContent));
      new MutationObserver((all) => all.forEach(hear)).observe(document.getElementById("spoken"), { childList: true });
    }""")
    talk.say("Which?")
    page.wait_for_selector(".side:has-text('times')")
    for gate in gates:
        gate.opened.set()
        page.wait_for_timeout(150)
    page.wait_for_selector(".choose:not([disabled])")
    page.wait_for_function("['One', 'Other'].every((name) => said.join(' ').includes(name + ' says 3 times'))")
    page.wait_for_timeout(300)
    said = " ".join(page.evaluate("said"))
    for name in ("One", "Other"):
        places = [said.index(f"{name} says {i} times something.") for i in range(4)]
        assert places == sorted(places) and said.count(f"{name} says 2 times") == 1
    one, other = sorted((said.index(f"{name} says 0"), said.index(f"{name} says 3")) for name in ("One", "Other"))
    assert one[1] < other[0]
    assert said.index("Left answer") < said.index("Right answer")


def test_a_long_list_that_grows_is_not_built_again(house, upstream, enter):
    gate = Gate()
    upstream.replies.append(Reply([chunk("- a\n" * 1500), gate, chunk("- b\n" * 5), chunk(finish="stop"), DONE]))
    talk = enter(house)
    page = talk.page
    talk.agree("none")
    talk.say("A list")
    page.wait_for_selector(".assistant li >> nth=100")
    page.evaluate("document.querySelector('.assistant li').dataset.kept = 'yes'")
    gate.opened.set()
    talk.answered()
    assert page.locator(".assistant li[data-kept=yes]").count() == 1
    assert page.locator(".assistant li").count() == 1505


def test_what_is_a_great_many_lines_is_shown_in_parts(house, upstream, enter):
    upstream.replies.append(stream("- a\n" * 4500))
    talk = enter(house)
    talk.agree("none")
    talk.ask("A list")
    assert talk.page.locator(".assistant li").count() == 2000
    talk.page.click(".rest")
    talk.page.wait_for_function("document.querySelectorAll('.assistant li').length === 4000")
    talk.page.click(".rest")
    talk.page.wait_for_selector(".rest", state="detached")
    assert talk.page.locator(".assistant li").count() == 4500
