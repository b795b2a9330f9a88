"""A real Chromium: finding it, getting it where there is none, starting it as people run it, and killing it.

Playwright starts browsers so that pages cannot tell they are tested: every tab is always visible and focused, and there
is no back/forward cache. What these tests ask is just what happens when a tab is not visible. So the browser is started
here, with a profile of its own, and Playwright connects to it without its defaults (`no_defaults`).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import psutil
from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--password-store=basic",
    "--remote-debugging-port=0",
)
INSTALL_S, START_S, CLOSE_S = 600, 180, 60
PORT = "DevToolsActivePort"
HOW_TO = (
    "Install it (Debian: apt-get install chromium; anywhere: python -m playwright install --with-deps chromium), "
    "or name one: UNSPOKEN_CHROMIUM=/path/to/chromium."
)


class NoChromium(Exception):
    """There is none and none can be had; says why and what to do."""


def obtain() -> Path:
    """A Chromium that runs: one that is here, else one that is installed now. Raises NoChromium."""
    if named := os.environ.get("UNSPOKEN_CHROMIUM"):
        if not runs(Path(named)):
            raise NoChromium(f"UNSPOKEN_CHROMIUM is {named}, which does not run. {HOW_TO}")
        return Path(named)
    if found := _found():
        return found
    for command in _installing():
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_S)
        except (OSError, subprocess.SubprocessError):
            continue
        if found := _found():
            return found
    raise NoChromium(f"There is no Chromium here, and none could be installed. {HOW_TO}")


def runs(program: Path) -> bool:
    """Whether it starts at all: Playwright's own comes without the libraries that it needs."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _found() -> Path | None:
    return next((program for program in _here() if runs(program)), None)


def _here() -> Iterator[Path]:
    for name in NAMES:
        if path := shutil.which(name):
            yield Path(path)
    with sync_playwright() as playwright:
        yield Path(playwright.chromium.executable_path)


def _installing() -> Iterator[list[str]]:
    yield [sys.executable, "-m", "playwright", "install", "chromium"]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        yield ["apt-get", "update", "-q"]
        yield ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"]


@dataclass
class Chromium:
    """A running browser with a profile of its own."""

    process: "subprocess.Popen[bytes]"
    address: str  # of its debugging protocol

    def connect(self, playwright: Playwright) -> Browser:
        """Its default context is the window that a person would have: its tabs hide and show each other."""
        return playwright.chromium.connect_over_cdp(self.address, no_defaults=True, timeout=START_S * 1000)

    def tabs(self) -> set[str]:
        """The ids of its tabs."""
        return {each["id"] for each in self._asked("list") if each["type"] == "page"}

    def close(self, tabs: Collection[str]) -> None:
        """Close tabs, also one that is on its way elsewhere, where Playwright's `close` may wait for ever."""
        end = time.monotonic() + CLOSE_S
        while (left := self.tabs() & set(tabs)) and time.monotonic() < end:
            for tab in left:
                with suppress(OSError):  # it is gone
                    self._asked(f"close/{tab}")
            time.sleep(0.05)

    def _asked(self, what: str) -> Any:
        place = urlsplit(self.address).netloc
        with build_opener(ProxyHandler({})).open(f"http://{place}/json/{what}", timeout=60) as answer:
            said = answer.read()
        return json.loads(said) if what == "list" else said

    def kill(self) -> None:
        """kill -9, of all its processes before any of them can notice that another is gone."""
        try:
            main = psutil.Process(self.process.pid)
            main.send_signal(signal.SIGSTOP)  # so that it starts no more of them
            for one in (*main.children(recursive=True), main):
                one.kill()
        except psutil.NoSuchProcess:
            pass
        self.process.wait(120)


@contextmanager
def started(program: Path, profile: Path, *more: str) -> Iterator[Chromium]:
    """A browser on this profile; killed at the end, if it still runs."""
    profile.mkdir(parents=True, exist_ok=True)
    (profile / PORT).unlink(missing_ok=True)
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    command = [program, *FLAGS, *sandbox, *more, f"--user-data-dir={profile}", "about:blank"]
    with (profile / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    chromium = Chromium(process, "")
    try:
        chromium.address = _address(process, profile)
        yield chromium
    finally:
        chromium.kill()


def _address(process: "subprocess.Popen[bytes]", profile: Path) -> str:
    """It writes port and path into a file once it listens."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(FileNotFoundError, ValueError):
            port, path = (profile / PORT).read_text().split()
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(0.02)
    said = (profile / "log.txt").read_text(errors="replace")[-2000:]
    raise NoChromium(f"Chromium did not listen within {START_S} s, and said: {said}")
