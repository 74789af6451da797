"""Run passes on the Ray cluster that ``PIXMILL_COMPUTE`` names, with the same limits as locally.

Ray's own process on a node runs only :func:`run_batch`. It has few imports, and unpickles neither
pass, rows nor results: a guarded process does.
"""

import atexit
import contextlib
import functools
import logging
import os
import pickle
import re
import socket
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pixmill
from pixmill.core.errors import PixmillError
from pixmill.core.install.extras import LIBRARIES, installed_version
from pixmill.core.install.origin import install_command
from pixmill.core.process.arithmetic import instruction_set
from pixmill.core.process.progress import announce
from pixmill.images.compute.scheduler import Pool
from pixmill.images.compute.worker import Loss, Pass, RemoteError, RowLimits, name_of

VARIABLE = "PIXMILL_COMPUTE"
"""Environment variable that selects the cluster."""

_BATCHES_PER_CPU = 4
"""Batches in progress per CPU of the cluster."""

_MIN_ROWS = 128
"""Minimum rows of a batch with limits; Ray needs 10 ms of CPU time per batch."""

_BATCH_BYTES = 8 << 20
"""Size at which a batch is sent, even with fewer rows."""

_MAX_BYTES = 1 << 30
"""Total size of the batches in progress above which no more are sent."""

_MAX_ATTEMPTS = 5
"""Attempts at a batch whose process or node is lost."""

_CONNECT_TIMEOUT_SECONDS = 5.0
"""Time for the head to accept a connection; Ray's client would try for half a minute."""

_RAY_ENV = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Do not start a local cluster.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    # Do not upload the working directory under `uv run`.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Else gRPC writes a line whenever this process starts a browser or Git.
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_VERBOSITY": "ERROR",
}

_PROCESSOR = "processor"
_POOLS: dict[str, Pool] = {}
"""The pool of the last pass."""


def cluster_address(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the Ray cluster, or ``None`` to run locally.

    Raises:
        PixmillError: ``PIXMILL_COMPUTE`` is neither ``local`` nor an address.
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


@functools.cache
def connect(address: str) -> ModuleType:
    """Connect this process to a Ray cluster until exit, and return the module ``ray``.

    Args:
        address: Result of :func:`cluster_address`.

    Raises:
        PixmillError: Ray is not installed, its version or Python's differs from the cluster's, or
            the cluster does not answer.
    """
    for name, value in _RAY_ENV.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        from ray.util.client.logsclient import LogstreamClient
    except ModuleNotFoundError as error:
        message = f"{VARIABLE}={address} needs the package ray[client], which is not installed"
        raise PixmillError(message, next=install_command("ray")) from error
    for name in ("ray", LogstreamClient.__module__):
        logging.getLogger(name).handlers = [logging.NullHandler()]
    warnings.filterwarnings("ignore", module=r"ray\.")
    # Hide the output of Ray's server.
    LogstreamClient.log = LogstreamClient.stdstream = lambda *_, **__: None
    host, _, port = address.removeprefix("ray://").rpartition(":")
    packages = {"py_modules": [str(Path(pixmill.__file__).parent)]}
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_SECONDS).close()
        ray.init(address, runtime_env=packages, log_to_driver=False)
    except Exception as error:
        raise PixmillError(
            f"the Ray cluster {address} does not answer: {_one_line(error)}",
            next="start it (ray start --head --ray-client-server-port=PORT) with this machine's "
            "versions of Ray and Python, export RAY_AUTH_MODE=token if it asks for a token, "
            f"correct {VARIABLE}, or unset it",
        ) from error
    atexit.register(ray.shutdown)
    module: ModuleType = ray
    return module


def processors(address: str) -> int:
    """Return the current number of CPUs of a cluster.

    Raises:
        PixmillError: The cluster does not answer or has no CPUs.
    """
    count = int(connect(address).cluster_resources().get("CPU", 0))
    if not count:
        raise PixmillError(
            f"the Ray cluster {address} has no processors",
            next="start a node that has some: ray start --address=HEAD:6379",
        )
    return count


def run_on_cluster(
    address: str,
    function: Pass,
    rows: Iterable[Any],
    batch_size: int,
    limits: RowLimits | None,
    lost: Callable[[Any, Loss], Any] | None,
    carry: Callable[[Any], Any],
) -> Iterator[Any]:
    """Yield one result per row, in order.

    See :func:`pixmill.images.compute.map_batches` for the arguments.

    Args:
        address: Result of :func:`cluster_address`.
        function: The pass.
        rows: Rows, consumed lazily.
        batch_size: Rows per batch.
        limits: Limits per row, if any.
        lost: Returns the result of a row that fails twice.
        carry: Returns a row with the bytes of its file.

    Raises:
        PixmillError: A node would compute other results, the connection is lost, or a batch was
            lost repeatedly with its process or node.
    """
    ray = connect(address)
    name = name_of(function)
    announce(f"ray: {name} runs on {address} (processors: {processors(address)})")
    content = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
    order = pickle.dumps(
        NodePass(name, content, limits, versions(LIBRARIES)), pickle.HIGHEST_PROTOCOL
    )
    key = uuid.uuid4().hex
    task = ray.remote(num_cpus=1, max_retries=_MAX_ATTEMPTS - 1)(run_batch)
    batches = _batches(rows, max(batch_size, _MIN_ROWS) if limits else batch_size, carry)
    running: deque[tuple[Any, list[Any], int]] = deque()
    try:
        with _messages(ray, address, name):
            shared = ray.put(order)
        while True:
            with _messages(ray, address, name):
                max_running = _BATCHES_PER_CPU * processors(address)
            while len(running) < max_running and sum(size for *_, size in running) < _MAX_BYTES:
                if (batch := next(batches, None)) is None:
                    break
                given, packed = batch
                with _messages(ray, address, name):
                    running.append((task.remote(key, shared, packed), given, sum(map(len, packed))))
            if not running:
                return
            with _messages(ray, address, name):
                results = ray.get(running[0][0])
            _, given, _ = running.popleft()
            for row, result in zip(given, results, strict=True):
                if isinstance(result, bytes):
                    yield pickle.loads(result)  # noqa: S301 (from our own process on a node)
                else:
                    assert lost is not None
                    yield lost(row, result)
    finally:
        for reference, *_ in running:
            # A lost task need not be cancelled.
            with contextlib.suppress(Exception):
                ray.cancel(reference)


