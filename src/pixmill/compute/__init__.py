"""Parallel passes over rows: pure functions of a batch, run in disposable worker processes.

A pass is a module-level function that takes a list of rows and returns a list of results, one per row, in order. It is
stateless and touches only what its rows refer to, so it could also run on another machine.

- ``batches``: :func:`map_batches`, the public interface
- ``service``: :class:`Service`, for rows that come one at a time and whose results are awaited
- ``pool``: scheduling of a pass: rows in progress, and retries
- ``storage``: where workers read files from; ``stored``: objects in the DVC remote; ``remote``: which object a file is
- ``process``: a worker process, from its owner's side; ``worker``: its loop, in the process itself
"""

from pixmill.compute.batches import default_workers, map_batches
from pixmill.compute.process import Limits, Loss
from pixmill.compute.service import Full, Service

__all__ = ["Full", "Limits", "Loss", "Service", "default_workers", "map_batches"]
