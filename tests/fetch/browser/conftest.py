"""Fake programs for the finder; a site, a trap and a proxy for real browsers."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pixmill.fetch.browser import Browser, find_browser
from pixmill.fetch.proxy import Proxy
from pixmill.fetch.values import Network
from tests.left_out import leave_out
from tests.servers import Handler, serve

_TRIAL = [
    "unshare",
    "--net",
    "--mount",
    "ip",
    "link",
    "add",
    "inner",
    "type",
    "veth",
    "peer",
    "name",
    "outer",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests that need network namespaces if these are not available."""
    confined = [item for item in items if item.path.name in ("test_packets.py", "test_no_ipv6.py")]
    if confined and not _has_namespaces():
        leave_out(
            config, items, confined.__contains__, "they need root, iproute2 and network namespaces"
        )


def _has_namespaces() -> bool:
    try:
        return subprocess.run(_TRIAL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


class Machine:
    """A PATH with only the scripts that a test installs: browsers, drivers and a fake Selenium Manager."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.locates("", "")

    def script(self, path: str, body: str) -> Path:
        """Write an executable shell script at a path below the root."""
        script = self.root / path
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        return script

    def program(self, path: str, version: str) -> Path:
        """Write an executable that prints a version."""
        return self.script(path, f"echo 'The Program {version} (of a test)'")

    def locates(self, browser: object, driver: object, *, online: Any = None) -> None:
        """Make Selenium Manager find a pair offline, and download another pair or fail."""
        after = self.root / "downloaded"

        def answer(code: int = 0, **result: str) -> str:
            return (
                "echo "
                f"'{json.dumps({'logs': [], 'result': {'code': code, 'message': '', **result}})}'"
            )

        offline = answer(browser_path=str(browser), driver_path=str(driver))
        failing = answer(65, message="error sending request for url") + "; exit 65"
        downloaded = (
            answer(browser_path=str(online[0]), driver_path=str(online[1])) if online else failing
        )
        self.script(
            "selenium-manager",
            f'echo "$*" >> {self.root}/commands\n'
            f'case "$*" in *--offline*) if [ -e {after} ]; then {downloaded}; exit; fi;;\n'
            f"*) {'echo > ' + str(after) + '; ' if online else ''}{downloaded}; exit;; esac\n"
            f"{offline}",
        )

    def commands(self) -> list[str]:
        """Return the arguments of each call of Selenium Manager."""
        path = self.root / "commands"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("SE_MANAGER_PATH", str(tmp_path / "selenium-manager"))
    return Machine(tmp_path)


class Site:
    """Serve pages on loopback under any name, and record the requested paths."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {"/": "<title>Home</title><p>Welcome</p>"}
        self.paths: list[str] = []
        site = self

        class Pages(Handler):
            def respond(self) -> None:
                site.paths.append(self.path)
                path, _, query = self.path.partition("?")
                if path == "/to":
                    self.answer(status=302, Location=urllib.parse.unquote(query, "latin-1"))
                elif path == "/status":
                    self.answer(status=int(query))
                else:
                    kind = "application/octet-stream" if path == "/file" else "text/html"
                    self.answer(site.pages.get(path, ""), kind=kind)

        self.handler = Pages
        self.port = 0


class Trap:
    """Listen on one loopback port for TCP over IPv4 and IPv6 and for UDP, and record connections."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", self.port))
        self._listening = {"tcp": tcp, "udp": udp}
        with contextlib.suppress(OSError):  # a machine without IPv6
            six = stack.enter_context(
                socket.create_server(("::1", self.port), family=socket.AF_INET6)
            )
            self._listening["tcp over IPv6"] = six
        for listening in self._listening.values():
            listening.setblocking(False)

    def caught(self) -> list[str]:
        """Return the protocols that reached the trap since the last call."""
        return [name for name, listening in self._listening.items() if self._was_reached(listening)]

    @staticmethod
    def _was_reached(listening: socket.socket) -> bool:
        try:
            if listening.type == socket.SOCK_DGRAM:
                listening.recv(99)
            else:
                listening.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    with serve(site.handler) as server:
        site.port = server.server_port
        yield site


@pytest.fixture
def trap() -> Iterator[Trap]:
    with contextlib.ExitStack() as stack:
        yield Trap(stack)


@pytest.fixture(scope="module")
def proxy(site: Site) -> Iterator[Proxy]:
    """A proxy that serves the site under one name."""
    with Proxy(Network(served={"shop.pixmill.test:80": site.port})) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def browser() -> Browser:
    return find_browser()


@pytest.fixture
def until() -> Callable[..., object]:
    """Return a function that waits until a condition holds and returns its last value."""

    def wait(condition: Callable[[], object], seconds: float = 60.0) -> object:
        end = time.monotonic() + seconds
        while not (value := condition()) and time.monotonic() < end:
            time.sleep(0.05)
        return value

    return wait


@pytest.fixture
def mentioning() -> Callable[[str], list[int]]:
    """Return a function that finds the living processes whose command line contains a text."""

    def find(text: str) -> list[int]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and any(
                    text in word for word in process.cmdline()
                ):
                    found.append(process.pid)
        return found

    return find
