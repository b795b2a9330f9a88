"""Bad hosts, bad networks and bad input: the page notices nothing, and what the browser allowed to keep arrives."""

import json
import time

from unspoken.store.columns import now

NO_STORAGE = """for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });"""
FULL_STORAGE = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"
NO_BEACON = "navigator.sendBeacon = () => false;"
THROWING_BEACON = "navigator.sendBeacon = () => { throw new Error('blocked'); };"
DAY_AHEAD = "const real = Date.now; Date.now = () => real() + 86_400_000;"
ASKED = "performance.getEntriesByType('resource').filter((each) => /v1.events/.test(each.name)).length"
OFFLINE = "window.online = fetch; window.fetch = () => Promise.reject(new TypeError('Failed to fetch')); void 0"
STREAM = """(text) => {
  const element = document.getElementById("a");
  window.answer = u.stream({ message: "m1", element });
  element.textContent = text;
  answer.text(text);
}"""


def kinds(found):
    return [each.kind for each in found]


def fates(page, fate):
    return [kind for kind, said, _ in page.evaluate("fates") if said == fate]


def exposed_voted_closed(stage, before):
    page = stage.open(before=before)
    page.evaluate(STREAM, "Water it.")
    stage.desk.until(lambda found: "expose" in kinds(found))
    page.evaluate("u.vote('m1', 1)")
    page.close()
    return stage.desk.until(lambda found: {"vote", "close", "view"} <= set(kinds(found)))


def test_without_storage_everything_still_arrives(stage):
    exposed_voted_closed(stage, NO_STORAGE)


def test_with_a_full_storage_everything_still_arrives(stage):
    exposed_voted_closed(stage, FULL_STORAGE)


def test_with_a_refused_beacon_the_close_goes_by_fetch(stage):
    exposed_voted_closed(stage, NO_BEACON)


def test_with_a_beacon_that_throws_the_close_goes_by_fetch(stage):
    exposed_voted_closed(stage, THROWING_BEACON)


def test_a_clock_a_day_ahead_is_set_right(stage):
    for each in exposed_voted_closed(stage, DAY_AHEAD):
        assert abs((each.occurred_at - now()).total_seconds()) < 60, each.kind


def test_a_policy_without_us_stops_it_and_what_waits_goes_with_the_next_page(stage):
    policy = f"connect-src 'self'; script-src 'unsafe-inline' {stage.collector.url}"
    page = stage.open(stage.url(headers={"Content-Security-Policy": policy}))
    page.evaluate("u.vote('m1', 1)")
    page.wait_for_timeout(500)
    page.evaluate("u.vote('m2', 1)")
    page.wait_for_timeout(2500)
    assert fates(page, "queued") == ["vote", "vote"]
    assert page.evaluate(ASKED) <= 1
    page.close()
    assert stage.desk.events() == []
    stage.open()
    found = stage.desk.until(lambda found: len(found) == 2)
    assert [each.message for each in found] == ["m1", "m2"]


def test_an_hour_without_a_server_takes_bounded_room_and_votes_survive_it(stage):
    page = stage.open()
    page.evaluate(OFFLINE)
    page.evaluate("""() => {
      u.vote("first", 1);
      for (let at = 0; at < 1500; at++) u.copy("m" + at, { chars: 10 });
      for (let at = 0; at < 20; at++) u.message({ message: "t" + at, role: "user", text: "x".repeat(300_000) });
      u.vote("last", -1);
    }""")
    page.wait_for_function("JSON.stringify({ ...localStorage }).includes('last')")
    assert page.evaluate("JSON.stringify({ ...localStorage }).length") < 300_000
    dropped = fates(page, "dropped")
    assert len(dropped) > 1000
    assert "vote" not in dropped
    page.evaluate("window.fetch = online; dispatchEvent(new Event('online'))")
    found = stage.desk.until(lambda found: "last" in [each.message for each in found])
    votes = [each for each in found if each.kind == "vote"]
    assert {each.message for each in votes} == {"first", "last"}
    assert votes[-1].n - votes[0].n == 1521  # so many were made between them, and what is missing can be counted


