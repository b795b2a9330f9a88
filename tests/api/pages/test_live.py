"""The live page: the newest events, filtered by what stands in the address, asked for by a cursor, and paused."""

import re

import pytest

PART = {"hx-request": "true"}


@pytest.fixture
def sent(client, make_event):
    """Sends events, and says how the answer was."""

    def sent(*events):
        assert client.post("/v1/events", json=list(events)).json()["stored"] == len(events)

    return sent


def cursor(text):
    return re.findall(r'hx-get="(/live\?[^"]*)" hx-trigger="every 2s"', text)[0].replace("&amp;", "&")


def test_events_are_shown_as_they_come(browser, sent, make_event):
    assert "No such event" in browser.get("/live").text
    sent(make_event("message", text="Where?"))
    sent(make_event("vote", reasons=["wrong"], comment="no <b>"))
    text = browser.get("/live").text
    assert text.index(">vote</a>") < text.index(">message</a>")
    assert "no &lt;b&gt;" in text
    assert "Where?" not in text  # a message's text stands in its conversation
    ask = cursor(text)
    assert browser.get(ask, headers=PART).status_code == 204  # nothing new: htmx leaves all as it is
    sent(make_event("copy", chars=12))
    part = browser.get(ask, headers=PART)
    assert part.status_code == 200
    assert part.text.startswith('<div id="tail"')
    assert ">copy</a>" in part.text
    assert cursor(part.text) != ask


def test_the_filters_stand_in_the_address_and_stay_there(browser, sent, make_event):
    sent(make_event("message"), make_event("vote"), make_event("vote", conversation="c/2 é&x", message="m2"))
    text = browser.get("/live?kind=vote&conversation=c%2F2+%C3%A9%26x").text
    assert text.count('<tr id="e') == 1
    assert 'value="c/2 é&amp;x"' in text
    assert "<option selected>vote</option>" in text
    assert "kind=vote&conversation=c%2F2" in cursor(text)
    assert "/conversations/one?id=c%2F2+%C3%A9%26x" in text
    assert "No such event" in browser.get("/live?kind=close").text
    for odd in ("kind=%00", "conversation=%00", "kind=nothing", "conversation=" + "x" * 3000):
        assert "No such event" in browser.get(f"/live?{odd}").text
    for wrong in ("x", "-1", str(2**70)):
        assert browser.get(f"/live?after={wrong}").status_code == 422


def test_paused_it_stays_as_it_is_until_one_goes_on(browser, sent, make_event):
    sent(make_event("vote"))
    running = browser.get("/live?kind=vote").text
    assert 'href="/live?kind=vote&amp;paused=1"' in running
    assert '<noscript><meta http-equiv="refresh"' in running
    paused = browser.get("/live?kind=vote&paused=1").text
    assert "hx-trigger" not in paused
    assert "http-equiv" not in paused
    assert 'id="pause" href="/live?kind=vote"' in paused


def test_only_the_newest_are_shown(browser, sent, make_event):
    for some in (range(30), range(30, 130)):  # within one request the database numbers them as it likes
        sent(*[make_event("vote", conversation=f"c{number}") for number in some])
    text = browser.get("/live").text
    assert text.count('<tr id="e') == 100
    assert "<bdi>c129</bdi>" in text
    assert "<bdi>c29</bdi>" not in text
