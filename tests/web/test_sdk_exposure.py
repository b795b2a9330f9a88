"""What was on the screen, for how long, and how much of it: as it arrives in the database."""

from datetime import timedelta
from itertools import pairwise

from tests.web.stage import MOVES, whole_seconds

TALL = '<div style="height: 3000px"></div><article id="a"></article><div style="height: 3000px"></div>'
TWO = '<article id="a"></article><article id="b"></article>'


def say(page, lines=5, every_ms=20, message="m1", at="a", finish=True, **more):
    """An answer streams into an element, ten characters and a line at a time."""
    page.evaluate(
        """async ([lines, every, at, given, finish]) => {
            const element = document.getElementById(at);
            const answer = u.stream({ ...given, element });
            for (let line = 0; line < lines; line++) {
                element.append("0123456789", document.createElement("br"));
                answer.text(element.textContent);
                await new Promise((done) => setTimeout(done, every));
            }
            if (finish) answer.finish("complete");
        }""",
        [lines, every_ms, at, {"message": message, **more}, finish],
    )


def kinds(found, message=None):
    return [each.kind for each in found if message in (None, each.message)]


def without_beats(found, message=None):
    return [kind for kind in kinds(found, message) if kind != "heartbeat"]


def test_an_answer_is_exposed_once_and_viewed_when_the_page_ends(stage):
    page = stage.open(stage.url(user="ann", arm={"policy": "b"}, consentVersion="2026-10:training"))
    say(page)
    page.wait_for_timeout(1600)
    page.close()
    found = stage.desk.until(lambda found: {"close", "view"} <= set(kinds(found)))
    assert without_beats(found) == ["expose", "close", "view"]
    assert [each.n for each in found] == list(range(len(found)))
    beats = [each for each in found if each.kind == "heartbeat"]
    assert {"phase": "reading", "seen_chars": 50, "total_chars": 50} in [each.fields for each in beats[:2]]
    assert len(beats) >= 2
    assert all(later.at - before.at >= timedelta(milliseconds=400) for before, later in pairwise(beats[2:]))
    view = found[-1].fields
    assert view["visible_ms"] == view["active_ms"] + view["idle_ms"] in range(1000, 60_000, 1000)
    for each in found:
        assert each.user is not None
        assert (each.arm, each.consent) == ({"policy": "b"}, "2026-10:training")
        assert each.id[14] == each.page[14] == "7"
        assert each.session
        assert each.device


def test_an_empty_answer_is_not_exposed(stage):
    page = stage.open(stage.url('<article id="a" style="height: 100px"></article>'))
    say(page, lines=0)
    page.wait_for_timeout(700)
    page.close()
    found = stage.desk.until(lambda found: "close" in kinds(found))
    assert kinds(found) == ["close"]


def test_what_is_rendered_below_the_screen_is_exposed_once_it_is_scrolled_to(stage):
    page = stage.open(stage.url(TALL))
    say(page)
    page.wait_for_timeout(500)
    assert stage.desk.events() == []
    page.evaluate("scrollTo(0, 2700)")
    stage.desk.until(lambda found: "expose" in kinds(found))
    page.evaluate("scrollTo(0, 0)")
    stage.desk.until(lambda found: "view" in kinds(found))
    page.evaluate("scrollTo(0, 2700)")
    found = stage.desk.until(lambda found: kinds(found).count("expose") == 2)
    assert without_beats(found) == ["expose", "view", "expose"]


def test_only_what_was_scrolled_to_was_seen(stage):
    page = stage.open()
    say(page, lines=400, every_ms=0, finish=False)  # some 7000 pixels on a screen of some hundred
    stage.desk.until(lambda found: [each.fields["total_chars"] for each in found].count(4000) > 1, "heartbeat")
    page.evaluate("u.regenerate('m1')")
    [first] = stage.desk.until(lambda found: found, "regenerate")
    assert (first.fields["phase"], first.fields["total_chars"]) == ("streaming", 4000)
    share = page.evaluate("innerHeight / document.getElementById('a').getBoundingClientRect().height")
    assert abs(first.fields["seen_chars"] - 4000 * share) < 200
    page.evaluate("scrollTo(0, document.getElementById('a').getBoundingClientRect().height / 2)")
    stage.desk.until(lambda found: any(each.fields["seen_chars"] > 2000 for each in found), "heartbeat")
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("u.regenerate('m1')")
    [_, found] = stage.desk.until(lambda found: len(found) == 2, "regenerate")
    assert abs(found.fields["seen_chars"] - 4000 * (0.5 + share)) < 200
    assert found.fields["phase"] == "reading"  # regenerating ends the stream


