"""A Ray cluster, where ``PIXMILL_COMPUTE`` names one: the same passes, guarded on its nodes as they are here."""

from __future__ import annotations

import atexit
import contextlib
import functools
import pickle
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pixmill
from pixmill.compute.connection import cluster_address, connect, reason, refusal
from pixmill.compute.node import NodeRequirements, PassSpec, Witness, find_lack, run_batch, versions, witnesses
from pixmill.compute.stored import seal
from pixmill.compute.worker import PickledPass, RemoteError
from pixmill.compute.worker_process import Loss, RowLimits, name_of
from pixmill.core.errors import PixmillError
from pixmill.core.progress import announce
from pixmill.core.workspace import Workspace
from pixmill.project.pyproject import read_project

_BATCHES = 4
"""Batches in progress per processor of the cluster."""

_ROWS = 128
"""Rows of a batch with limits, at least: Ray's own processes take 10 ms of CPU time per batch."""

_ATTEMPTS = 5
"""How often a batch is run whose process or node is lost each time."""

_LOOK_SECONDS = 1.0
"""How often the nodes are looked at while a pass runs."""

_PROBE_SECONDS = 120.0
"""Time that the nodes have to say what they lack: a node that joined just now gets the packages first."""


def choose_cluster() -> Cluster | None:
    """Return the cluster that ``PIXMILL_COMPUTE`` names, connected to; ``None`` for this machine."""
    address = cluster_address()
    return None if address is None else _connect(address)


@functools.cache
def _connect(address: str) -> Cluster:
    return Cluster(address)


