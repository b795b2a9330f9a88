"""What pages, clocks, proxies and people do that nobody planned for: what is told stays true."""

import pytest

OFFLINE = """window.online = window.fetch; navigator.sendBeacon = () => true;
window.fetch = () => Promise.reject(new TypeError("Failed to fetch"));"""
BACK = "window.fetch = online; dispatchEvent(new Event('online'))"
KEPT = "Object.keys(localStorage).filter((key) => key.startsWith('unspoken:')).length"
STREAM = """async () => {
  const exposed = () => fates.filter(([kind, fate]) => kind === "expose" && fate === "queued").length;
  const before = exposed();
  window.answer = u.stream({ message: "m1", element: a });
  a.textContent = "Water it.";
  answer.text(a.textContent);
  while (exposed() === before) await new Promise((done) => setTimeout(done, 20));
}"""
UNTOLD = STREAM.replace("while (exposed() === before)", "").replace("20)", "300)")
AHEAD = "window.off = 86_400_000; const real = Date.now; Date.now = () => real() + off;"


def kinds(found):
    return [each.kind for each in found]


def only(stage, kind):
    [found] = stage.desk.until(lambda found: found, kind)
    return found


def test_a_page_that_starts_without_consent_removes_what_earlier_ones_kept(stage):
    page = stage.open(before=OFFLINE)
    page.evaluate("u.vote('m1', 1, { comment: 'in confidence' })")
    page.wait_for_function(KEPT)
    page.close()
    page = stage.open(stage.url(consent="none"))
    assert page.evaluate(KEPT) == 0


def test_saying_no_again_removes_what_others_kept_since(stage):
    page = stage.open(stage.url(consent="none"))
    page.evaluate(f"localStorage.setItem('unspoken:{stage.desk.key[-8:]}:x', '{{}}')")
    page.evaluate("u.consent('none')")
    assert page.evaluate(KEPT) == 0


def test_what_was_seen_before_consent_is_not_told_after_it(stage):
    page = stage.open(stage.url(consent="none"))
    page.evaluate(UNTOLD)
    page.evaluate("answer.finish(); a.style.display = 'none'")
    page.wait_for_timeout(800)
    page.evaluate("u.consent('all'); u.regenerate('m1')")
    assert only(stage, "regenerate").fields["seen_chars"] == 0
    page.close()
    stage.window.pages[0].wait_for_timeout(300)
    assert kinds(stage.desk.events()) == ["regenerate"]


def test_what_arrives_at_once_below_the_screen_was_not_seen(stage):
    page = stage.open()
    page.evaluate(STREAM)
    page.evaluate("""() => {
      a.innerHTML = "0123456789<br>".repeat(2000);
      answer.text(a.textContent);
      answer.finish();
      u.regenerate("m1");
    }""")
    assert only(stage, "regenerate").fields["seen_chars"] == 9
    stage.desk.until(lambda found: any(each.fields["seen_chars"] > 9 for each in found), "heartbeat")
    page.close()
    close = only(stage, "close").fields
    assert (close["total_chars"], close["phase"]) == (20_000, "reading")
    assert 9 < close["seen_chars"] < 2000


def test_showing_an_answer_in_another_element_ends_no_stream(stage):
    page = stage.open()
    page.evaluate(STREAM)
    page.evaluate("""() => {
      const copy = a.cloneNode(true);
      a.replaceWith(copy);
      u.show({ message: "m1", element: copy });
      copy.textContent = "Water it twice.";
      answer.text(copy.textContent);
    }""")
    stage.desk.until(lambda found: any(each.fields["seen_chars"] == 15 for each in found), "heartbeat")
    page.close()
    assert only(stage, "close").fields == {"phase": "streaming", "seen_chars": 15, "total_chars": 15, "cause": "tab"}


