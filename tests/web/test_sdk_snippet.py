"""The ten lines of docs/browser.md, just as they stand there."""

import re
from pathlib import Path

DOCS = (Path(__file__).parents[2] / "docs" / "browser.md").read_text()
[SNIPPET] = re.findall(r"```html\n(.*?)```", DOCS, re.DOTALL)
CHATBOT = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Shop</title>
<script>
  async function* yourChatbot() {
    for (const word of ["Water ", "it ", "from ", "below."]) {
      await new Promise((done) => setTimeout(done, 50));
      yield word;
    }
    document.documentElement.dataset.ready = "yes";
  }
</script>
"""


def test_the_script_has_ten_lines():
    script = SNIPPET.partition('<script type="module">\n')[2].partition("</script>")[0]
    assert len(script.splitlines()) <= 10


def test_the_snippet_records_what_the_docs_say(stage):
    html = SNIPPET.replace("http://127.0.0.1:8000", stage.collector.url).replace("uns_write_…", stage.desk.key)
    page = stage.open(stage.serve(CHATBOT + html))
    page.click("#good")
    stage.desk.until(lambda found: "vote" in [each.kind for each in found])
    page.close()
    found = stage.desk.until(lambda found: {"close", "view"} <= {each.kind for each in found})
    assert {each.kind: each.message for each in found} == dict.fromkeys(
        ("expose", "heartbeat", "vote", "close", "view"), "m2"
    )
    [close] = [each for each in found if each.kind == "close"]
    assert close.fields == {"phase": "reading", "seen_chars": 20, "total_chars": 20, "cause": "tab"}
    assert {each.conversation for each in found} == {"c1"}
