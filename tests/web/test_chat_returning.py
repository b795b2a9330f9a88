"""The page /chat when somebody comes back: after a reload, to an earlier answer, in another tab, with another mind."""

import json

import pytest
from tests.api.chat.upstream import DONE, Gate, Reply, chunk, stream


def kinds(found, message=None):
    return [each.kind for each in found if message in (None, each.message) and each.kind not in ("heartbeat", "pause")]


def test_after_a_reload_recording_goes_on_and_the_votes_are_there(house, enter):
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    talk.ask("Hi")
    page.click(".up")
    page.press(".reasons textarea", "Escape")
    house.desk.until(lambda found: {"vote", "expose"} <= set(kinds(found)))
    page.reload()
    page.wait_for_selector(".votes:visible .up[aria-pressed=true]")
    first, second = house.desk.until(lambda found: len(found) == 2, "expose")
    assert first.page != second.page
    page.close()
    found = house.desk.until(lambda found: len(found) == 2, "close")
    assert {each.message for each in found} == {first.message}
    assert talk.troubles == []


def test_an_earlier_answer_that_somebody_goes_back_to_is_exposed_again(house, upstream, enter):
    upstream.replies.extend([stream("The first."), stream("The second.")])
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    talk.ask("Hi")
    [first] = house.desk.until(lambda found: found, "expose")
    page.click(".again")
    page.wait_for_selector(".assistant:has-text('The second.')")
    talk.answered()
    house.desk.until(lambda found: len(found) == 2, "expose")
    page.click(".assistant .back")
    house.desk.until(lambda found: kinds(found, first.message).count("expose") == 2)
    page.close()
    [close] = house.desk.until(lambda found: found, "close")
    assert close.message == first.message


@pytest.mark.parametrize("way", ["edit", "again", "back"])
def test_a_choice_that_waits_is_skipped_when_somebody_goes_elsewhere(house, enter, way):
    talk = enter(house, 0.9, 0.1)  # the second prompt gets two answers
    page = talk.page
    talk.agree("all")
    talk.ask("Hi")
    if way == "back":
        page.click(".assistant .again")
        page.wait_for_selector(".assistant .place:text-is('2/2')")
        talk.answered()
    talk.say("Which?")
    page.wait_for_selector(".choose:not([disabled])")
    if way == "edit":
        page.hover(".user >> nth=0")
        page.click(".user .edit >> nth=0")
        page.fill(".editing textarea", "Hi again")
        page.click(".editing button[type=submit]")
        page.wait_for_selector(".user .place:text-is('2/2')")
    else:
        page.click(f".assistant .{way} >> nth=0")
    page.wait_for_selector(".choice", state="detached")
    talk.answered()
    found = house.desk.until(lambda found: any(each.fields["shown"] for each in found), "solicit")
    assert [each.fields["answered"] for each in found if each.fields["shown"]] == [False]
    if way == "back":
        page.click(".assistant .next >> nth=0")
        page.wait_for_selector(".user:has-text('Which?')")
        page.wait_for_selector(".assistant .siblings:visible >> nth=1")
    assert talk.troubles == []


def test_what_is_written_after_somebody_said_nothing_is_not_stored(house, upstream, enter):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Before. "), gate, chunk("After."), chunk(finish="stop"), DONE]))
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    talk.say("Hi")
    page.wait_for_selector(".assistant:has-text('Before.')")
    page.click("#recording")
    talk.agree("none")
    assert upstream.asked[0].gone.wait(120)  # the server has heard of it
    gate.opened.set()
    assert talk.ask("A secret") == "Hello there."
    house.desk.until(lambda found: sum(each.kind == "message" for each in found) == 2)
    page.wait_for_timeout(500)
    assert sorted(each.text.strip() for each in house.messages()) == ["Before.", "Hi"]


def test_whoever_says_nothing_in_one_tab_has_said_it_in_all(house, enter):
    talk = enter(house)
    talk.agree("all")
    talk.ask("Hi")
    other = enter(house)
    other.page.wait_for_selector("body[data-recording=all]")
    talk.page.bring_to_front()
    talk.page.click("#recording")
    talk.agree("none")
    other.page.wait_for_selector("body[data-recording=none]")
    other.page.bring_to_front()
    other.ask("A secret")
    other.page.wait_for_timeout(500)
    assert "A secret" not in [each.text for each in house.messages()]
    assert other.page.evaluate("Object.keys(localStorage).filter((name) => /visitor|tree/.test(name))") == []


def test_characters_are_counted_as_the_server_counts_them(house, upstream, enter):
    upstream.replies.append(stream("😀" * 100))
    talk = enter(house)
    talk.agree("all")
    talk.ask("Hi")
    talk.page.click(".assistant .copy")
    [beat, *_] = house.desk.until(lambda found: any(each.fields["phase"] == "reading" for each in found), "heartbeat")
    [copy] = house.desk.until(lambda found: found, "copy")
    assert (beat.fields["total_chars"], copy.fields["chars"]) == (100, 100)
    talk.page.reload()
    house.desk.until(
        lambda found: {each.fields["total_chars"] for each in found} == {100} and len(found) > 2, "heartbeat"
    )


ASKED = {"id": "a", "role": "user", "text": "q", "parent": None}
ANSWERED = {"id": "b", "role": "assistant", "text": "x", "parent": "a", "finish": "complete"}


@pytest.mark.parametrize(
    "nodes",
    [
        [ASKED | {"parent": "b"}, ANSWERED],
        [ASKED, ANSWERED | {"model": 5}],
        [ASKED, ANSWERED | {"parent": 7}],
        [ASKED | {"parent": "gone"}, ANSWERED],
    ],
)
def test_a_conversation_that_was_kept_badly_does_not_keep_anybody_out(house, enter, nodes):
    talk = enter(house)
    talk.agree("all")
    tree = {"id": "c", "nodes": nodes, "shown": [["", "a"], ["a", "b"]]}
    talk.page.evaluate("(kept) => localStorage.setItem('unspoken.chat.tree', kept)", json.dumps(tree))
    again = enter(house)
    again.page.wait_for_selector("body[data-recording=all]")
    assert again.ask("Hi") == "Hello there."
    assert again.troubles == []


def test_an_answer_can_be_stopped_after_a_reload_too(house, upstream, enter):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Once upon"), gate, chunk(" a time."), chunk(finish="stop"), DONE]))
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    talk.say("A story")
    page.wait_for_selector(".assistant:has-text('Once upon')")
    page.reload()
    page.click("#stop")
    page.wait_for_selector("text=You stopped it here.")
    page.wait_for_selector("#send:visible")
    gate.opened.set()
    house.desk.until(lambda found: found, "stop")
    house.desk.until(lambda found: sum(each.kind == "message" for each in found) == 2)
    assert "Once upon" in [each.text for each in house.messages()]


def test_a_rest_that_could_not_be_had_is_asked_for_again_at_the_next_load(house, upstream, enter):
    gate = Gate()
    upstream.replies.append(Reply([chunk("Once upon"), gate, chunk(" a time."), chunk(finish="stop"), DONE]))
    talk = enter(house)
    page = talk.page
    talk.agree("all")
    talk.say("A story")
    page.wait_for_selector(".assistant:has-text('Once upon')")
    page.route("**/chat/completions/*", lambda route: route.abort())
    page.reload()
    page.wait_for_selector(".ended:has-text('cut off')")
    page.unroute("**/chat/completions/*")
    gate.opened.set()
    page.reload()
    page.wait_for_selector(".assistant:has-text('Once upon a time.'):not([data-busy])")
