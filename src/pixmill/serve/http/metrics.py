"""What Prometheus reads: requests, their latency, what waits, what was predicted, and by which model."""

from collections.abc import Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pixmill.models.classifier import Prediction
from pixmill.serve.predict.model import Model

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Count what the service does.

    Args:
        waiting: Returns how many images wait for a worker.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = registry = CollectorRegistry()
        names = ["method", "route", "status"]
        self._requests = Counter("pixmill_requests", "Requests answered.", names, registry=registry)
        self._seconds = Histogram(
            "pixmill_request_seconds",
            "Time until a request was answered.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge("pixmill_requests_in_flight", "Requests being answered.", registry=registry)
        Gauge("pixmill_images_waiting", "Images that wait for a worker.", registry=registry).set_function(waiting)
        self._predictions = Counter(
            "pixmill_predictions", "Images predicted, by class and whether sure.", ["label", "sure"], registry=registry
        )
        self._failures = Counter(
            "pixmill_unpredicted", "Images not predicted, by reason.", ["reason"], registry=registry
        )
        self._model = Info("pixmill_model", "The model that answers.", registry=registry)

    def observe(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """Count an answered request. Paths that are none of ours count as one, so that nobody can fill the memory."""
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_prediction(self, prediction: Prediction) -> None:
        """Count a prediction, or an image without one."""
        if prediction.label is None:
            self._failures.labels(prediction.reason or "unknown").inc()
        else:
            self._predictions.labels(
                prediction.label, "" if prediction.sure is None else str(prediction.sure).lower()
            ).inc()

    def text(self, model: Model | None) -> bytes:
        """Return all metrics in Prometheus' text format."""
        if model is not None:
            self._model.info({name: value or "" for name, value in model.identity.items()})
        text: bytes = generate_latest(self._registry)
        return text
