"""MLflow's settings while a run is open."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import warnings
from collections.abc import Iterator

__all__ = ["settled"]

_DEFAULTS = {
    # A server that is down or silent is noticed within seconds instead of minutes: what it did not take is offered
    # again by the spool.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

_TALKATIVE = ("mlflow", "alembic", "urllib3.connectionpool")

_STORES = ("mlflow.store.tracking.rest_store", "mlflow.store.tracking.sqlalchemy_store")
"""Imported before the thread that uses them begins: two threads that import are a source of surprises."""


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Keep MLflow quiet and quick to give up, and leave the process as it was.

    A variable that is set outside wins. MLflow itself writes ``MLFLOW_TRACKING_URI`` into the environment.
    """
    before = {name: os.environ.get(name) for name in (*_DEFAULTS, "MLFLOW_TRACKING_URI")}
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        # Said to the author of a model's code, which here is MLflow.
        warnings.filterwarnings("ignore", message=".*type hint is inferred as AnyType", category=UserWarning)
        levels = _quietened()
        try:
            yield
        finally:
            for logger, level in levels.items():
                logger.setLevel(level)
            for name, old in before.items():
                if old is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = old


def _quietened() -> dict[logging.Logger, int]:
    # It sets its loggers' levels when it is imported.
    for name in ("mlflow", *_STORES):
        importlib.import_module(name)

    levels = {}
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        levels[logger] = logger.level
        logger.setLevel(logging.ERROR)
    return levels
