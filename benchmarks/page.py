"""How many leavings does the page's SDK bring home, and what does it cost the page? In a real Chromium.

Answers stream into real tabs, which are closed, navigated, hidden, or die with their browser (kill -9) at random
moments in mid-stream; the database says which of them are known afterwards. Then the main thread's time for each chunk,
with and without the SDK. The floor, in the same run: the fetch that a page without an SDK sends when it ends.
Run: make bench NAME=page (ARGS="--number 20" for a short one)
"""

import gzip
import json
import os
import platform
import random
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

HERE = Path(__file__).parent
HEADLINES = {"close": "delivered", "navigate": "delivered", "hide": "delivered", "kill9": "detected"}


def main() -> None:
    """Measure, print, write results/page.{json,md}."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200, help="leavings for each cause")
    parser.add_argument("--chunks", type=int, default=1000, help="of each answer that is measured")
    parser.add_argument("--rounds", type=int, default=3, help="answers with and without the SDK")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of leaving")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    asked = parser.parse_args()
    if asked.number < 2 or asked.chunks < 100 or asked.rounds < 1:
        parser.error("it takes two leavings, a hundred chunks and one round to say anything")
    random.seed(asked.seed)
    sys.path.insert(0, str(HERE.parent))  # the tests' browser, server and product are used here as well
    figures, chromium = measure(asked.number, asked.chunks, asked.rounds)
    settings = {name: value for name, value in vars(asked).items() if name != "results"}
    result = {
        "name": "page",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {"chromium": chromium, **{name: version(name) for name in ("unspoken", "playwright", "uvicorn")}},
        "settings": settings,
        "figures": figures,
    }
    asked.results.mkdir(exist_ok=True)
    (asked.results / "page.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    words = f"# page\n\n{table(figures)}\n\n{prose(figures, result)}"
    (asked.results / "page.md").write_text(words)
    print(words)


def measure(number: int, chunks: int, rounds: int) -> tuple[dict[str, Any], str]:
    """All figures, and the browser's version."""
    from benchmarks.page_parts.chunks import measure as costs
    from benchmarks.page_parts.leaving import CAUSES, Place
    from playwright.sync_api import sync_playwright
    from tests.server import serving
    from tests.web.chromium import obtain
    from tests.web.collector import open_collector
    from tests.web.product import selling

    from unspoken.api.pages.sdk import MODULE, served

    size = len(gzip.compress(served(MODULE).plain, 9, mtime=0))
    program = obtain()
    with TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as name, sync_playwright() as playwright:
        folder = Path(name)
        with serving(folder) as serve, open_collector(folder, serve) as collector, selling() as product:
            place = Place(program, folder, playwright, collector, product)
            causes = {}
            for cause, work in CAUSES.items():
                started = perf_counter()
                causes[cause] = work(place, number, say(cause))
                print(f"{cause}: {causes[cause]} in {perf_counter() - started:.0f} s", flush=True)
            cost = costs(place, chunks, rounds, say("chunks"))
            with place.browser() as (browser, _):
                chromium = browser.version
    headlines = {f"{word}_{cause}": causes[cause][word]["share"] for cause, word in HEADLINES.items()}
    return {**headlines, "sdk_gzip_bytes": size, **cost, "causes": causes}, chromium


def say(what: str) -> Callable[[str], None]:
    """Prints how far it has come."""
    return lambda line: print(f"  {what}: {line}", flush=True)


def table(figures: dict[str, Any]) -> str:
    """For readers."""
    rows = {
        "the tab is closed": ("close", "delivered"),
        "a link is followed": ("navigate", "delivered"),
        "… the page goes into the browser's cache (`hide`)": ("navigate", "cached"),
        "… the page ends (`close`)": ("navigate", "not_cached"),
        "another tab comes to the front (`hide`)": ("hide", "delivered"),
        "kill -9 of the browser: known in the end": ("kill9", "detected"),
        "kill -9 of the browser: sent by the page itself": ("kill9", "delivered"),
    }
    lines = ["| in mid-stream | known, of | share [95 %] | floor: a fetch at `pagehide` |", "|---|---|---|---|"]
    for words, (cause, which) in rows.items():
        one, floor = figures["causes"][cause][which], figures["causes"][cause]["floor"]
        below = f"{floor['share']:.1%}" if which in HEADLINES.values() else ""
        share = f"{one['share']:.1%} [{one['low']:.1%}, {one['high']:.1%}]"
        lines.append(f"| {words} | {one['hits']} of {one['of']} | {share} | {below} |")
    return "\n".join(lines)


def prose(figures: dict[str, Any], result: dict[str, Any]) -> str:
    """What the table does not say."""
    median, p99, most = (figures[f"chunk_main_thread_ms_{name}"] for name in ("p50", "p99", "max"))
    with_sdk, without = (figures[f"all_main_thread_ms_per_chunk_{name}"] for name in ("with", "without"))
    return (
        f"Chromium {result['versions']['chromium']}, headless, one profile for each cause and one for each kill; each "
        f"page has an origin of its own, so that nothing is brought home by a later page. Kills of pages of which "
        f"nothing had arrived yet: {figures['causes']['kill9']['unheard']}.\n\n"
        f"The SDK is {figures['sdk_gzip_bytes']:,} bytes (gzip). For a streamed chunk it keeps the main thread busy "
        f"for {median:.3f} ms (median), {p99:.3f} ms (p99), {most:.3f} ms at most, of {figures['chunks']:,} chunks. "
        f"The whole page is busy for {with_sdk:.2f} ms a chunk with it and {without:.2f} ms without. Layouts forced "
        f"by it: {figures['forced_layouts']}; long tasks of it: {figures['long_tasks_of_sdk']} (of the page: "
        f"{figures['long_tasks_with']} with it, {figures['long_tasks_without']} without).\n"
    )


if __name__ == "__main__":
    main()