def test_what_could_not_be_sent_is_sent_by_the_next_page_once(stage):
    page = stage.open()
    page.evaluate(OFFLINE)
    page.evaluate("navigator.sendBeacon = () => true; u.vote('m1', 1)")
    page.close()
    assert stage.desk.events() == []
    first, second = stage.open(), stage.open()
    [vote] = stage.desk.until(lambda found: "vote" in kinds(found))
    first.wait_for_function("Object.keys(localStorage).length === 0")
    first.wait_for_timeout(500)
    assert [each.id for each in stage.desk.events()] == [vote.id]
    assert page_storage(first) == page_storage(second) == []


def page_storage(page):
    return page.evaluate("Object.keys(localStorage)")


def test_what_a_hidden_tab_could_not_send_another_sends_and_it_is_stored_once(stage):
    one = stage.open()
    one.evaluate(OFFLINE)
    one.evaluate("u.vote('m1', 1)")
    one.wait_for_function("Object.keys(localStorage).length")
    assert json.loads(one.evaluate("Object.values(localStorage)[0]"))["gone"] is False
    stage.open()  # in front of the first, which may now be ended at any time
    [vote] = stage.desk.until(lambda found: found)
    one.bring_to_front()
    one.evaluate("window.fetch = online; dispatchEvent(new Event('online'))")
    one.wait_for_function("fates.some((each) => each[1] === 'sent') && Object.keys(localStorage).length === 0")
    assert [each.id for each in stage.desk.events("vote")] == [vote.id]
    assert page_storage(one) == []


def test_nonsense_is_ignored_and_the_rest_goes_on(stage):
    page = stage.open()
    said = page.evaluate("""async () => {
      const circle = {}; circle.circle = circle;
      const calls = [
        () => u.stream(), () => u.stream({}), () => u.stream({ message: undefined, element: null }),
        () => u.stream({ message: "x".repeat(5000), element: document.body }),
        () => u.stream({ message: "m0", element: null }).text({}), () => u.stream({ message: "m0" }).finish(7),
        () => u.stream({ message: "m0", element: "no element" }).text(undefined),
        () => u.show(), () => u.show({ message: null }), () => u.vote(), () => u.vote(null, 1), () => u.vote({}, 1),
        () => u.vote(Symbol("x"), 1), () => u.rating("m1"), () => u.choice(), () => u.choice(circle), () => u.message(),
        () => u.message({ message: "m1", role: "user", text: "x", meta: circle }), () => u.solicit(), () => u.copy(),
        () => u.regenerate(), () => u.stop({}), () => u.select(undefined), () => u.edit("m1"), () => u.share(circle),
        () => u.conversation(undefined), () => u.consent("all", circle), () => u.consent("all", "2026-10:training"),
        () => u.conversation("c1"), () => u.flush(),
      ];
      for (const call of calls) await call();
      u.vote("m1", 1, { comment: "half \\ud83d and \\0 nothing" });
      return typeof u.stream().text;
    }""")
    assert said == "function"
    found = stage.desk.until(lambda found: "m1" in [each.message for each in found if each.kind == "vote"])
    [vote] = [each for each in found if each.kind == "vote"]
    assert vote.fields["comment"] == "half \ufffd and \ufffd nothing"
    assert vote.consent == "2026-10:training"


def test_started_with_nonsense_it_does_nothing(stage):
    page = stage.open()
    page.evaluate("""async () => {
      const [{ name }] = performance.getEntriesByType("resource").filter((each) => /sdk/.test(each.name));
      const { init } = await import(name);
      for (const options of [undefined, null, {}, { key: 7 }, { key: "x", endpoint: "no address" }, { key: {} }]) {
        const made = init(options);
        made.stream({ message: "m1", element: document.body }).text("x");
        made.vote("m1", 1);
        await Promise.race([made.flush(), new Promise((done) => setTimeout(done, 200))]);
        made.shutdown();
      }
    }""")
    page.evaluate("u.vote('m1', 1)")
    assert kinds(stage.desk.until(lambda found: found)) == ["vote"]


