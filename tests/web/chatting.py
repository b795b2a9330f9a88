"""The page /chat as somebody at the screen uses it, and the servers behind it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page
from sqlalchemy import Engine, select
from tests.server import Server, serving
from tests.web.collector import Desk

from unspoken import migrate
from unspoken.store import projects
from unspoken.store.database import connect, reading
from unspoken.store.tables import Message

PATIENCE_MS = 180_000


@dataclass(frozen=True)
class House:
    """A server with a chat, and what it stored."""

    engine: Engine
    server: Server

    @property
    def desk(self) -> Desk:
        """What has arrived from the chat's page."""
        with reading(self.engine) as session:
            return Desk(self.engine, projects.get(session, "demo-chat").number, "")

    def messages(self) -> list[Message]:
        """As the tree was told, in the order of their times."""
        with reading(self.engine) as session:
            return list(session.scalars(select(Message).order_by(Message.occurred_at)))


@dataclass
class Talk:
    """The chat in a tab, as somebody at the screen uses it."""

    page: Page
    troubles: list[str]

    def agree(self, mode: str) -> None:
        """Answers the notice."""
        self.page.wait_for_selector("#consent[open]")
        self.page.check(f"#consent input[value={mode}]")
        self.page.click("#agree")
        self.page.wait_for_selector(f"body[data-recording={mode}]")

    def say(self, text: str) -> None:
        """Writes and sends, without waiting."""
        self.page.fill("#prompt", text)
        self.page.press("#prompt", "Enter")

    def answered(self) -> str:
        """Waits for the answer; its text."""
        self.page.wait_for_selector("#send:visible", timeout=PATIENCE_MS)
        self.page.wait_for_selector("[data-busy]", state="detached")
        return self.page.locator(".assistant .body").last.inner_text()

    def ask(self, text: str) -> str:
        """Both."""
        self.say(text)
        self.page.wait_for_selector(f".user:has-text({text[:20]!r})")
        return self.answered()

    def hit(self) -> Any:
        """What a script in a text would have set."""
        return self.page.evaluate("window.hit")


@contextmanager
def housed(folder: Path, **settings: Any) -> Iterator[House]:
    """A server with a chat on a fresh SQLite file, with these settings."""
    url = f"sqlite:///{folder / 'unspoken.db'}"
    engine = connect(url)
    migrate.upgrade(engine)
    with serving(folder) as serve:
        yield House(engine, serve(url, **settings))
    engine.dispose()


@contextmanager
def local_model() -> Iterator[dict[str, str]]:
    """The real local model, as `unspoken up` starts it: the settings with which it is found."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "UNSPOKEN_UPSTREAM_KEY": "k"}
    command = [sys.executable, "-m", "unspoken", "upstream", "--port", "0"]
    model = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert model.stdout
        listening = re.search(r"http://\S+", model.stdout.readline())
        assert listening
        yield {"upstream_url": listening.group(), "upstream_key": "k"}
    finally:
        model.terminate()
        model.communicate(timeout=120)


def entered(window: BrowserContext, house: House, *lots: float, script: str = "") -> Talk:
    """The chat of a house in a new tab. `lots` are what the next draws give: 0.9 for one answer, 0.1 for two."""
    page = window.new_page()
    page.set_default_timeout(PATIENCE_MS)
    talk = Talk(page, [])
    page.on("pageerror", lambda error: talk.troubles.append(str(error)))
    page.on("console", lambda said: talk.troubles.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: talk.troubles.append(dialog.message))  # it stays open, and the test fails
    page.add_init_script(f"const lots = {list(lots)}; Math.random = () => lots.length ? lots.shift() : 0.9; {script}")
    page.goto(f"{house.server.url}/chat")
    return talk
