"""Metrics of one instance for Prometheus: a registry of its own, so two instances in one process never mix.

Labels are bounded: route templates, not addresses; known methods; status codes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counts of one instance. ``registry`` takes further collectors. ``answered`` and ``in_flight`` belong to the event loop."""

    def __init__(self, *, version: str, dialect: str) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = 0
        """Requests being worked on."""
        waiting = Gauge("dougong_requests_in_flight", "Requests being worked on.", registry=self.registry)
        waiting.set_function(lambda: self.in_flight)
        self.failures = Counter(
            "dougong_internal_errors", "Requests that failed through our fault.", registry=self.registry
        )
        build = Gauge(
            "dougong_build_info", "1, with the version as label.", ("version", "database"), registry=self.registry
        )
        build.labels(version, dialect).set(1)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = 0
        """Requests that were answered."""
        self._requests = _Requests()
        self.registry.register(self._requests)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self.requests += 1
        self._requests.count(method if method in _METHODS else "other", route, status, seconds)

    def exposition(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self.registry)


class _Requests(Collector):
    """Requests by method, route and status with their times. Plain numbers, shaped when somebody looks: the library's own
    counters lock four times a request (5 us against 1)."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._times: dict[tuple[str, str], tuple[list[int], list[float]]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        times = self._times.get(key[:2])
        if times is None:
            times = self._times[key[:2]] = ([0] * (len(_SECONDS) + 1), [0.0])
        times[0][bisect_left(_SECONDS, seconds)] += 1
        times[1][0] += seconds

    def collect(self) -> Iterable[Metric]:
        """Return the families as the library's collectors do."""
        requests = CounterMetricFamily("dougong_requests", "Requests answered.", labels=("method", "route", "status"))
        for (method, route, status), count in list(self._counts.items()):
            requests.add_metric((method, route, str(status)), count)
        seconds = HistogramMetricFamily(
            "dougong_request_seconds", "Time from the request's head to its answer's end.", labels=("method", "route")
        )
        for labels, (buckets, total) in list(self._times.items()):
            sums = accumulate(buckets)
            bounds = [*(str(float(bound)) for bound in _SECONDS), "+Inf"]
            seconds.add_metric(labels, list(zip(bounds, map(float, sums), strict=True)), total[0])
        return (requests, seconds)