def test_the_next_answer_ends_the_exposure_of_the_last(stage):
    page = stage.open(stage.url(TWO))
    say(page, message="m1", at="a")
    stage.desk.until(lambda found: "expose" in kinds(found))
    say(page, message="m2", at="b")
    page.wait_for_timeout(500)
    found = stage.desk.until(lambda found: "m2" in [each.message for each in found])
    assert without_beats(found) == ["expose", "view", "expose"]
    assert without_beats(found, "m1") == ["expose", "view"]


def test_two_answers_side_by_side_are_exposed_together(stage):
    page = stage.open(stage.url(TWO))
    say(page, message="m1", at="a", parent="p")
    say(page, message="m2", at="b", parent="p")
    stage.desk.until(lambda found: kinds(found).count("expose") == 2)
    page.evaluate("u.choice({ chosen: 'm2', rejected: ['m1'], order: ['m1', 'm2'] })")
    page.close()
    found = stage.desk.until(lambda found: kinds(found).count("view") == 2)
    assert without_beats(found) == ["expose", "expose", "choice", "close", "view", "view"]


def test_an_answer_that_is_written_over_by_its_sibling_is_viewed(stage):
    page = stage.open()
    say(page, message="m1", parent="p")
    stage.desk.until(lambda found: "expose" in kinds(found))
    page.evaluate("u.regenerate('m1'); document.getElementById('a').textContent = ''")
    say(page, message="m2", parent="p")
    found = stage.desk.until(lambda found: "m2" in [each.message for each in found])
    assert without_beats(found) == ["expose", "regenerate", "view", "expose"]
    page.evaluate("u.consent('votes'); u.consent('all')")  # begins anew with what is shown
    stage.desk.until(lambda found: kinds(found, "m2").count("expose") == 2)
    assert kinds(stage.desk.events(), "m1").count("expose") == 1


def test_an_answer_that_is_taken_off_the_page_is_viewed(stage):
    page = stage.open()
    say(page)
    stage.desk.until(lambda found: "expose" in kinds(found))
    page.evaluate("document.getElementById('a').remove()")
    stage.desk.until(lambda found: "view" in kinds(found))


def test_a_history_is_exposed_where_it_is_on_the_screen(stage):
    rows = "".join(f'<p id="h{at}" style="height: 300px">Answer {at}</p>' for at in range(20))
    page = stage.open(stage.url(rows))
    page.evaluate("""() => document.querySelectorAll("p").forEach((each) =>
      u.show({ message: each.id, element: each }))""")
    stage.desk.until(lambda found: "expose" in kinds(found))
    page.wait_for_timeout(700)
    seen = [each.message for each in stage.desk.events("expose")]
    assert seen[:2] == ["h0", "h1"]
    assert "h10" not in seen


def test_a_pause_is_told_when_somebody_moves_again_and_only_its_whole_seconds(stage):
    page = stage.open()
    say(page)
    page.evaluate(MOVES)
    page.mouse.move(10, 10)
    page.wait_for_timeout(2000)
    page.mouse.move(20, 20)
    [pause] = stage.desk.until(lambda found: found, "pause")
    assert pause.fields["phase"] == "reading"
    assert pause.fields["ms"] % 1000 == 0
    assert 1000 <= pause.fields["ms"] <= whole_seconds(page)  # less where the machine stood still: that is no pause
    page.wait_for_timeout(4500)  # longer than anybody reads, at a tenth of the time
    page.mouse.move(30, 30)
    page.wait_for_timeout(500)
    assert len(stage.desk.events("pause")) == 1


def test_a_copy_is_counted_and_not_read(stage):
    page = stage.open(
        stage.url('<article id="a">Run <pre><code id="code">pip install 🙂</code></pre></article><p id="p">x')
    )
    page.evaluate("u.show({ message: 'm1', element: document.getElementById('a') })")
    for what in ("code", "a", "p"):
        page.evaluate(
            """(what) => {
              getSelection().selectAllChildren(document.getElementById(what));
              document.execCommand("copy");
            }""",
            what,
        )
    page.evaluate("u.copy('m1', { chars: 3, part: 'prose' })")
    found = stage.desk.until(lambda found: len(found) == 3, "copy")
    assert found[0].fields == {"chars": 13, "part": "code"}
    assert found[1].fields["part"] == "prose"
    assert found[2].fields == {"chars": 3, "part": "prose"}
    assert "pip" not in str([each.fields for each in found])