def test_a_refused_event_is_named_and_the_others_are_stored(stage):
    page = stage.open()
    page.evaluate("u.vote('m1', 1); u.vote('m2', 5); u.rating('m3', { scale: 'x', value: NaN, lowest: 1, highest: 5 })")
    assert [each.message for each in stage.desk.until(lambda found: found)] == ["m1"]
    page.wait_for_function("fates.filter((each) => each[1] === 'refused').length === 2 && !localStorage.length")
    details = [detail for _, fate, detail in page.evaluate("fates") if fate == "refused"]
    assert "`value` of a `vote` event is 5" in details[0]
    assert page_storage(page) == []


def test_a_key_that_is_not_good_here_ends_it_and_keeps_nothing(stage):
    page = stage.open(stage.url(key="uns_write_wrong"))
    page.evaluate("u.vote('m1', 1)")
    page.wait_for_function("fates.some((each) => each[1] === 'dropped')")
    page.evaluate("u.vote('m2', 1)")
    page.wait_for_timeout(500)
    assert page_storage(page) == []
    assert page.evaluate(ASKED) <= 1


def test_retry_after_is_kept_to(stage):
    page = stage.open()
    page.evaluate("""() => {
      const real = fetch;
      window.asked = [];
      window.fetch = (...given) => {
        asked.push(performance.now());
        return asked.length > 1 ? real(...given) : Promise.resolve(
          new Response("{}", { status: 503, headers: { "Retry-After": "4" } }));
      };
      u.vote("m1", 1);
    }""")
    page.wait_for_function("asked.length")
    page.evaluate("u.vote('m2', 1)")
    stage.desk.until(lambda found: len(found) == 2)
    first, second = page.evaluate("asked")
    assert 3900 < second - first < 60_000


def test_ten_thousand_chunks_cost_the_page_nothing(stage):
    page = stage.open()
    found = page.evaluate("""async () => {
      const element = document.getElementById("a");
      const answer = u.stream({ message: "m1", element });
      const took = [];
      let text = "";
      for (let at = 0; at < 10_000; at++) {
        text += "words 🙂 ";
        const before = performance.now();
        answer.text(text);
        took.push(performance.now() - before);
        if (at % 100 === 99) {
          element.textContent = text;
          await new Promise((done) => setTimeout(done, 10));
        }
      }
      answer.finish("complete");
      took.sort((one, other) => one - other);
      return { median: took[5000], p99: took[9900], most: took.at(-1) };
    }""")
    assert found["median"] < 0.1, found
    assert found["p99"] < 1, found
    page.close()
    closes = stage.desk.until(lambda found: "close" in kinds(found), "close")
    assert closes[0].fields["total_chars"] == 80_000  # an emoji is one character, as the server counts


def test_a_hostile_text_is_only_counted(stage):
    page = stage.open()
    page.evaluate(STREAM, "<script>alert(1)</script>\u202e" + "x" * 1_000_000)
    started = time.monotonic()
    page.evaluate("answer.finish()")
    page.close()
    [close] = stage.desk.until(lambda found: found, "close")
    assert close.fields["total_chars"] == 1_000_026
    assert time.monotonic() - started < 120


def test_two_tabs_are_two_pages_even_when_one_is_a_copy_of_the_other(stage):
    one = stage.open()
    with stage.window.expect_page() as opened:
        one.evaluate("void window.open(location.href)")  # the new tab begins with a copy of this one's sessionStorage
    two = opened.value
    two.wait_for_selector("html[data-ready]")
    for each, message in ((one, "m1"), (two, "m2")):
        each.bring_to_front()
        each.evaluate(STREAM.replace('"m1"', f'"{message}"'), "Water it.")
        stage.desk.until(lambda found: kinds(found).count("expose") == int(message[1]))  # noqa: B023
    one.close()
    two.close()
    found = stage.desk.until(lambda found: kinds(found).count("close") == 2)
    pages = {each.message: each.page for each in found}
    assert len(set(pages.values())) == 2
    for page in pages.values():
        numbers = [each.n for each in found if each.page == page]
        assert sorted(numbers) == list(range(len(numbers)))
