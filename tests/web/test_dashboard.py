"""The dashboard in a real browser: parts that move by themselves, keys alone, a phone's width, and no script at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import Engine
from tests.web.chatting import PATIENCE_MS
from tests.web.collector import Collector

from unspoken.events import parse
from unspoken.store import keys, projects
from unspoken.store.columns import now
from unspoken.store.database import transaction
from unspoken.store.ingest import ingest
from unspoken.store.tables import Job, Model, Project, Report

PATHS = (
    "/",
    "/live",
    "/conversations",
    "/signals",
    "/labels",
    "/models",
    "/reports",
    "/jobs",
    "/keys",
    "/erasure",
    "/audit",
)
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
_numbers = count()


@dataclass(frozen=True)
class Site:
    """A project with something on every page, and its admin key."""

    engine: Engine
    url: str
    project: Project
    key: str
    models: list[str]
    job: str

    def at(self, path: str) -> str:
        return f"{self.url}{path}{'&' if '?' in path else '?'}project={self.project.name}"

    def send(self, make_event: Any, **fields: Any) -> None:
        with transaction(self.engine) as session:
            events = [parse(make_event(**fields))]
            ingest(session, self.project, events, sent_at=None, received_at=now())

    def progress(self, share: float, note: str) -> None:
        with transaction(self.engine) as session:
            job = session.get_one(Job, self.job)
            job.progress, job.note = share, note


@pytest.fixture
def site(collector: Collector) -> Site:
    """Words of strangers among them."""
    with transaction(collector.engine) as session:
        project = projects.create(session, f"dashboard-{next(_numbers)}")
        _, key = keys.create(session, project.id, "admin", name=HOSTILE[:60])
        models = [
            Model(project_id=project.id, family="stated", folder="", digest=str(number) * 64, manifest={"labels": 7})
            for number in (1, 2)
        ]
        job = Job(project_id=project.id, name="run.train", state="running", progress=0.2, note="head 1 of 6")
        report = Report(project_id=project.id, verdict="same", summary={"sentence": HOSTILE * 9}, folder="")
        session.add_all([*models, job, report])
        session.flush()
        return Site(collector.engine, collector.url, project, key, [model.id for model in models], job.id)


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """What the browser complained of on pages of `open_page`: nothing, at the end of each test."""
    found: list[str] = []
    yield found
    assert found == []


def watched(page: Page, site: Site, faults: list[str]) -> Page:
    page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(site.url) else faults.append(f"asked {asked.url}"))
    return page


def sign_in(page: Page, site: Site, path: str = "/models") -> None:
    page.goto(site.at(path))
    page.get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_label("Admin key of the project").fill(site.key)
    page.keyboard.press("Enter")
    page.wait_for_url(site.at(path))
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A window of its own, without the cookies of the others."""
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


def test_the_tail_follows_and_stops_when_it_is_paused(context, site, faults, make_event):
    page = watched(context.new_page(), site, faults)
    page.goto(site.at("/live"))
    site.send(make_event, kind="vote", conversation="first", reasons=[HOSTILE])
    expect(page.locator("#tail tbody tr")).to_have_count(1)
    site.send(make_event, kind="copy", conversation="second", message="m7")
    expect(page.locator("#tail tbody tr").first).to_contain_text("second")
    page.get_by_role("link", name="Pause").click()
    expect(page.locator(".pulse")).to_contain_text("Paused")
    site.send(make_event, kind="copy", conversation="third", message="m8")
    page.wait_for_timeout(2_500)
    expect(page.locator("#tail tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Go on").click()
    expect(page.locator("#tail tbody tr")).to_have_count(3)
    page.get_by_label("Kind").select_option("vote")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#tail tbody tr")).to_have_count(1)
    assert "kind=vote" in page.url
    assert page.evaluate("window.hacked") is None


def test_a_bar_moves_while_a_job_runs(context, site, faults):
    page = watched(context.new_page(), site, faults)
    page.goto(site.at("/jobs"))
    bar = page.locator(f"#progress-{site.job}")
    assert bar.get_attribute("value") == "0.2"
    site.progress(0.7, "head 4 of 6")
    expect(bar).to_have_attribute("value", "0.7")
    expect(page.get_by_text("head 4 of 6")).to_be_visible()


def test_signing_in_and_promoting_take_no_mouse(context, site, faults):
    page = watched(context.new_page(), site, faults)
    sign_in(page, site)
    page.get_by_role("button", name="Promote").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Promoted")
    expect(page.get_by_text("in force", exact=True)).to_have_count(1)
    with page.expect_navigation():  # else the next key may be pressed on the page that goes
        page.get_by_role("button", name="Promote").first.press("Enter")
    page.get_by_role("button", name="Roll back").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Rolled back")
    page.get_by_role("button", name="Sign out").press("Enter")
    page.wait_for_url(f"{site.url}/")
    assert context.cookies() == []


def test_the_first_tab_leads_past_the_navigation_and_where_one_is_can_be_seen(context, site, faults):
    page = watched(context.new_page(), site, faults)
    page.goto(site.at("/jobs"))
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = "document.querySelector('main').contains(document.activeElement)"
    assert page.evaluate(inside)
    seen = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"{seen}.outlineStyle + ' ' + {seen}.outlineWidth") == "solid 3px"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone(browser, site, faults, make_event, scheme):
    site.send(make_event, kind="vote", conversation="w" * 200, message="m" * 200, reasons=["x" * 200])
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE_MS)
    page = watched(context.new_page(), site, faults)
    sign_in(page, site)
    for path in PATHS:
        page.goto(site.at(path))
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
        assert page.evaluate("window.hacked") is None
        current = page.locator("nav.pages [aria-current=page]")
        expect(current).to_have_count(1)
    context.close()


def test_without_script_everything_can_be_seen_and_done(browser, site, make_event):
    site.send(make_event, kind="vote", conversation="c1")
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    sign_in(page, site)
    page.get_by_role("button", name="Promote").first.click()
    expect(page.get_by_text("in force", exact=True)).to_have_count(1)
    for path in PATHS:
        assert page.goto(site.at(path)).status == 200
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(site.at("/live?paused=1"))
    expect(page.locator("#tail tbody tr")).to_have_count(1)
    page.goto(site.at("/keys"))
    page.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke it").click()  # the one that was signed in with
    page.wait_for_load_state()
    expect(page.get_by_role("button", name="Revoke it")).to_have_count(0)
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    context.close()


def test_a_page_that_looks_by_itself_becomes_the_form_when_the_key_is_revoked(context, site, collector):
    """As from elsewhere: on a server that listens to other machines, where nobody looks without a session."""
    server = collector.serve(str(collector.engine.url), host="0.0.0.0")
    page = context.new_page()
    page.goto(f"{server.url}/jobs?state=running")  # the socket listens already: the browser waits
    page.get_by_label("Admin key of the project").fill(site.key)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}/jobs?state=running")
    expect(page.get_by_text("head 1 of 6")).to_be_visible()
    with transaction(site.engine) as session:
        keys.revoke(session, keys.authenticate(session, site.key).key_id)
        _, another = keys.create(session, site.project.id, "admin")
    expect(page.get_by_label("Admin key of the project")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("revoked")
    page.get_by_label("Admin key of the project").fill(another)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}/jobs?state=running")
    expect(page.get_by_text("head 1 of 6")).to_be_visible()
    server.end()