def test_an_element_that_is_made_anew_with_every_chunk_is_found(stage):
    page = stage.open()
    page.evaluate("""async () => {
      const answer = u.stream({ message: "m1", element: () => document.getElementById("a") });
      for (let at = 1; at <= 20; at++) {
        const now = document.getElementById("a");
        const next = now.cloneNode();
        next.textContent = "hello ".repeat(at);
        now.replaceWith(next);
        answer.text(next.textContent);
        await new Promise((done) => setTimeout(done, 40));
      }
      document.getElementById("a").replaceWith(document.getElementById("a").cloneNode(true));
    }""")
    stage.desk.until(lambda found: any(each.fields["seen_chars"] == 120 for each in found), "heartbeat")
    page.close()
    found = stage.desk.until(lambda found: "view" in kinds(found), "expose", "close", "view")
    assert kinds(found) == ["expose", "close", "view"]
    assert (found[1].fields["seen_chars"], found[1].fields["total_chars"]) == (120, 120)


def test_a_clock_put_right_in_mid_visit_moves_nothing(stage):
    page = stage.open(before=AHEAD + OFFLINE)
    page.evaluate("u.vote('m1', 1)")
    page.wait_for_timeout(400)
    page.evaluate(f"window.off = 0; {BACK}")
    vote = only(stage, "vote")
    assert abs((vote.occurred_at - vote.received_at).total_seconds()) < 300


def test_a_clock_put_right_between_two_pages_moves_nothing(stage):
    page = stage.open(before=AHEAD + OFFLINE)
    page.evaluate("u.vote('m1', 1)")
    page.wait_for_function(KEPT)
    page.close()
    stage.open()
    vote = only(stage, "vote")
    assert abs((vote.occurred_at - vote.received_at).total_seconds()) < 300


@pytest.mark.parametrize("call", ["u.conversation('c2')", "u.stop('m1')", "u.regenerate('m1')"])
def test_a_stream_that_is_over_leaves_no_close_with_the_browser(stage, call):
    page = stage.open()
    page.evaluate(STREAM)
    page.evaluate(call)
    page.evaluate(f"{OFFLINE} 0")
    page.close()
    stage.window.pages[0].wait_for_timeout(1500)
    assert "close" not in kinds(stage.desk.events())


def test_votes_are_kept_before_all_else(stage):
    more = {"user": "u" * 150, "conversation": "c" * 150, "consentVersion": "2026-10:service,analytics,training"}
    page = stage.open(stage.url(**more), before=OFFLINE)
    page.evaluate("for (let at = 0; at < 490; at++) u.copy('m'.repeat(100) + at, { chars: 1 }); u.vote('m1', -1)")
    page.wait_for_function(f"{KEPT} === 1")
    page.wait_for_timeout(300)
    page.close()
    stage.open()
    found = stage.desk.until(lambda found: "vote" in kinds(found))
    assert len(found) < 491  # there was no room for all


def test_regenerating_ends_the_stream(stage):
    page = stage.open()
    page.evaluate(STREAM)
    page.evaluate("u.regenerate('m1')")
    page.close()
    assert only(stage, "regenerate").fields["phase"] == "streaming"
    assert only(stage, "close").fields["phase"] == "reading"


def test_a_page_that_moves_the_focus_is_nobody_who_moves(stage):
    page = stage.open(stage.url('<input id="field"><article id="a"></article>'))
    page.evaluate(STREAM)
    page.mouse.move(10, 10)
    page.evaluate("answer.finish(); setInterval(() => (field.focus(), field.blur()), 300)")
    page.wait_for_timeout(3000)
    page.mouse.move(20, 20)
    assert only(stage, "pause").fields["ms"] >= 1000  # less than 3000 where the machine stood still


def test_an_id_that_two_conversations_have_is_two_answers(stage):
    page = stage.open()
    page.evaluate(STREAM)
    page.evaluate("answer.finish(); u.conversation('c2')")
    page.evaluate(STREAM)
    page.close()
    found = stage.desk.until(lambda found: "close" in kinds(found) and kinds(found).count("view") == 2)
    assert [each.conversation for each in found if each.kind == "expose"] == ["c1", "c2"]
    assert [each.conversation for each in found if each.kind == "close"] == ["c2"]


