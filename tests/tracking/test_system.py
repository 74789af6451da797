"""What the machine does is recorded as MLflow names it, and never where nobody listens."""

from __future__ import annotations

import threading

from pixmill.tracking.system import watching


def watch(monkeypatch, *, wanted, samples=2):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01")
    seen, enough = [], threading.Event()

    def record(figures, step):
        seen.append((step, figures))
        if len(seen) == samples:
            enough.set()

    asked = iter(wanted)
    with watching(record, wanted=lambda: next(asked, False)):
        assert enough.wait(60)
    return seen


def test_samples_are_numbered_and_named_as_mlflow_s(monkeypatch):
    seen = watch(monkeypatch, wanted=[True, True])
    assert [step for step, _ in seen] == [1, 2]
    for _, figures in seen:
        assert {"system/cpu_utilization_percentage", "system/system_memory_usage_percentage"} <= set(figures)
        assert all(isinstance(value, float) for value in figures.values())


def test_where_nobody_listens_nothing_is_sampled(monkeypatch):
    assert [step for step, _ in watch(monkeypatch, wanted=[False, True, False, True])] == [1, 2]


def test_a_person_may_switch_it_off(monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    with watching(lambda *_: None, wanted=lambda: True):
        assert "pixmill-system-metrics" not in {thread.name for thread in threading.enumerate()}


def test_it_is_in_the_run(training, store, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01")
    arrived = threading.Event()
    with training() as run:
        log = run.log_metrics

        def logged(figures, **more):
            log(figures, **more)
            arrived.set()

        run.log_metrics = logged
        assert arrived.wait(60)
    assert "system/cpu_utilization_percentage" in store.client.get_run(run.run_id).data.metrics
