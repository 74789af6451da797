"""Parallel passes over rows: pure functions of a batch, run in disposable worker processes.

A pass is a module-level function that takes a list of rows and returns a list of results, one per
row, in order. It is stateless and accesses only files that its rows name, so it can run on other
machines.

``PIXMILL_COMPUTE=ray://HOST:PORT`` names the client port of a Ray cluster. Passes of more than one
batch then run on all of its CPUs, with the same results in the same order. Nodes need Pixmill's
dependencies in this machine's versions; Pixmill's code is sent to them. They run rows in the same
disposable processes with the same limits, and need no shared folder: a row contains the bytes of
its file. Rows and results pass through this process, a few batches per CPU at a time and about 1
GiB in total.

- A node with other package versions or another instruction set ends the pass with an error that
  names the difference.
- The batches of a lost node run again on the others.
- If the cluster is lost, the pass ends with an error after half a minute; finished work of the
  stage is kept.
- Ctrl-C ends the pass on all nodes at once. If this process is killed, Ray ends the pass after half
  a minute.

- ``batches``: :func:`map_batches`, the public interface
- ``cluster``: runs a pass on a Ray cluster, and its batches on a node
- ``scheduler``: threads, retries, replacement of processes; ``Pool``, for rows in bulk;
  :class:`Service`, for single rows from many threads
- ``worker``: a worker process and its owner's side
"""

from pixmill.images.compute.batches import default_workers, map_batches
from pixmill.images.compute.scheduler import Service, ServiceFullError
from pixmill.images.compute.worker import Loss, RowLimits

__all__ = ["Loss", "RowLimits", "Service", "ServiceFullError", "default_workers", "map_batches"]
