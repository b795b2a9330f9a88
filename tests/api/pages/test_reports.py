"""The pages of reports and of the audit: what was found, what was withdrawn, and who did what."""

import pytest

from unspoken.store import audit
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.tables import Report


@pytest.fixture
def report(engine, project, tmp_path):
    """A report, its document on disk, and one that was withdrawn."""
    (tmp_path / "index.html").write_text("<h1>The document</h1>")
    with transaction(engine) as session:
        rows = [
            Report(project_id=project.id, verdict="differ by more than the margin", folder=str(tmp_path),
                   summary={"sentence": "They differ.", "labels_sentence": "Labels correlate."}),
            Report(project_id=project.id, verdict="same", folder=str(tmp_path), summary={}, withdrawn_at=now()),
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def test_reports_are_listed_with_what_they_found(browser, report):
    text = browser.get("/reports").text
    for words in ("differ by more than the margin", "They differ.", "Labels correlate.", "withdrawn"):
        assert words in text
    assert f'href="/reports/{report[0]}"' in text
    assert f'href="/reports/{report[1]}"' not in text


def test_who_signed_in_reads_the_document_in_which_nothing_runs(browser, report):
    answer = browser.get(f"/reports/{report[0]}")
    assert answer.text == "<h1>The document</h1>"
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for gone in (report[1], "none", "%00"):
        refused = browser.get(f"/reports/{gone}")
        assert refused.status_code == 404
        assert "There is no such page" in refused.text


def test_no_report_yet_says_how_to_get_one(browser):
    assert "None was made yet" in browser.get("/reports").text


def test_the_audit_is_shown_page_by_page(browser, engine, project):
    with transaction(engine) as session:
        for number in range(130):
            audit.write(
                session, project.id, "command line", "project.set", f"s{number}.", {"after": {"n": [number, "é"]}}
            )
    first = browser.get("/audit").text
    assert "s129." in first
    assert "s29." not in first
    assert "{&#34;n&#34;: [129, &#34;é&#34;]}" in first
    before = first.split('href="/audit?before=')[1].split('"')[0]
    assert "s29." in browser.get(f"/audit?before={before}").text
    assert browser.get("/audit?before=x").status_code == 422
