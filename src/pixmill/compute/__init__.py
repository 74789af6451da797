"""Parallel passes over rows: pure functions of a batch, run in disposable worker processes.

A pass is a module-level function that takes a list of rows and returns a list of results, one per row, in order. It is
stateless and touches only what its rows refer to, so it could also run on another machine.

- ``batches``: :func:`map_batches`, the public interface
- ``pool``: scheduling: rows in progress, retries, and the worker processes
- ``worker``: the loop of a worker process
"""

from pixmill.compute.batches import default_workers, map_batches
from pixmill.compute.pool import Limits, Loss

__all__ = ["Limits", "Loss", "default_workers", "map_batches"]
