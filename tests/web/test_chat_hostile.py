"""Texts of strangers on the page /chat: scripts, controls that reorder, a line of a megabyte."""

import time

from tests.api.chat.upstream import stream

HOSTILE = (
    "<script>window.hit=1</script><img src=x onerror=window.hit=1> [x](javascript:window.hit=1)\n\n"
    "- <b onclick=window.hit=1>item</b>\n\n```html\n<script>window.hit=1</script> \u202e\u2066evil\u2069\n```\n\n"
    "\u202eright to left override \u2067isolate\n\n# <svg/onload=window.hit=1>\n\n> </blockquote></div><h1>out</h1>\n\n"
    "`</code><script>window.hit=1</script>` Z" + "\u0336\u0489" * 200
)


def test_hostile_texts_do_nothing_in_prompts_answers_and_the_panel(house, upstream, enter):
    upstream.replies.append(stream(*HOSTILE.split(" ")[:1], HOSTILE))
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    page.click("#watch")
    talk.ask(HOSTILE.replace("\n", " ")[:2000])
    page.click(".user .edit", force=True)
    page.press(".editing textarea", "Escape")
    for line in page.locator("#events summary").all():
        line.click()
    assert talk.hit() is None
    inside = page.locator("#messages")
    for tag in ("script", "img", "b", "svg:not(:has(use))", "a", "h1", "iframe"):
        assert inside.locator(tag).count() == 0, tag
    assert inside.locator(".code pre .control").count() >= 3  # what reorders code is to be seen
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.reload()
    page.wait_for_selector(".assistant .body pre")
    assert talk.hit() is None and talk.troubles == []


def test_a_line_of_a_megabyte_leaves_the_page_usable(house, upstream, enter):
    upstream.replies.append(stream(*["x" * 20_000] * 50))
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    talk.ask("A long line, please.")
    page.wait_for_selector("text=Show more (980,000 characters are left)")
    began = time.monotonic()
    page.click(".rest")
    page.wait_for_selector("text=Show more (960,000 characters are left)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert talk.ask("And a short one?") == "Hello there."
    page.evaluate("document.getElementById('prompt').value = 'y'.repeat(1_000_000)")
    page.press("#prompt", "Enter")
    page.wait_for_selector("#trouble:has-text('up to 8,000')")
    assert page.locator(".user").count() == 2
    assert time.monotonic() - began < 120
    assert house.messages()[1].text == "x" * 1_000_000
    assert talk.troubles == []
