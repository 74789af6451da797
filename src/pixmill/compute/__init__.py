"""Passes over rows: pure functions of a batch, on disposable processes of this machine.

A pass is a module-level function that takes a list of rows and returns a list of results, one a row, in order. It keeps
no state and touches nothing but what its rows name, so that it could as well run on another machine.

- ``batches``: :func:`map_batches`, the one interface
- ``pool``: who does what next: rows under way, rows that are tried again, and processes as their owner sees them
- ``worker``: what such a process does
"""

from pixmill.compute.batches import default_workers, map_batches
from pixmill.compute.pool import Limits, Loss

__all__ = ["Limits", "Loss", "default_workers", "map_batches"]
