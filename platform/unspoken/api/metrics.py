"""What a server process counts of its own work, for Prometheus. Plain numbers: only the event loop's thread adds."""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NAMES = [str(bound) for bound in BOUNDS_S] + ["+Inf"]


class Histogram:
    """How many took up to each of BOUNDS_S seconds, and their sum."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(NAMES)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more that took so long."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: each holds all that took no longer."""
        held = 0
        return [(name, held := held + count) for name, count in zip(NAMES, self.counts, strict=True)]


class Tally(Collector):
    """The counts of one app. `depth` says what waits to be written, as (events, bytes)."""

    def __init__(self, depth: Callable[[], tuple[int, int]]) -> None:
        self.stored = self.repeated = self.declined = 0
        self.refused: Counter[str] = Counter()  # events, by the slug of their problem
        self.requests: Counter[tuple[str, str]] = Counter()  # by route and status
        self.commit = Histogram()
        self.latency: dict[str, Histogram] = {}
        self._depth = depth
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self.requests[route, str(status)] += 1
        histogram = self.latency.get(route)
        if histogram is None:
            histogram = self.latency[route] = Histogram()
        histogram.add(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry, at each look."""
        process = str(os.getpid())
        for name, what, value in (
            ("stored", "Events written and committed.", self.stored),
            ("repeated", "Events that were there already, by their id.", self.repeated),
            ("declined", "Behavioural events not stored because the browser asked not to be followed.", self.declined),
        ):
            counter = CounterMetricFamily(f"unspoken_events_{name}", what, labels=["process"])
            counter.add_metric([process], value)
            yield counter
        refused = CounterMetricFamily("unspoken_events_refused", "Events refused.", labels=["process", "reason"])
        for reason, number in sorted(self.refused.items()):
            refused.add_metric([process, reason], number)
        yield refused
        requests = CounterMetricFamily("unspoken_requests", "Requests.", labels=["process", "route", "status"])
        for (route, status), number in sorted(self.requests.items()):
            requests.add_metric([process, route, status], number)
        yield requests
        for name, waits in zip(("events", "bytes"), self._depth(), strict=True):
            gauge = GaugeMetricFamily(f"unspoken_queue_{name}", f"{name.title()} to be written.", labels=["process"])
            gauge.add_metric([process], waits)
            yield gauge
        commit = HistogramMetricFamily(
            "unspoken_commit_seconds", "From handing events to the writer to their commit.", labels=["process"]
        )
        commit.add_metric([process], self.commit.buckets(), self.commit.total)
        yield commit
        latency = HistogramMetricFamily("unspoken_request_seconds", "Requests.", labels=["process", "route"])
        for route, histogram in sorted(self.latency.items()):
            latency.add_metric([process, route], histogram.buckets(), histogram.total)
        yield latency