def test_every_call_arrives_with_its_fields(stage):
    page = stage.open()
    say(page, finish=False)
    page.evaluate("""() => {
      u.message({ message: "q1", role: "user", text: "Why?" });
      u.vote("m1", -1, { reasons: ["wrong"], comment: "no" });
      u.rating("m1", { scale: "quality", value: 2, lowest: 1, highest: 5 });
      u.rating(null, { scale: "quality", value: 2, lowest: 1, highest: 5 });
      u.solicit("m1", { level: "soft", shown: true });
      u.stop("m1");
      u.regenerate("m1", { displayed: "m1" });
      u.select("m1", { previous: "m2", displayed: "m2" });
      u.edit("q1", "q2");
      u.share("m1");
    }""")
    found = stage.desk.until(lambda found: "share" in kinds(found))
    told = {each.kind: each for each in found}
    assert told["message"].fields["role"] == "user"
    assert told["vote"].fields == {"value": -1, "reasons": ["wrong"], "comment": "no"}
    assert [each.message for each in found if each.kind == "rating"] == ["m1", None]
    assert told["solicit"].fields == {"level": "soft", "shown": True}
    assert told["stop"].fields["total_chars"] == 50
    assert told["regenerate"].fields["phase"] == "reading"
    assert told["regenerate"].fields["displayed"] == "m1"
    assert told["select"].fields == {"previous": "m2", "displayed": "m2"}
    assert told["edit"].fields == {"to": "q2"}
    assert told["share"].message == "m1"


def test_another_conversation_ends_what_was_exposed_in_the_first(stage):
    page = stage.open(stage.url(TWO))
    say(page)
    stage.desk.until(lambda found: "expose" in kinds(found))
    page.evaluate("u.conversation('c2')")
    stage.desk.until(lambda found: "view" in kinds(found))
    say(page, message="m2", at="b")
    page.close()
    found = stage.desk.until(lambda found: "close" in kinds(found) and kinds(found).count("view") == 2)
    for each in found:
        assert each.conversation == {"m1": "c1", "m2": "c2"}[each.message]
    assert [each.message for each in found if each.kind == "close"] == ["m2"]


REATTACHED = """() => {
  const put = (name, message) => {
    const element = document.createElement("article");
    element.textContent = "An answer of some length";
    document.body.append(element);
    window[name] = element;
    u.show({ message, element });
  };
  put("one", "m1");
  put("two", "m2");
}"""


def test_an_element_that_is_put_back_is_exposed_anew(stage):
    page = stage.open(stage.url(""))
    page.evaluate(REATTACHED)
    stage.desk.until(lambda found: kinds(found).count("expose") == 2)
    page.evaluate("one.remove()")
    stage.desk.until(lambda found: kinds(found, "m1").count("view") == 1)
    page.evaluate("document.body.prepend(one)")
    stage.desk.until(lambda found: without_beats(found, "m1") == ["expose", "view", "expose"])
    assert without_beats(stage.desk.events(), "m2") == ["expose"]


def test_an_element_that_is_taken_off_as_the_next_answer_begins_is_exposed_when_it_comes_back(stage):
    page = stage.open(stage.url(TWO))
    say(page)
    stage.desk.until(lambda found: "expose" in kinds(found))
    page.evaluate("""() => {
      window.one = document.getElementById("a");
      one.remove();
      u.stream({ message: "m2", element: document.getElementById("b") }).text(0);
    }""")
    stage.desk.until(lambda found: "view" in kinds(found, "m1"))
    page.evaluate("document.body.prepend(one)")
    stage.desk.until(lambda found: without_beats(found, "m1") == ["expose", "view", "expose"])


def test_what_the_page_took_away_for_good_is_not_kept_alive(stage):
    page = stage.open(stage.url(""))
    page.evaluate(REATTACHED)
    stage.desk.until(lambda found: kinds(found).count("expose") == 2)
    page.evaluate("one.remove(); window.gone = new WeakRef(one); delete window.one")
    stage.desk.until(lambda found: kinds(found, "m1").count("view") == 1)
    for _ in range(50):
        page.request_gc()
        if page.evaluate("gone.deref() === undefined"):
            break
        page.wait_for_timeout(100)
    else:
        raise AssertionError("the detached element is still there")


def test_a_close_is_about_the_answer_somebody_went_back_to_while_another_is_written(stage):
    page = stage.open(stage.url(TWO))
    say(page, parent="p")
    stage.desk.until(lambda found: "expose" in kinds(found))
    say(page, message="m3", at="b", finish=False, parent="p")
    stage.desk.until(lambda found: "expose" in kinds(found, "m3"))
    page.evaluate("document.getElementById('b').remove(); u.select('m1', { previous: 'm3', displayed: 'm3' })")
    stage.desk.until(lambda found: "view" in kinds(found, "m3"))
    page.close()
    [close] = stage.desk.until(lambda found: found, "close")
    assert (close.message, close.fields["phase"]) == ("m1", "reading")
