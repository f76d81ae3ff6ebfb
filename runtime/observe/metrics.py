"""Metrics of one instance for Prometheus: a registry of its own, so two instances in one process never mix.

Labels are bounded: route templates, not addresses; known methods; status codes.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counts of one instance. ``registry`` takes further collectors."""

    def __init__(self, *, version: str, dialect: str) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "dougong_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "dougong_request_seconds",
            "Time from the request's head to its answer's end.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge("dougong_requests_in_flight", "Requests being worked on.", registry=self.registry)
        self.failures = Counter(
            "dougong_internal_errors", "Requests that failed through our fault.", registry=self.registry
        )
        build = Gauge(
            "dougong_build_info", "1, with the version as label.", ("version", "database"), registry=self.registry
        )
        build.labels(version, dialect).set(1)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            name = method if method in _METHODS else "other"
            children = self._requests.labels(name, route, str(status)), self._seconds.labels(name, route)
            if name == method:
                self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def exposition(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self.registry)
