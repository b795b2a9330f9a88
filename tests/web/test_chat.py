"""The page /chat in a real browser: once with the real local model from end to end, else before an upstream that says
what the test wants."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.api.chat.upstream import DONE, Gate, Reply, chunk, stream
from tests.web.chatting import House, housed, local_model

from unspoken.events import REVEALED
from unspoken.store import keys, page_key
from unspoken.store.database import transaction
from unspoken.store.tables import Key


@pytest.fixture
def model_house(tmp_path: Path) -> Iterator[House]:
    """A server before the real local model."""
    with local_model() as settings, housed(tmp_path, **settings) as house:
        yield house


def test_a_chat_with_the_real_model_leaves_just_what_happened(model_house, enter):
    talk = enter(model_house)
    page = talk.page
    assert page.is_disabled("#agree")
    talk.agree("all")

    talk.say("Write a long story about a lighthouse keeper, with many details.")
    page.wait_for_selector(".assistant .body p")
    page.click("#stop")
    stopped = talk.answered()
    page.wait_for_selector("text=You stopped it here.")
    page.click(".again")
    page.wait_for_selector(".assistant .place:text-is('2/2')")
    page.wait_for_selector("#stop:visible")
    again = talk.answered()
    page.click(".assistant .back")
    page.wait_for_selector(".assistant .place:text-is('1/2')")
    assert page.locator(".assistant .body").inner_text() == stopped

    page.click(".assistant .down")
    page.click(".chip:text-is('too short')")
    page.fill(".reasons textarea", "It had hardly begun.")
    page.click(".reasons button[type=submit]")
    page.wait_for_selector(".reasons", state="detached")

    page.hover(".user")
    page.click(".user .edit")
    page.fill(".editing textarea", "Name one lighthouse.")
    page.click(".editing button[type=submit]")
    page.wait_for_selector(".user .place:text-is('2/2')")
    edited = talk.answered()
    page.click(".assistant .copy")
    page.wait_for_selector(".assistant [href='#i-done']")
    page.goto("about:blank")
    house, desk = model_house, model_house.desk
    desk.until(lambda found: any(each.kind == "close" for each in found))
    desk.until(lambda found: sum(each.kind == "message" for each in found) == 5)

    story, one, two, name, three = sorted(house.messages(), key=lambda each: (each.occurred_at, each.role != "user"))
    assert "".join(each.role[0] for each in (story, one, two, name, three)) == "uaaua"
    assert one.parent == two.parent == story.id and three.parent == name.id
    assert story.parent is None and name.parent is None
    assert one.finish == "stopped" and two.finish in ("complete", "length") and one.text.strip()
    for shown, said in ((stopped, one), (again, two), (edited, three)):
        assert re.sub(r"\W", "", shown)[:60] == re.sub(r"\W", "", said.text)[:60]
    assert one.model == two.model == "smollm2-135m-instruct"
    assert {each.user for each in desk.events() if each.user} == {story.user}

    def told(kind: str) -> list[tuple[str, dict[str, Any]]]:
        return [(each.message, each.fields) for each in desk.events(kind)]

    assert {message for message, _ in told("expose")} >= {one.id, two.id, three.id}
    assert told("vote") == [
        (one.id, {"value": -1}),
        (one.id, {"value": -1, "reasons": ["too short"], "comment": "It had hardly begun."}),
    ]
    assert [message for message, _ in told("stop")] == [one.id]
    assert [(message, said["displayed"]) for message, said in told("regenerate")] == [(one.id, one.id)]
    assert told("select") == [(one.id, {"previous": two.id, "displayed": two.id})]
    assert told("edit") == [(story.id, {"to": name.id})]
    assert told("copy") == [(three.id, {"chars": len(three.text), "part": "prose"})]
    assert told("solicit") == [
        (one.id, {"level": "none", "shown": False, "answered": False, "propensity": 0.8}),
    ]
    assert [said["cause"] for _, said in told("close")] == ["navigate"] or told("close")
    assert not told("disconnect")
    assert all(each.consent == "2026-11:service,analytics,training" for each in desk.events())
    assert talk.troubles == []


def test_two_answers_side_by_side_are_a_choice_with_its_sides_and_its_odds(house, upstream, enter):
    upstream.replies.extend([stream("The one."), stream("The other.")])
    talk = enter(house, 0.1, 0.9)  # two answers; the second one that was asked for stands left
    page = talk.page
    talk.agree("all")
    talk.say("Which?")
    page.wait_for_selector(".choose:not([disabled])")
    texts = page.locator(".side .body").all_inner_texts()
    page.click(".choose >> nth=1")
    page.wait_for_selector(".choice", state="detached")
    assert page.locator(".assistant .body").all_inner_texts() == [texts[1]]
    assert page.locator(".assistant .place").inner_text() in ("1/2", "2/2")
    talk.say("Go on.")
    page.wait_for_selector(".user >> nth=1")
    talk.answered()

    [choice] = house.desk.until(lambda found: found, "choice")
    said = {each.id: each for each in house.messages()}
    left, right = choice.fields["order"]
    assert [said[left].text, said[right].text] == texts
    assert (choice.fields["chosen"], choice.fields["rejected"], choice.fields["tie"]) == (right, [left], False)
    assert said[left].parent == said[right].parent
    first, second = house.desk.until(lambda found: len(found) == 2, "solicit")
    assert first.fields == {"level": "soft", "shown": True, "answered": True, "propensity": 0.2}
    assert second.fields == {"level": "none", "shown": False, "answered": False, "propensity": 0.8}
    goes_on = next(each for each in said.values() if each.text == "Go on.")
    assert goes_on.parent == right
    assert talk.troubles == []


@pytest.mark.parametrize(("press", "tie"), [(".tie", True), (".skip-choice", False)])
def test_who_cannot_or_will_not_choose_says_just_that(house, enter, press, tie):
    talk = enter(house, 0.1)
    talk.agree("votes")
    talk.say("Which?")
    talk.page.wait_for_selector(".choose:not([disabled])")
    talk.page.click(press)
    talk.page.wait_for_selector(".choice", state="detached")
    [asked] = house.desk.until(lambda found: found, "solicit")
    assert (asked.fields["shown"], asked.fields["answered"]) == (True, tie)
    found = house.desk.until(lambda found: bool(found) is tie, "choice")
    assert all(each.fields["tie"] and len(each.fields["rejected"]) == 2 for each in found)


def test_votes_only_sends_no_behaviour_and_nothing_sends_nothing(house, enter):
    talk = enter(house)
    page = talk.page
    talk.agree("votes")
    talk.ask("Hi")
    page.click(".up")
    page.press(".reasons textarea", "Escape")
    page.click(".again")
    page.wait_for_selector(".assistant .place:text-is('2/2')")
    talk.answered()
    house.desk.until(lambda found: sum(each.kind == "message" for each in found) == 3)
    house.desk.until(lambda found: found, "vote")

    page.click("#recording")
    talk.agree("none")
    page.wait_for_selector("#welcome:visible")
    assert talk.ask("A secret") == "Hello there."
    assert page.locator(".votes:visible").count() == 0
    assert page.evaluate("Object.keys(localStorage).filter((name) => /visitor|tree/.test(name))") == []
    page.goto("about:blank")
    time.sleep(0.5)
    kinds = [each.kind for each in house.desk.events()]
    assert not set(kinds) & set(REVEALED)
    assert kinds.count("message") == 3 and "A secret" not in [each.text for each in house.messages()]


def test_a_browser_that_asks_not_to_be_followed_is_told_so_and_is_not(house, enter):
    gpc = "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true});"
    talk = enter(house, script=gpc)
    talk.page.wait_for_selector("#private:has-text('asks not to be followed')")
    assert talk.page.is_disabled("#consent input[value=all]")
    talk.agree("votes")
    talk.ask("Hi")
    talk.page.click(".up")
    house.desk.until(lambda found: found, "vote")
    talk.page.goto("about:blank")
    time.sleep(0.5)
    assert not {each.kind for each in house.desk.events()} & set(REVEALED)


def test_the_choice_is_remembered_and_a_reload_brings_the_rest_of_an_answer(house, upstream, enter):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Once upon"), gate, chunk(" a time."), chunk(finish="stop"), DONE]))
    talk = enter(house)
    talk.agree("all")
    talk.say("A story")
    talk.page.wait_for_selector(".assistant:has-text('Once upon')")
    talk.page.reload()
    talk.page.wait_for_selector("body[data-recording=all]")
    assert not talk.page.is_visible("#consent")
    gate.opened.set()
    talk.page.wait_for_selector(".assistant:has-text('Once upon a time.'):not([data-busy])")
    talk.ask("Go on")
    house.desk.until(lambda found: sum(each.kind == "message" for each in found) == 4)
    texts = {each.id: each for each in house.messages()}
    goes_on = next(each for each in texts.values() if each.text == "Go on")
    assert texts[goes_on.parent].text == "Once upon a time."
    assert talk.troubles == []


def test_the_panel_shows_each_event_and_what_became_of_it(house, enter):
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    page.click("#watch")
    talk.ask("Hi")
    page.click(".up")
    page.wait_for_selector("#events li:has-text('thumbs up'):has-text('sent')")
    page.wait_for_selector("#events li:has-text('expose')[data-state=sent]")
    page.wait_for_selector("#events li:has-text('what you wrote, logged by the server')")
    page.click("#events li:has-text('thumbs up') summary")
    page.wait_for_selector("#events pre:has-text('\"value\": 1')")


def test_the_whole_chat_works_by_keyboard(house, enter):
    talk = enter(house)
    keyboard, page = talk.page.keyboard, talk.page
    page.wait_for_selector("#consent[open]")
    keyboard.press("Escape")
    page.wait_for_selector("#consent[open]")  # there is no way around the question
    keyboard.press("Tab")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    page.wait_for_selector("body[data-recording]")
    keyboard.type("Hi")
    keyboard.press("Enter")
    talk.answered()
    for label in ("Regenerate: another answer", "Good answer"):
        for _ in range(40):
            keyboard.press("Shift+Tab")
            if page.evaluate("document.activeElement.getAttribute('aria-label')") == label:
                break
        else:
            raise AssertionError(f"{label} cannot be reached")
        keyboard.press("Enter")
        if label.startswith("Regenerate"):
            page.wait_for_selector(".assistant .place:text-is('2/2')")
            talk.answered()
            page.focus("#prompt")
    page.wait_for_selector(".up[aria-pressed=true]")
    assert page.locator("#spoken").inner_text().count("The answer is complete.") == 2


def test_a_phone_has_room_for_all_of_it(house, upstream, enter):
    upstream.replies.append(stream("A " + "long" * 200 + " word\n\n```\n" + "code " * 100 + "\n```"))
    talk = enter(house)
    page = talk.page
    page.set_viewport_size({"width": 390, "height": 780})
    talk.agree("all")
    talk.ask("Hi " + "there" * 100)
    page.click("#watch")
    for place in ("#composer", "#panel", "#messages", "header"):
        box = page.locator(place).bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390, place
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#unwatch")
    small = "[...document.querySelectorAll('button')].filter((b) => b.offsetParent && b.offsetHeight < 40).length"
    assert page.evaluate(small) == 0


def test_a_key_that_is_revoked_while_the_page_is_open_says_so_in_it(house, enter):
    talk = enter(house)
    talk.agree("all")
    talk.ask("Hi")
    with transaction(house.engine) as session:
        keys.revoke(session, session.scalars(select(Key).where(Key.name == page_key.NAME)).one().id)
    talk.say("Hi again")
    talk.page.wait_for_selector("#trouble:has-text('was revoked, so the chat is closed')")


def test_an_upstream_that_fails_is_told_in_its_answer_and_can_be_asked_again(house, upstream, enter):
    said = b'{"error": {"message": "The local model is busy."}}'
    upstream.replies.append(Reply([said], 503, {"content-type": "application/json"}))
    upstream.replies.append(Reply([chunk("Once"), None]))
    talk = enter(house)
    talk.agree("all")
    talk.ask("Hi")
    talk.page.wait_for_selector(".ended.failed:has-text('The local model is busy.')")
    talk.page.click(".again")
    talk.page.wait_for_selector(".assistant .place:text-is('2/2')")
    talk.page.wait_for_selector(".ended.failed:has-text('mid-answer')")
    talk.page.click(".again")
    talk.page.wait_for_selector(".assistant:has-text('Hello there.')")
