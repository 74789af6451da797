"""The connection to a Ray cluster: bounded in time, silent, and with errors that a person can act on."""

import atexit
import functools
import logging
import os
import re
import socket
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.origin import install_command

VARIABLE = "PIXMILL_COMPUTE"
"""The environment variable that says where passes run."""

_SECONDS = 5.0
"""Time that the head has to answer at all; Ray's client alone would try for half a minute."""

_ATTEMPTS = 3
"""How often a connection is begun that the head answers and then ends."""

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

_NOT_ON_NODES = ["__pycache__", "/new/template"]


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


def connect(address: str, packages: Sequence[Path]) -> ModuleType:
    """Connect this process to a Ray cluster until it ends.

    Args:
        address: As :func:`cluster_address` returns it.
        packages: Folders of Python packages that the nodes get.

    Returns:
        The module ``ray``.

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
    threading.excepthook = functools.partial(_tell, threading.excepthook)
    # What the cluster's side of the connection prints.
    LogstreamClient.log = LogstreamClient.stdstream = lambda *_, **__: None
    host, _, port = address.removeprefix("ray://").rpartition(":")
    environment = {
        "py_modules": [str(package) for package in packages],
        "excludes": _NOT_ON_NODES,
        "env_vars": {VARIABLE: "local"},
    }
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
        for left in reversed(range(_ATTEMPTS)):
            try:
                ray.init(address, runtime_env=environment, log_to_driver=False)
                break
            except ConnectionAbortedError:
                # On a busy head, what Ray starts there for each client fails now and then.
                if not left:
                    raise
    except Exception as error:
        if (told := refusal(address, error)) is None:
            raise
        raise told from error
    atexit.register(ray.shutdown)
    module: ModuleType = ray
    return module


def _tell(hook: Callable[[threading.ExceptHookArgs], object], failed: threading.ExceptHookArgs) -> None:
    """Pass a thread's exception on, except that of gRPC's thread that watches a connection while it is closed."""
    if "Channel closed" not in str(failed.exc_value):
        hook(failed)


def refusal(address: str, error: Exception) -> PixmillError | None:
    """Return what to tell a person about an exception of Ray's client; ``None`` if it is a defect."""
    text = str(error)
    if "Version mismatch" in text:
        (ray, our_ray), (python, our_python) = (re.findall(rf"{name}: (\S+)", text) for name in ("Ray", "Python"))
        return PixmillError(
            f"{address} runs Ray {ray} on Python {python}; this machine has Ray {our_ray} on Python {our_python}",
            next=f"pip install 'ray[client]=={ray}' in an environment with Python {python.rpartition('.')[0]}",
        )
    if "connection timeout" in text:
        return PixmillError(
            f"{address} accepts connections, but no Ray cluster answers there: {reason(error)}",
            next="if it asks for a token: export RAY_AUTH_MODE=token, with its ~/.ray/auth_token here; else read "
            "ray_client_server.err among its logs",
        )
    # What a task on a node raised is a RayTaskError, and an OSError too if that was one.
    elsewhere = type(error).__name__.startswith("RayTaskError")
    if (isinstance(error, OSError) and not elsewhere) or type(error).__module__.startswith("grpc"):
        return PixmillError(
            f"the Ray cluster {address} does not answer: {reason(error)}",
            next=f"start it (ray start --head --ray-client-server-port=PORT), correct {VARIABLE}, or unset it",
        )
    return None


def reason(error: Exception) -> str:
    """Return an exception's text in one line; what gRPC knows of a broken connection has many."""
    details: Any = getattr(error, "details", None)
    text = str(details() if callable(details) else error).split()
    return " ".join(text)[:300] or repr(error)
