"""What the server counts, under the names TensorFlow Serving's dashboards know."""

from collections.abc import Container
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from deepstack.serving.server.response_cache import ResponseCache

MICROSECONDS = tuple(10.0 * 1.8**power for power in range(33))
COUNTED = ("Predict", "Classify", "Regress", "MultiInference")
REQUESTS = ":tensorflow:serving:request_count"
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def _registry() -> CollectorRegistry:
    return CollectorRegistry()


@dataclass(eq=False)
class Metrics:
    """Counters of one server.

    Attributes:
        models: names that may be labels; requests under any other are counted under none.
    """

    models: Container[str] = ()
    registry: CollectorRegistry = field(default_factory=_registry)

    def __post_init__(self) -> None:
        names = ["model_name", "API", "entrypoint"]
        self.requests = Counter(REQUESTS, "Requests.", ["model_name", "status"], registry=self.registry)
        self.latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds of a request that was answered.",
            names,
            buckets=MICROSECONDS,
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

    def count(self, model: str, method: str, entrypoint: str, status: str, seconds: float) -> None:
        """One request that has been answered, over REST or GRPC."""
        if method not in COUNTED:
            return
        name = model if model in self.models else ""
        self.requests.labels(name, status).inc()
        if status == "OK":
            self.latency.labels(name, method, entrypoint).observe(1e6 * seconds)

    def watch_cache(self, cache: ResponseCache) -> None:
        """Tell a cache's hits and misses."""
        for name in ("hits", "misses"):
            gauge = Gauge(f"deepstack_response_cache_{name}", f"Answers, {name}.", registry=self.registry)
            gauge.set_function(partial(getattr, cache, name))

    def page(self) -> bytes:
        """What Prometheus scrapes."""
        page = generate_latest(self.registry)
        return page.replace(f"{REQUESTS}_total".encode(), REQUESTS.encode())  # TensorFlow Serving's has no suffix
