"""What the server counts, under the names TensorFlow Serving's dashboards know."""

from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from deepstack.serving.server.response_cache import ResponseCache

MS = (1, 2, 5, 10, 15, 20, 30, 40, 60, 100, 200, 500, 1000, 5000)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def _registry() -> CollectorRegistry:
    return CollectorRegistry()


@dataclass(eq=False)
class Metrics:
    """Counters of one server."""

    registry: CollectorRegistry = field(default_factory=_registry)

    def __post_init__(self) -> None:
        labels = ["model_name", "method", "status"]
        self.requests = Counter(":tensorflow:serving:request_count", "Requests.", labels, registry=self.registry)
        self.latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Milliseconds of a request.",
            ["model_name", "method"],
            buckets=MS,
            registry=self.registry,
        )
        self.rows = Histogram(
            ":tensorflow:serving:batch_size", "Rows a call.", ["model_name"], buckets=ROWS, registry=self.registry
        )
        self.versions = Gauge(
            ":tensorflow:serving:version", "Versions that answer.", ["model_name"], registry=self.registry
        )
        self.restarts = Gauge(
            "deepstack_worker_restarts", "Processes replaced, of versions now loaded.", registry=self.registry
        )

    def count(self, model: str, method: str, status: str, seconds: float) -> None:
        """One request that has been answered."""
        self.requests.labels(model, method, status).inc()
        self.latency.labels(model, method).observe(1e3 * seconds)

    def watch_cache(self, cache: ResponseCache) -> None:
        """Tell a cache's hits and misses."""
        for name in ("hits", "misses"):
            gauge = Gauge(f"deepstack_response_cache_{name}", f"Answers, {name}.", registry=self.registry)
            gauge.set_function(partial(getattr, cache, name))

    def page(self) -> bytes:
        """What Prometheus scrapes."""
        return generate_latest(self.registry)
