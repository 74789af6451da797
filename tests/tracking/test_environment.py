"""MLflow's settings hold while a run is open and not a moment longer."""

from __future__ import annotations

import logging
import os

from pixmill.tracking.environment import settled


def test_settings_are_taken_back(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before, level = dict(os.environ), logging.getLogger("mlflow").level
    with settled():
        os.environ["MLFLOW_TRACKING_URI"] = "sqlite://"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
        assert logging.getLogger("mlflow").level == logging.ERROR
    assert dict(os.environ) == before
    assert logging.getLogger("mlflow").level == level


def test_what_is_set_outside_wins(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    with settled():
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"
