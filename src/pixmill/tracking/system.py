"""What the machine does while a run goes on, as MLflow measures it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["watching"]

_INTERVAL = 10.0
"""Seconds between two samples, unless ``MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`` says otherwise; MLflow's own."""


@contextlib.contextmanager
def watching(record: Callable[[Mapping[str, float], int], None], *, wanted: Callable[[], bool]) -> Iterator[None]:
    """Sample processors, memory, disk, network and GPUs while the block runs, and record them as ``system/…``.

    ``MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=false`` switches it off. MLflow's own thread would end with the first
    request that its server does not take.

    Args:
        record: Takes the figures and the number of the sample, from 1.
        wanted: Asked before each sample.
    """
    if os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true").lower() in ("false", "0"):
        yield
        return
    over = threading.Event()
    monitors = _monitors()
    interval = float(os.environ.get("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL") or _INTERVAL)

    def collect() -> dict[str, float]:
        figures: dict[str, float] = {}
        for monitor in monitors:
            # A GPU may go away, a counter may be forbidden: the others are still worth having.
            with contextlib.suppress(Exception):
                monitor.collect_metrics()
                figures |= {f"system/{name}": float(value) for name, value in monitor.aggregate_metrics().items()}
                monitor.clear_metrics()
        return figures

    def sample() -> None:
        # Loads are of the time since they were asked for last.
        collect()
        step = 1
        while not over.wait(interval):
            if not wanted():
                continue
            record(collect(), step)
            step += 1

    thread = threading.Thread(target=sample, name="pixmill-system-metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    found = []
    for monitor in (CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor):
        # Where there is no GPU, or no library that reads it, its monitor cannot be made.
        with contextlib.suppress(Exception):
            found.append(monitor())
    return found
