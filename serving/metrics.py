"""What Prometheus reads at /metrics."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONFIDENCES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
CANARY_STATES: Final = {"off": 0, "live": 1, "fallen_back": 2, "shadowing": 3}


class Metrics:
    """One server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "sentiment_requests", "Requests answered.", ["endpoint", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "sentiment_request_seconds", "Time to answer.", ["endpoint"], buckets=SECONDS, registry=self.registry
        )
        self.batch_size = Histogram(
            "sentiment_batch_size", "Texts scored together.", buckets=BATCHES, registry=self.registry
        )
        self.predictions = Counter(
            "sentiment_predictions", "Texts scored.", ["label", "model_version", "role"], registry=self.registry
        )
        self.confidence = Histogram(
            "sentiment_confidence", "The champion's confidence.", ["label"], buckets=CONFIDENCES, registry=self.registry
        )
        self.feedback = Counter(
            "sentiment_feedback",
            "Labels people gave, by whether the model agreed.",
            ["correct"],
            registry=self.registry,
        )
        self.canary_state = Gauge("sentiment_canary_state", f"The candidate: {CANARY_STATES}.", registry=self.registry)
        self.shadow_dropped = Counter(
            "sentiment_shadow_dropped", "Texts the shadow had no time for.", registry=self.registry
        )
        # Looking a child up by its labels takes longer than counting.
        self.predictions_of = cache(self.predictions.labels)
        self.confidence_of = cache(self.confidence.labels)
        self._requests_of = cache(self.requests.labels)
        self._seconds_of = cache(self.request_seconds.labels)

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """A metric whose value `read` gives whenever Prometheus asks: a counter if its name ends in _total."""
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        self.registry.register(_Reading(lambda: kind(name, documentation, read())))

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests_of(endpoint, str(status)).inc()
        self._seconds_of(endpoint).observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


class _Reading(Collector):
    def __init__(self, read: Callable[[], Metric]) -> None:
        self.read = read

    def collect(self) -> Iterator[Metric]:
        yield self.read()
