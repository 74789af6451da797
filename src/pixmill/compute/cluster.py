"""A Ray cluster, where ``PIXMILL_COMPUTE`` names one: the same passes, guarded on its nodes as they are here."""

from __future__ import annotations

import atexit
import functools
import os
import pickle
import re
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pixmill
from pixmill.compute.pool import Pool
from pixmill.compute.process import Limits, Loss
from pixmill.compute.worker import checked
from pixmill.core.errors import PixmillError

__all__ = ["Cluster", "chosen_cluster", "cluster_address"]

VARIABLE = "PIXMILL_COMPUTE"

_BATCHES = 4
"""Batches in progress per processor of the cluster."""

_RETRIES = 5
"""How often a batch runs again whose node was lost."""


def cluster_address(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the Ray cluster that passes run on; ``None`` for this machine.

    Raises:
        PixmillError: ``PIXMILL_COMPUTE`` is neither ``local`` nor the address of one.
    """
    value = environ.get(VARIABLE, "") or "local"
    if value == "local":
        return None
    if re.fullmatch(r"ray://[^\s/:]+:\d+", value) is None:
        raise PixmillError(
            f"{VARIABLE}: expected local or ray://HOST:PORT, received '{value}'",
            next=f"name the client port of a Ray cluster, 10001 by default, or: unset {VARIABLE}",
        )
    return value


def chosen_cluster() -> Cluster | None:
    """Return the cluster that ``PIXMILL_COMPUTE`` names, connected to; ``None`` for this machine."""
    address = cluster_address()
    return None if address is None else _connected(address)


@functools.cache
def _connected(address: str) -> Cluster:
    return Cluster(address)


class Cluster:
    """Run passes on the nodes of a Ray cluster.

    Args:
        address: As in ``PIXMILL_COMPUTE``.

    Raises:
        PixmillError: Ray is not installed, or the cluster does not answer.
    """

    def __init__(self, address: str) -> None:
        import ray

        self.address = address
        self.ray = ray
        environment = {"py_modules": [str(Path(pixmill.__file__).parent)], "env_vars": {VARIABLE: "local"}}
        ray.init(address, runtime_env=environment, log_to_driver=False)
        atexit.register(ray.shutdown)

    @property
    def processors(self) -> int:
        """How many processors all nodes have at this moment."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def sees(self, folder: Path) -> bool:
        """Tell whether every node sees a folder of this machine under the same path.

        A file with a random name is written there, looked for on each node, and removed.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        probe = folder / f".{uuid.uuid4().hex}"
        probe.touch()
        try:
            look = self.ray.remote(num_cpus=0)(_is_file)
            nodes = [node["NodeID"] for node in self.ray.nodes() if node["Alive"]]
            asked = [
                look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(str(probe))
                for node in nodes
            ]
            return all(self.ray.get(asked))
        finally:
            probe.unlink()

    def run(
        self,
        function: Callable[[Sequence[Any]], Sequence[Any]],
        rows: Iterator[Any],
        batch_size: int,
        limits: Limits | None,
        lost: Callable[[Any, Loss], Any] | None,
    ) -> Iterator[Any]:
        """Yield one result per row, in order, as :func:`pixmill.compute.map_batches` does."""
        parcel = self.ray.put(pickle.dumps(function, pickle.HIGHEST_PROTOCOL))
        task = self.ray.remote(num_cpus=1, max_retries=_RETRIES)(_answer)
        running: deque[tuple[Any, list[Any]]] = deque()
        try:
            while True:
                while len(running) < _BATCHES * self.processors and (batch := list(islice(rows, batch_size))):
                    running.append((task.remote(parcel, limits, batch), batch))
                if not running:
                    return
                reference, batch = running.popleft()
                for row, result in zip(batch, self.ray.get(reference), strict=True):
                    if isinstance(result, _Lost):
                        assert lost is not None
                        yield lost(row, result.loss)
                    else:
                        yield result
        finally:
            for reference, _ in running:
                self.ray.cancel(reference)


@dataclass(frozen=True)
class _Lost:
    """Stand for the result of a row that was given up."""

    loss: Loss


class _Parcel:
    """A pass that only the guarded process unpickles: unpickling may load a network."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes]]:
        return pickle.loads, (self._content,)

    def __call__(self, rows: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError


_KEPT: dict[tuple[bytes, Limits | None], Any] = {}
"""The last pass of this process, ready for the next batch."""


def _answer(parcel: bytes, limits: Limits | None, batch: list[Any]) -> list[Any]:
    """Run a batch on a node."""
    key = (parcel, limits)
    if key not in _KEPT:
        for pool in _KEPT.values():
            if isinstance(pool, Pool):
                pool.close()
        _KEPT.clear()
        _KEPT[key] = pickle.loads(parcel) if limits is None else Pool(_Parcel(parcel), 1, limits)  # noqa: S301
    kept = _KEPT[key]
    if limits is None:
        return list(checked(kept(batch), batch))
    return list(kept.run(iter(batch), len(batch), lambda _, loss: _Lost(loss)))


def _is_file(path: str) -> bool:
    return Path(path).is_file()
