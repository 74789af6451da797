"""Parallel passes over rows: pure functions of a batch, run in disposable worker processes.

A pass is a module-level function that takes a list of rows and returns a list of results, one per row, in order. It is
stateless and touches only what its rows refer to, so it also runs on other machines.

``PIXMILL_COMPUTE=ray://HOST:PORT`` names a Ray cluster, by the port for its clients; passes of more than one batch then
run on all of its processors, with the same results in the same order. Each node needs the packages that Pixmill needs,
in this machine's versions; it gets the code of Pixmill from here. It runs rows in the same disposable processes, under
the same limits, and needs no folder of this machine: a row carries the bytes of its file. Rows and results pass through
this process, a few batches for each processor at a time and about 1 GiB in all.

- A node with other versions of packages that results depend on, or another kind of processor, ends the pass by name.
- The batches of a node that is lost run again on the others.
- If the cluster is lost, the pass ends with an error after half a minute; what a stage has kept, it does not do again.
- Ctrl-C ends the pass on all nodes at once. If this process is killed, Ray ends it there after half a minute.

- ``batches``: :func:`map_batches`, the public interface
- ``service``: :class:`Service`, for rows that come one at a time and whose results are awaited
- ``cluster``: a pass on a Ray cluster; ``node``: what runs on its nodes
- ``scheduler``: threads, retries, processes that are replaced; and ``Pool``, for rows in bulk
- ``worker``: a worker process: its owner's side, and its loop
"""

from pixmill.images.compute.batches import default_workers, map_batches
from pixmill.images.compute.scheduler import ServiceFullError
from pixmill.images.compute.service import Service
from pixmill.images.compute.worker import Loss, RowLimits

__all__ = ["Loss", "RowLimits", "Service", "ServiceFullError", "default_workers", "map_batches"]