def _batches(
    rows: Iterable[Any], size: int, carry: Callable[[Any], Any]
) -> Iterator[tuple[list[Any], list[bytes]]]:
    """Yield batches of rows, with the same rows pickled after ``carry``."""
    given: list[Any] = []
    packed: list[bytes] = []
    for row in rows:
        given.append(row)
        packed.append(pickle.dumps(carry(row), pickle.HIGHEST_PROTOCOL))
        if len(given) == size or sum(map(len, packed)) >= _BATCH_BYTES:
            yield given, packed
            given = []
            packed = []
    if given:
        yield given, packed


@contextlib.contextmanager
def _messages(ray: ModuleType, address: str, name: str) -> Iterator[None]:
    """Re-raise exceptions of the pass, and convert those of Ray's client to error messages."""
    try:
        yield
    except PixmillError:
        raise
    except ray.exceptions.RayTaskError as error:
        raise error.cause from RemoteError(str(error))
    except Exception as error:
        if isinstance(error, ray.exceptions.RayError) and ray.util.client.ray.is_connected():
            raise PixmillError(
                f"{name} lost its process or node {_MAX_ATTEMPTS} times in the same batch: "
                f"{_one_line(error)}",
                next="check the nodes' memory, then run the same command again: finished work is "
                "kept",
            ) from error
        raise PixmillError(
            f"the connection to the Ray cluster {address} is lost: {_one_line(error)}",
            next="start the cluster again, then run the same command again: finished work is kept",
        ) from error


def _one_line(error: Exception) -> str:
    """Return an exception's text in one line; those of gRPC have many."""
    return " ".join(str(error).split())[:300] or repr(error)


class PackedPass:
    """A pass over pickled rows, unpickled in its worker only: networks and pandas are large.

    Args:
        name: Name of the pass, with its module.
        content: The pickled pass.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.__module__, _, self.__qualname__ = name.rpartition(".")
        self._content = content

    def __getstate__(self) -> bytes:
        return self._content

    def __setstate__(self, content: bytes) -> None:
        self._function = pickle.loads(content)  # noqa: S301 (from the client)

    def __call__(self, rows: Sequence[bytes]) -> list[bytes]:
        """Return the result of each row, pickled."""
        results = self._function([pickle.loads(row) for row in rows])  # noqa: S301 (likewise)
        return [pickle.dumps(result, pickle.HIGHEST_PROTOCOL) for result in results]


@dataclass(frozen=True)
class NodePass:
    """A pass and its requirements, shared by all of its batches.

    Args:
        name: Name of the pass, with its module.
        content: The pickled pass.
        limits: Limits per row, if any.
        versions: Required result of :func:`versions` on a node.
    """

    name: str
    content: bytes
    limits: RowLimits | None
    versions: Mapping[str, str]


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages (``none`` if not installed) and the CPU's instruction set."""
    found = {}
    for name in names:
        try:
            found[name] = installed_version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found | {_PROCESSOR: instruction_set()}


def run_batch(key: str, order: bytes, rows: Sequence[bytes]) -> list[bytes | Loss]:
    """Return the pickled result or the loss of each row.

    Args:
        key: Unique key of the pass.
        order: A pickled :class:`NodePass`, possibly many megabytes.
        rows: Pickled rows.

    Raises:
        PixmillError: This node would compute other results.
        Exception: Any exception of the pass.
    """
    try:
        if key not in _POOLS:
            _end_pools()
            _POOLS[key] = _open_pool(pickle.loads(order))  # noqa: S301 (from the client)
        return list(_POOLS[key].run(iter(rows), 1, lambda _, loss: loss))
    except BaseException:
        # Also if the batch was cancelled.
        _end_pools()
        raise


def _open_pool(order: NodePass) -> Pool:
    ours = versions(name for name in order.versions if name != _PROCESSOR)
    if other := {
        name: version for name, version in order.versions.items() if ours[name] != version
    }:
        import ray

        here = ray.util.get_node_ip_address()
        named = ", ".join(
            f"{name} {ours[name]} instead of {version}" for name, version in other.items()
        )
        raise PixmillError(
            f"the Ray node {here} would give other results: it has {named}",
            next="install the versions of this machine there (pip freeze --exclude pixmill), or "
            "stop that node",
        )
    return Pool(PackedPass(order.name, order.content), 1, order.limits)


def _end_pools() -> None:
    while _POOLS:
        _POOLS.popitem()[1].kill()