@pytest.mark.parametrize("status", [403, 404, 405, 413])
def test_a_no_of_a_proxy_is_not_the_servers(stage, status):
    page = stage.open()
    page.evaluate(f"""async () => {{
      window.online = fetch;
      window.fetch = () => Promise.resolve(new Response("<h1>Blocked</h1>", {{ status: {status} }}));
      u.vote("m1", 1);
      await new Promise((done) => setTimeout(done, 500));
      {BACK};
    }}""")
    assert only(stage, "vote").message == "m1"


def test_a_download_is_no_leaving(stage):
    file = stage.serve("x", {"Content-Disposition": "attachment; filename=x.bin"})
    page = stage.open(stage.url(f'<article id="a"></article><a id="file" href="{file}">a file</a>'))
    page.evaluate(STREAM)
    page.click("#file")
    page.wait_for_timeout(500)
    page.close()
    assert only(stage, "close").fields["cause"] == "tab"


def test_a_machine_asleep_is_no_pause(stage):
    clock = "window.jump = 0; const now = performance.now.bind(performance); performance.now = () => now() + jump;"
    page = stage.open(before=clock)
    page.evaluate(STREAM)
    page.evaluate("answer.finish()")
    page.mouse.move(10, 10)
    page.evaluate("window.jump = 3000")
    page.mouse.move(20, 20)
    page.wait_for_timeout(300)
    page.close()
    assert only(stage, "view").fields["hidden_ms"] in (2000, 3000)
    assert [each.fields["ms"] for each in stage.desk.events("pause") if each.fields["ms"] > 1000] == []


def test_what_is_too_large_goes_and_the_rest_stays(stage):
    page = stage.open(before=OFFLINE)
    page.evaluate("u.copy('m1', { chars: 1 }); u.message({ message: 'q', role: 'user', text: 'x'.repeat(2_100_000) })")
    assert page.evaluate("fates.filter((each) => each[1] === 'dropped').map((each) => each[0])") == ["message"]


LIBRARY = """Array.prototype.toJSON = function () { return "[" + this.join(", ") + "]"; };
String.prototype.toJSON = function () { return "'" + this + "'"; };"""
NO_LOCKS = "navigator.locks.request = () => { throw new DOMException('denied', 'SecurityError'); };"


@pytest.mark.parametrize("host", [LIBRARY, NO_LOCKS], ids=["toJSON", "locks"])
def test_what_the_host_page_changed_changes_nothing(stage, host):
    page = stage.open(before=host)
    page.evaluate("u.vote('m1', -1, { reasons: ['wrong', 'long'] })")
    assert only(stage, "vote").fields == {"value": -1, "reasons": ["wrong", "long"]}


def test_a_copy_out_of_a_field_in_an_answer_is_none_of_the_answer(stage):
    page = stage.open(stage.url('<article id="a">Water it. <textarea id="field">My own words</textarea></article>'))
    page.evaluate("u.show({ message: 'm1', element: a }); field.select(); document.execCommand('copy')")
    page.evaluate("u.vote('m1', 1)")
    only(stage, "vote")
    assert stage.desk.events("copy") == []


def test_one_that_was_shut_down_does_nothing_more_and_leaves_the_rest_to_the_next(stage):
    page = stage.open()
    page.evaluate(f"{OFFLINE} u.vote('m1', 1); u.shutdown()")
    page.wait_for_timeout(300)
    page.evaluate(
        f"window.asked = 0; window.fetch = () => (asked++, Promise.reject(new TypeError('no'))); ({UNTOLD})()"
    )
    page.evaluate("u.consent('none')")
    page.wait_for_timeout(1500)
    assert page.evaluate("asked") == 0
    assert page.evaluate(KEPT) == 1
    page.evaluate("window.fetch = online; start()")
    assert only(stage, "vote").message == "m1"
