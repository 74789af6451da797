"""Metrics for Prometheus: requests, latency, waiting images, predictions and the model."""

from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from pixmill.models.classifier import Prediction
from pixmill.serve.http.models import Models

_LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
"""Upper bounds in seconds."""


class Metrics:
    """Count requests and predictions.

    Args:
        models: The model that answers.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._registry = registry = CollectorRegistry()
        names = ["method", "route", "status"]
        self._requests = Counter("pixmill_requests", "Requests answered.", names, registry=registry)
        self._seconds = Histogram(
            "pixmill_request_seconds",
            "Time until a request was answered.",
            ["route"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "pixmill_requests_in_flight", "Requests being answered.", registry=registry
        )
        waiting = Gauge(
            "pixmill_images_waiting", "Images that wait for a worker.", registry=registry
        )
        waiting.set_function(lambda: models.current.waiting if models.current else 0)
        self._predictions = Counter(
            "pixmill_predictions",
            "Images predicted, by class (empty: several labels) and whether sure.",
            ["label", "sure"],
            registry=registry,
        )
        self._answers = Counter(
            "pixmill_answers",
            "Answers of a model with several labels an image, by label and whether sure.",
            ["label", "answer", "sure"],
            registry=registry,
        )
        self._failures = Counter(
            "pixmill_unpredicted", "Images not predicted, by reason.", ["reason"], registry=registry
        )
        self._model = Info("pixmill_model", "The model that answers.", registry=registry)

    def observe(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """Count an answered request.

        All unknown paths count as one route, which bounds the memory.
        """
        # Folders of files, and the OpenAPI document, have no route; a folder's name is in
        # root_path.
        found = scope.get("root_path") or scope["path"] if "endpoint" in scope else "other"
        route = getattr(scope.get("route"), "path", found)
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_prediction(self, prediction: Prediction) -> None:
        """Count a prediction, or an image without one."""
        if prediction.label is None:
            self._failures.labels(prediction.reason or "unknown").inc()
        else:
            label = "" if prediction.labels else prediction.label
            self._predictions.labels(label, _word(prediction.sure)).inc()
        for label, has in (prediction.labels or {}).items():
            sure = _word((prediction.sure_labels or {})[label])
            self._answers.labels(label, "yes" if has else "no", sure).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        if self._models.current is not None:
            identity = self._models.current.model.identity
            self._model.info({name: value or "" for name, value in identity.items()})
        text: bytes = generate_latest(self._registry)
        return text


def _word(sure: bool | None) -> str:
    return "" if sure is None else str(sure).lower()
