"""What is sent and kept with which consent, and when a browser asks not to be followed."""

import pytest

GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });"
DNT = "Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' });"
DO = """async () => {
  const element = document.getElementById("a");
  const answer = u.stream({ message: "m1", element });
  element.textContent = "Water it from below.";
  answer.text(element.textContent);
  await new Promise((done) => setTimeout(done, 300));
  u.message({ message: "q1", role: "user", text: "Why?" });
  u.vote("m1", 1);
  u.regenerate("m1");
}"""
STORED = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }])"


def kinds(found):
    return {each.kind for each in found}


def test_votes_alone_are_sent_where_people_agreed_to_votes(stage):
    page = stage.open(stage.url(consent="votes"))
    page.evaluate(DO)
    stage.desk.until(lambda found: found)
    page.wait_for_timeout(500)
    page.close()
    assert kinds(stage.desk.events()) == {"vote"}


def test_without_consent_nothing_is_sent_and_nothing_kept(stage):
    page = stage.open(stage.url(consent="none"))
    page.evaluate(DO)
    page.wait_for_timeout(500)
    assert page.evaluate(STORED) == "[{},{}]"
    page.close()
    assert stage.desk.events() == []


@pytest.mark.parametrize("signal", [GPC, DNT], ids=["gpc", "dnt"])
def test_a_browser_that_asks_not_to_be_followed_sends_no_behaviour(stage, signal):
    page = stage.open(before=signal)
    page.evaluate(DO)
    stage.desk.until(lambda found: {"vote", "message"} <= kinds(found))
    page.close()
    stage.window.pages[0].wait_for_timeout(500)
    assert kinds(stage.desk.events()) == {"vote", "message"}


def test_from_a_later_yes_on_everything_is_recorded_with_what_was_agreed_to(stage):
    page = stage.open(stage.url(consent="none"))
    page.evaluate(DO)
    page.evaluate("u.consent('all', '2026-10:service,training')")
    found = stage.desk.until(lambda found: "expose" in kinds(found))
    page.evaluate("u.vote('m1', -1)")
    found = stage.desk.until(lambda found: "vote" in kinds(found))
    assert {each.consent for each in found} == {"2026-10:service,training"}
    assert [each.fields["value"] for each in found if each.kind == "vote"] == [-1]


def test_a_new_version_of_the_same_consent_interrupts_nothing(stage):
    page = stage.open()
    page.evaluate(DO)
    stage.desk.until(lambda found: "expose" in kinds(found))
    page.evaluate("u.consent('all', '2026-11:service')")
    page.close()
    found = stage.desk.until(lambda found: "view" in kinds(found))
    assert [each.kind for each in found].count("expose") == 1
    assert {each.consent for each in found if each.kind in ("close", "view")} == {"2026-11:service"}


def test_a_no_drops_what_waits_and_takes_it_out_of_the_browser(stage):
    page = stage.open()
    page.evaluate("window.fetch = () => Promise.reject(new TypeError('Failed to fetch')); void 0")
    page.evaluate(DO)
    page.wait_for_function(f"{STORED}.includes('vote')")
    page.evaluate("u.consent('none')")
    assert page.evaluate(STORED) == "[{},{}]"
    page.close()
    stage.open().wait_for_timeout(500)
    assert stage.desk.events() == []


def test_a_yes_to_votes_alone_keeps_the_votes_that_wait(stage):
    page = stage.open()
    page.evaluate("window.online = fetch; window.fetch = () => Promise.reject(new TypeError('Failed')); void 0")
    page.evaluate(DO)
    page.evaluate("u.consent('votes'); window.fetch = online; dispatchEvent(new Event('online'))")
    stage.desk.until(lambda found: found)
    page.close()
    assert kinds(stage.desk.events()) == {"vote"}
