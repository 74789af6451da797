"""A Ray cluster, where ``PIXMILL_COMPUTE`` names one: the same passes, guarded on its nodes as they are here."""

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
from pathlib import Path
from types import ModuleType
from typing import Any

import pixmill
from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import install_command
from pixmill.core.process.progress import announce
from pixmill.images.compute.node import NodePass, run_batch, versions
from pixmill.images.compute.worker import Loss, RemoteError, RowLimits, name_of

VARIABLE = "PIXMILL_COMPUTE"
"""The environment variable that says where passes run."""

_BATCHES = 4
"""Batches in progress per processor of the cluster."""

_ROWS = 128
"""Rows of a batch with limits, at least: Ray's own processes take 10 ms of CPU time per batch."""

_BATCH_BYTES = 8 << 20
"""Bytes at which a batch is sent, whatever its number of rows."""

_BYTES = 1 << 30
"""Bytes of the batches in progress at which no other is sent."""

_ATTEMPTS = 5
"""How often a batch is run whose process or node is lost each time."""

_SECONDS = 5.0
"""Time that the head has to answer at all; Ray's client alone would try for half a minute."""

_CONNECTIONS = 3
"""How often a connection is begun that the head ends."""

_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Without a connection it would start a cluster here.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    # Under `uv run` Ray would upload the whole working directory.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Else gRPC writes a line whenever this process starts a browser or Git.
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_VERBOSITY": "ERROR",
}


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


@functools.cache
def connect(address: str) -> ModuleType:
    """Connect this process to a Ray cluster until it ends, and return the module ``ray``.

    Args:
        address: As :func:`cluster_address` returns it.

    Raises:
        PixmillError: Ray is not installed, its version or Python's differs from the cluster's, or the cluster does not
            answer.
    """
    for name, value in _RAY.items():
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
    # What the cluster's side of the connection prints.
    LogstreamClient.log = LogstreamClient.stdstream = lambda *_, **__: None
    host, _, port = address.removeprefix("ray://").rpartition(":")
    packages = {"py_modules": [str(Path(pixmill.__file__).parent)]}
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
        for left in reversed(range(_CONNECTIONS)):
            # On a busy head, the process that Ray starts there for each client fails now and then.
            with contextlib.suppress(ConnectionAbortedError) if left else contextlib.nullcontext():
                ray.init(address, runtime_env=packages, log_to_driver=False)
                break
    except Exception as error:
        raise PixmillError(
            f"the Ray cluster {address} does not answer: {_one_line(error)}",
            next="start it (ray start --head --ray-client-server-port=PORT) with this machine's versions of Ray and "
            f"Python, export RAY_AUTH_MODE=token if it asks for a token, correct {VARIABLE}, or unset it",
        ) from error
    atexit.register(ray.shutdown)
    module: ModuleType = ray
    return module


def processors(address: str) -> int:
    """Return how many processors the nodes of a cluster have at this moment.

    Raises:
        PixmillError: The cluster cannot be connected to, or has none.
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
    function: Callable[[Sequence[Any]], Sequence[Any]],
    rows: Iterable[Any],
    batch_size: int,
    limits: RowLimits | None,
    lost: Callable[[Any, Loss], Any] | None,
    carry: Callable[[Any], Any],
) -> Iterator[Any]:
    """Yield one result per row, in order, as :func:`pixmill.images.compute.map_batches` does.

    Args:
        address: As :func:`cluster_address` returns it.
        function: The pass, and so are the others.
        rows: The rows.
        batch_size: Rows per batch.
        limits: Limits per row.
        lost: The result of a row that was given up.
        carry: Returns a row with the bytes of its file.

    Raises:
        PixmillError: A node would give other results, the connection is lost, or a batch was lost with its node time
            and again.
    """
    from pixmill.core.provenance.lock import LIBRARIES

    ray, name = connect(address), name_of(function)
    announce(f"ray: {name} runs on {address} (processors: {processors(address)})")
    content = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
    order = pickle.dumps(NodePass(name, content, limits, versions(LIBRARIES)), pickle.HIGHEST_PROTOCOL)
    key = uuid.uuid4().hex
    task = ray.remote(num_cpus=1, max_retries=_ATTEMPTS - 1)(run_batch)
    batches = _batches(rows, max(batch_size, _ROWS) if limits else batch_size, carry)
    running: deque[tuple[Any, list[Any], int]] = deque()
    try:
        with _messages(ray, address, name):
            shared = ray.put(order)
        while True:
            with _messages(ray, address, name):
                room = _BATCHES * processors(address)
            while len(running) < room and sum(size for *_, size in running) < _BYTES:
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
            # What is lost needs no end.
            with contextlib.suppress(Exception):
                ray.cancel(reference)


def _batches(rows: Iterable[Any], most: int, carry: Callable[[Any], Any]) -> Iterator[tuple[list[Any], list[bytes]]]:
    """Yield batches of rows, and each of these rows pickled with the bytes of its file."""
    given: list[Any] = []
    packed: list[bytes] = []
    for row in rows:
        given.append(row)
        packed.append(pickle.dumps(carry(row), pickle.HIGHEST_PROTOCOL))
        if len(given) == most or sum(map(len, packed)) >= _BATCH_BYTES:
            yield given, packed
            given, packed = [], []
    if given:
        yield given, packed


@contextlib.contextmanager
def _messages(ray: ModuleType, address: str, name: str) -> Iterator[None]:
    """Raise what a pass raised on a node, and say what other exceptions of Ray's client mean."""
    try:
        yield
    except PixmillError:
        raise
    except ray.exceptions.RayTaskError as error:
        raise error.cause from RemoteError(str(error))
    except Exception as error:
        if isinstance(error, ray.exceptions.RayError) and ray.util.client.ray.is_connected():
            raise PixmillError(
                f"{name} lost its process or node {_ATTEMPTS} times in the same batch: {_one_line(error)}",
                next="look at the nodes' memory, then run the same command again: finished work is kept",
            ) from error
        raise PixmillError(
            f"the connection to the Ray cluster {address} is lost: {_one_line(error)}",
            next="start the cluster again, then run the same command again: finished work is kept",
        ) from error


def _one_line(error: Exception) -> str:
    """Return an exception's text in one line; what gRPC knows of a broken connection has many."""
    return " ".join(str(error).split())[:300] or repr(error)
