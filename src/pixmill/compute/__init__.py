"""Passes over rows: pure functions of a batch, on disposable processes of this machine.

A pass is a module-level function that takes a list of rows and returns a list of results, one a row, in order. It keeps
no state and touches nothing but what its rows name, so that it could as well run on another machine.

- ``batches``: :func:`map_batches`, the one interface
- ``limits``: what a row may take, and how it may be lost
- ``pool``: who does what next: batches under way, rows that are tried again
- ``window``: batches under way, in the order of the rows
- ``worker``: one process as its owner sees it
- ``service``: what that process does
- ``memory``: how much a process holds, and may hold
"""

from pixmill.compute.batches import default_workers, map_batches
from pixmill.compute.limits import Limits, Loss

__all__ = ["Limits", "Loss", "default_workers", "map_batches"]
