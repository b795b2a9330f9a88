"""What the SDK costs the page's main thread for each streamed chunk, read from the browser's own trace.

The same page streams the same answer with and without the SDK, in turns. The SDK's time is all of: the call for each
chunk, its timers and listeners (calls of functions that came from its file), and the looks of the IntersectionObserver,
which only it uses. Times are wall-clock, because a page waits for storage as well as for a processor; so a busy machine
makes them longer, never shorter. Beside it what the processor did (`cpu`), for which the trace has no value of the call
for each chunk: there its wall-clock time stands in. The few lines that run when the server has answered are a
microtask, of which a trace does not tell whose it is: they stand in the figures of the whole page only.
"""

import json
from bisect import bisect_right
from statistics import mean, median, quantiles
from typing import Any

from benchmarks.page_parts.leaving import Place, Say
from playwright.sync_api import Browser

CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline", "blink.user_timing", "v8.execute"]
LOOKS = "IntersectionObserverController::computeIntersections"
LONG_US = 50_000
EVERY_MS = 10
Trace = list[dict[str, Any]]
Span = tuple[float, float]  # beginning and end, µs


def measure(place: Place, chunks: int, rounds: int, say: Say) -> dict[str, Any]:
    """So many answers of so many chunks each way."""
    found: dict[str, list[dict[str, Any]]] = {"with": [], "without": []}
    with place.browser() as (browser, _):
        for round_ in range(rounds):
            for name in ("without", "with") if round_ % 2 else ("with", "without"):
                found[name].append(_read(_trace(place, browser, chunks, with_sdk=name == "with")))
            say(f"round {round_ + 1} of {rounds}")
    own = [each for one in found["with"] for each in one["own_us"]]
    cpu = [each for one in found["with"] for each in one["cpu_us"]]
    busy = {name: [each for one in several for each in one["busy_us"]] for name, several in found.items()}
    per_chunk = {name: mean(values) / 1000 for name, values in busy.items()}
    return {
        "chunk_main_thread_ms_p99": round(quantiles(own, n=100)[98] / 1000, 4),
        "chunk_main_thread_ms_p50": round(median(own) / 1000, 4),
        "chunk_main_thread_ms_max": round(max(own) / 1000, 4),
        "chunk_cpu_ms_p99": round(quantiles(cpu, n=100)[98] / 1000, 4),
        "all_main_thread_ms_per_chunk_with": round(per_chunk["with"], 4),
        "all_main_thread_ms_per_chunk_without": round(per_chunk["without"], 4),
        "all_main_thread_ms_p99_with": round(quantiles(busy["with"], n=100)[98] / 1000, 4),
        "all_main_thread_ms_p99_without": round(quantiles(busy["without"], n=100)[98] / 1000, 4),
        "forced_layouts": sum(one["forced"] for one in found["with"]),
        "long_tasks_of_sdk": sum(one["long_of_sdk"] for one in found["with"]),
        "long_tasks_with": sum(one["long"] for one in found["with"]),
        "long_tasks_without": sum(one["long"] for one in found["without"]),
        "chunks": len(own),
    }


def _trace(place: Place, browser: Browser, chunks: int, *, with_sdk: bool) -> Trace:
    desk = place.collector.project(None)
    [window] = browser.contexts
    page = window.new_page()
    collector = place.collector.url if with_sdk else ""
    page.goto(place.product.chat(collector, desk.key, chunks=chunks, every_ms=EVERY_MS, measured="yes"))
    page.wait_for_selector("html[data-ready]")
    browser.start_tracing(page=page, categories=CATEGORIES)
    page.click("#ask")
    page.wait_for_selector("article[data-ended=complete]", timeout=chunks * EVERY_MS * 10 + 30_000)
    trace: Trace = json.loads(browser.stop_tracing())["traceEvents"]
    page.close()
    if with_sdk:
        desk.until(lambda found: any(each.kind == "expose" for each in found))  # it did record
    return trace


def _read(trace: Trace) -> dict[str, Any]:
    begun = [each for each in trace if each["name"] == "hook" and each["ph"] == "b"]
    ended = [each["ts"] for each in trace if each["name"] == "hook" and each["ph"] == "e"]
    thread = {(each["pid"], each["tid"]) for each in begun}
    mine = [each for each in trace if (each["pid"], each["tid"]) in thread and each["ph"] == "X"]
    hooks = list(zip(sorted(each["ts"] for each in begun), sorted(ended), strict=True))  # one after the other
    events = [each for each in mine if each["name"] == LOOKS or (each["name"] == "FunctionCall" and _of_sdk(each))]
    calls = [_span(each) for each in events if each["name"] != LOOKS]
    own = _outermost([*hooks, *map(_span, events)])
    worked = {_span(each): (each["ts"], each["ts"] + each.get("tdur", each.get("dur", 0))) for each in events}
    tasks = [_span(each) for each in mine if each["name"] == "RunTask"]
    layouts = [_span(each) for each in mine if each["name"] in ("Layout", "UpdateLayoutTree")]
    acting = _outermost([*hooks, *calls])
    long = [each for each in own if each[1] - each[0] >= LONG_US]
    return {
        "own_us": _by_chunk(own, hooks),
        "cpu_us": _by_chunk([worked.get(each, each) for each in own], hooks),
        "busy_us": _by_chunk(_outermost(tasks), hooks),
        "forced": sum(any(one[0] <= each[0] and each[1] <= one[1] for one in acting) for each in layouts),
        "long": sum(each[1] - each[0] >= LONG_US for each in tasks),
        "long_of_sdk": len(long),
    }


def _span(event: dict[str, Any]) -> Span:
    return event["ts"], event["ts"] + event.get("dur", 0)


def _of_sdk(event: dict[str, Any]) -> bool:
    return "/sdk/unspoken.js" in event.get("args", {}).get("data", {}).get("url", "")


def _outermost(spans: list[Span]) -> list[Span]:
    """Without those that lie within another, so that no time counts twice."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda each: (each[0], -each[1])):
        if not found or span[1] > found[-1][1]:
            found.append(span)
    return found


def _by_chunk(spans: list[Span], hooks: list[Span]) -> list[float]:
    """µs of these spans from one chunk to the next; what came before the first chunk is left out."""
    starts = [each[0] for each in hooks]
    sums = [0.0] * len(starts)
    for begin, end in spans:
        if (place := bisect_right(starts, begin) - 1) >= 0:
            sums[place] += end - begin
    return sums
