"""A Ray cluster on loopback, whose nodes come and go."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.ports import unused_port

__all__ = ["RayCluster"]

_REPOSITORY = Path(__file__).parents[2]

# A node that is gone is missed in 3 s, not in 15.
_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_health_check_period_ms": "500"}

_HIDE = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$1" && shift && exec "$@"', "sh"]


class RayCluster:
    """A Ray cluster of nodes with one processor each, which can import the tests' modules.

    Their addresses are in a network of loopback of its own, since Ray takes the same ports for each cluster.

    Args:
        nodes: How many, the head among them.
        hidden: A folder that they find empty.
    """

    def __init__(self, nodes: int, hidden: Path | None = None) -> None:
        port = unused_port()
        self._network = f"127.{secrets.choice(range(1, 255))}.{secrets.choice(range(255))}"
        self.address = f"ray://{self.ip(0)}:{port}"
        words = [sys.executable, "-m", "tests.cluster.ray_server", self.ip(0), str(port)]
        self._server = subprocess.Popen(
            words if hidden is None else [*_HIDE, str(hidden), *words],
            cwd=_REPOSITORY,
            env=_environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._nodes = [self._answer()]
        for _ in range(nodes - 1):
            self.add_node()

    def add_node(self, environment: Mapping[str, str] | None = None, folder: Path = _REPOSITORY) -> int:
        """Add a node and return its number.

        Args:
            environment: Variables that it has besides those of this process.
            folder: Its working directory.
        """
        number = len(self._nodes)
        wanted = {"environment": _environment(environment or {}), "folder": str(folder), "address": self.ip(number)}
        assert self._server.stdin is not None
        self._server.stdin.write(f"{json.dumps(wanted)}\n")
        self._server.stdin.flush()
        self._nodes.append(self._answer())
        return number

    def ip(self, number: int) -> str:
        """Return a node's address."""
        return f"{self._network}.{1 + number}"

    def runs_a_batch(self, number: int) -> bool:
        """Tell whether a node is at a batch of a pass at this moment: Ray names its processes by what they run."""
        return any("ray::run_batch" in words for root in self._nodes[number] for words in map(_words, _tree(root)))

    def kill_node(self, number: int) -> None:
        """Kill all that runs on a node, as the loss of a machine would; node 0 is the head."""
        for process in [each for root in self._nodes[number] for each in _tree(root)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def end(self) -> None:
        """End all nodes."""
        for number in range(len(self._nodes)):
            self.kill_node(number)
        self._server.kill()
        self._server.communicate()

    def _answer(self) -> list[int]:
        assert self._server.stdout is not None
        answer: list[int] = json.loads(self._server.stdout.readline())
        return answer


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    path = [more.get("PYTHONPATH"), str(_REPOSITORY), os.environ.get("PYTHONPATH")]
    return {**os.environ, **_RAY, **more, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _tree(pid: int) -> list[psutil.Process]:
    try:
        return [(root := psutil.Process(pid)), *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
