"""A Ray cluster on loopback, whose nodes can be lost."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import psutil

from tests.ports import unused_port

__all__ = ["LOST_NODE", "RayCluster", "squares_unless_on_lost_node"]

_REPOSITORY = Path(__file__).parents[2]

_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Detect a lost node in 3 s instead of 15.
    "RAY_health_check_period_ms": "500",
    # Else a server that Ray forks for a client sometimes dies in gRPC's fork handlers.
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "PYTHONPATH": str(_REPOSITORY),
}

_PORTS = ["--min-worker-port=0", "--max-worker-port=0"]
"""Let the nodes' processes use any free port."""

_NODE = "PIXMILL_TEST_NODE"
"""Environment variable with the number of a node, for the passes that run there."""

LOST_NODE = 2
"""Number of the node that a test kills."""

_HIDE = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$1" && shift && exec "$@"', "sh"]


class RayCluster:
    """A Ray cluster of nodes with one processor each, which can import the tests' modules.

    Args:
        nodes: Number of nodes, including the head.
        hidden: Folder that appears empty to the nodes.
    """

    def __init__(self, nodes: int, hidden: Path) -> None:
        network = f"127.{secrets.choice(range(1, 255))}.{secrets.choice(range(255))}"
        port = unused_port()
        client = unused_port()
        self.address = f"ray://{network}.1:{client}"
        places = [f"--node-ip-address={network}.{1 + number}" for number in range(nodes)]
        head = [
            "--head",
            f"--port={port}",
            f"--ray-client-server-port={client}",
            "--include-dashboard=false",
        ]
        kinds = [head, *[[f"--address={network}.1:{port}"]] * (nodes - 1)]
        self._nodes: list[subprocess.Popen[bytes]] = []
        for number, (place, kind) in enumerate(zip(places, kinds, strict=True)):
            words = [
                str(Path(sys.executable).with_name("ray")),
                "start",
                "--block",
                "--num-cpus=1",
                *_PORTS,
                place,
                *kind,
            ]
            with tempfile.TemporaryFile() as output:
                self._nodes.append(
                    subprocess.Popen(
                        [*_HIDE, str(hidden), *words, f"--object-store-memory={100 << 20}"],
                        env=os.environ | _RAY | {_NODE: str(number)},
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )
                # One after another: nodes that start at the same time may choose the same socket.
                _wait_until_started(self._nodes[-1], output)
        _wait_for(f"{network}.1", client)

    def runs_a_batch(self, number: int) -> bool:
        """Return whether a node is running a batch, by the process titles that Ray sets."""
        return any("ray::run_batch" in _words(process) for process in self._tree(number))

    def kill_node(self, number: int) -> None:
        """Kill all processes of a node, like the loss of a machine; node 0 is the head."""
        for process in self._tree(number):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._nodes[number].wait()

    def end(self) -> None:
        """End all nodes."""
        for number in range(len(self._nodes)):
            self.kill_node(number)

    def _tree(self, number: int) -> list[psutil.Process]:
        try:
            return [
                (root := psutil.Process(self._nodes[number].pid)),
                *root.children(recursive=True),
            ]
        except psutil.NoSuchProcess:
            return []


def squares_unless_on_lost_node(rows: Sequence[int]) -> list[int]:
    """Return the squares of numbers after 0.1 s; on the node that a test kills, block."""
    time.sleep(300 if os.environ.get(_NODE) == str(LOST_NODE) else 0.1)
    return [row * row for row in rows]


def _wait_until_started(node: subprocess.Popen[bytes], output: IO[bytes]) -> None:
    latest = time.monotonic() + 120
    while b"Ray runtime started" not in (text := os.pread(output.fileno(), 1 << 20, 0)):
        assert node.poll() is None, text.decode()
        assert time.monotonic() < latest, text.decode()
        time.sleep(0.05)


def _wait_for(host: str, port: int) -> None:
    latest = time.monotonic() + 120
    while True:  # Early connections are refused.
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((host, port)):
            return
        assert time.monotonic() < latest
        time.sleep(0.05)


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