class Cluster:
    """Run passes on the nodes of a Ray cluster.

    Args:
        address: As in ``PIXMILL_COMPUTE``.

    Raises:
        PixmillError: Ray is not installed or has another version than the cluster, or the cluster does not answer.
    """

    def __init__(self, address: str) -> None:
        from pixmill.provenance.lock import LIBRARIES

        self.address = address
        self._workspace = Workspace.current()
        self.ray = connect(address, [Path(pixmill.__file__).parent, *self._plugins()])
        self._versions = versions(LIBRARIES)
        self._shared: set[Path] = set()
        self._nodes: dict[str, dict[str, Any]] = {}
        self._looked = 0.0
        self._told = False
        self._look()

    @property
    def processors(self) -> int:
        """How many processors all nodes have at this moment."""
        self._look()
        return sum(int(node["Resources"].get("CPU", 0)) for node in self._nodes.values())

    @property
    def nodes(self) -> list[str]:
        """Addresses of the nodes that have processors."""
        self._look()
        return sorted(node["NodeManagerAddress"] for node in self._nodes.values() if node["Resources"].get("CPU"))

    def sees(self, folder: Path) -> bool:
        """Tell whether every node that has processors sees a folder of this machine at its path.

        If so, a node that joins later and does not see it gets an error in place of rows.
        """
        needs = NodeRequirements({}, {str(folder): self._witnesses(folder)})
        if seen := all(lacking is None for lacking in self._probe(needs)):
            self._shared.add(folder)
        return seen

    def check(self) -> None:
        """Check that the nodes are there, and give the results that this machine would give.

        Raises:
            PixmillError: A node has other versions of packages or another kind of processor, or there is none.
        """
        self._check_processors()
        for lacking in self._probe(NodeRequirements(self._versions, {})):
            if lacking is not None:
                raise lacking

    def run(
        self,
        function: Callable[[Sequence[Any]], Sequence[Any]],
        rows: Iterator[Any],
        batch_size: int,
        limits: RowLimits | None,
        lost: Callable[[Any, Loss], Any] | None,
    ) -> Iterator[Any]:
        """Yield one result per row, in order, as :func:`pixmill.compute.map_batches` does.

        Raises:
            PixmillError: A node lacks what results depend on, the connection is lost, or a batch was lost with its node
                time and again.
        """
        self._check_processors()
        if not self._told:
            self._told = True
            announce(f"ray: passes over images run on {self.address} (processors: {self.processors})")
        shared = {str(folder): self._witnesses(folder) for folder in self._shared if folder.is_dir()}
        needs = NodeRequirements(self._versions, shared)
        parcel = PickledPass(name_of(function), pickle.dumps(function, pickle.HIGHEST_PROTOCOL))
        order = self._ask(self.ray.put, pickle.dumps(PassSpec(parcel, limits, needs), pickle.HIGHEST_PROTOCOL))
        name = uuid.uuid4().hex
        task = self.ray.remote(num_cpus=1, max_retries=_ATTEMPTS - 1)(run_batch)
        running: deque[tuple[Any, list[Any]]] = deque()
        size = max(batch_size, _ROWS) if limits else batch_size
        try:
            while True:
                while len(running) < _BATCHES * max(1, self.processors) and (batch := list(islice(rows, size))):
                    # Without limits a pass may read its files itself, and only parts of them.
                    packed = [seal(row) if limits else pickle.dumps(row, pickle.HIGHEST_PROTOCOL) for row in batch]
                    running.append((self._ask(task.remote, name, order, packed), batch))
                if not running:
                    return
                results, raised = self._result(running[0][0], parcel.name)
                _, batch = running.popleft()
                for row, result in zip(batch, results, strict=raised is None):
                    if isinstance(result, bytes):
                        yield pickle.loads(result)  # noqa: S301 (from our own process on a node)
                    else:
                        assert lost is not None
                        yield lost(row, result)
                if raised is not None:
                    error, text = pickle.loads(raised)  # noqa: S301 (likewise)
                    raise error from RemoteError(text)
        finally:
            for reference, _ in running:
                # What is lost needs no end.
                with contextlib.suppress(Exception):
                    self.ray.cancel(reference)

    def _result(self, reference: Any, name: str) -> Any:
        """Wait for the results of a batch, and look after the nodes meanwhile."""
        from ray.exceptions import GetTimeoutError, RayTaskError

        while True:
            try:
                return self._ask(self.ray.get, reference, timeout=_LOOK_SECONDS)
            except GetTimeoutError:
                self._look()
            except RayTaskError:
                raise  # a defect
            except self.ray.exceptions.RayError as error:
                raise PixmillError(
                    f"{name} lost its process or node {_ATTEMPTS} times in the same batch: {reason(error)}",
                    next="look at the nodes' memory, then run the same command again: finished work is kept",
                ) from error

    def _ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call Ray's client, and say what it means where the connection is lost."""
        try:
            return call(*arguments, **options)
        except Exception as error:
            connected = self.ray.util.client.ray.is_connected()
            if connected and (isinstance(error, self.ray.exceptions.RayError) or not refusal(self.address, error)):
                raise
            raise PixmillError(
                f"the connection to the Ray cluster {self.address} is lost",
                next="start the cluster again, then run the same command again: finished work is kept",
            ) from error

    def _look(self) -> None:
        """See which nodes there are, and tell of each that was lost."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            nodes = self.ray.nodes()
        except Exception as error:
            if not (told := refusal(self.address, error)):
                raise
            if not self._nodes:
                raise told from error
            return  # Ray's client connects again; who waits for a result hears how that ends.
        alive = {node["NodeID"]: node for node in nodes if node["Alive"]}
        for key in self._nodes.keys() - alive.keys():
            address = self._nodes[key]["NodeManagerAddress"]
            announce(f"ray: node {address} was lost; its batches run again on other nodes")
        self._nodes = alive

    def _check_processors(self) -> None:
        if not self.processors:
            raise PixmillError(
                f"the Ray cluster {self.address} has no processors",
                next="start a node that has some: ray start --address=HEAD:6379",
            )

    def _probe(self, needs: NodeRequirements) -> Iterator[PixmillError | None]:
        """Yield what each node that has processors lacks; a node that is lost meanwhile lacks nothing."""
        from ray.exceptions import RayError, RayTaskError
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._look()
        content = pickle.dumps(needs, pickle.HIGHEST_PROTOCOL)
        task = self.ray.remote(num_cpus=0, max_retries=0)(find_lack)
        asked = {}
        for key in (key for key, node in self._nodes.items() if node["Resources"].get("CPU")):
            there = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(key, soft=False))
            asked[self._ask(there.remote, content)] = key
        latest = time.monotonic() + _PROBE_SECONDS
        while asked:
            ready, _ = self._ask(self.ray.wait, [*asked], timeout=_LOOK_SECONDS)
            for reference in ready:
                del asked[reference]
                try:
                    lacking = self._ask(self.ray.get, reference)
                except RayTaskError:
                    raise  # a defect, or Pixmill cannot be imported there
                except RayError:
                    continue  # The node was lost.
                yield pickle.loads(lacking)  # noqa: S301 (from our own process there)
            self._look()
            asked = {reference: key for reference, key in asked.items() if key in self._nodes}
            if asked and time.monotonic() > latest:
                address = self._nodes[next(iter(asked.values()))]["NodeManagerAddress"]
                raise PixmillError(f"the Ray node {address} does not answer", next="look at it, or stop it")

    def _witnesses(self, folder: Path) -> list[Witness]:
        """Return what a node that sees a folder of this machine sees.

        Within the project, that is also a file with a random name: a node may have a clone of its own at the same path.
        """
        found = witnesses(folder)
        home = self._workspace.home.resolve()
        if folder.resolve().is_relative_to(home) and (home / ".pixmill").is_dir():
            found.append((str(self._marker), None))
        return found

    @functools.cached_property
    def _marker(self) -> Path:
        marker = self._workspace.scratch("compute") / uuid.uuid4().hex
        marker.touch()
        atexit.register(marker.unlink, missing_ok=True)
        return marker.absolute()

    def _plugins(self) -> Iterator[Path]:
        """Yield the project's own packages."""
        root = self._workspace.root.absolute()
        groups = read_project(root).plugins.values()
        for package in sorted({target.partition(".")[0] for group in groups for target in group.values()}):
            if (folder := root / "src" / package).is_dir():
                yield folder
