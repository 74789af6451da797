"""Shutdown of the server: accepted requests, corrections and processes."""

import asyncio
import contextlib
import http.client
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.load import Sender
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.prediction_log import read_log
from tests.serve.http.conftest import Client, picture
from tests.serve.http.load.server import Running, upload

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]

CONNECTIONS = 16


@pytest.fixture
def ending(trained_folder: Path, tmp_path: Path):
    """A server that the test may stop."""
    environ = {"TMPDIR": str(tmp_path)}
    with Running(
        "--model", str(trained_folder), "--workers", "2", cwd=tmp_path, environ=environ
    ) as running:
        yield running


async def under_load(
    server: Running, requests: list[bytes], signum: int, seconds: float = 1.5
) -> list[tuple[float, int | None]]:
    """Load a server, send a signal, and return time since it and status of each request."""
    loop = asyncio.get_running_loop()
    found: list[tuple[float, int | None]] = []

    async def client(number: int) -> None:
        _, sender = await loop.create_connection(Sender, "127.0.0.1", server.port)
        while not sender.closed:
            sent = time.perf_counter()
            try:
                status, _ = await sender.send(requests[number % len(requests)])
            except OSError:
                found.append((sent, None))
                return
            found.append((sent, status))

    clients = [asyncio.create_task(client(number)) for number in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    moment = time.perf_counter()
    os.kill(server.process.pid, signum)
    await asyncio.wait_for(asyncio.gather(*clients), 60)
    return [(sent - moment, status) for sent, status in found]


def test_answers_accepted_requests_after_sigterm(ending, heavy, tmp_path):
    family = ending.family()
    found = asyncio.run(under_load(ending, [upload(heavy, kind="image/png")], signal.SIGTERM))
    # Requests sent at the time of the signal may be refused.
    before = [status for sent, status in found if sent < -0.2]
    assert len(before) >= CONNECTIONS
    assert set(before) == {200}
    assert ending.wait() == -signal.SIGTERM
    assert psutil.wait_procs(family, timeout=60)[1] == []
    assert list(tmp_path.glob("pixmill-*")) == []
    assert "Traceback" not in ending.log.read_text()


def test_sigkill_leaves_no_process(ending, photographs):
    family = ending.family()
    assert len(family) >= 3
    found = asyncio.run(
        under_load(ending, [upload(photograph) for photograph in photographs], signal.SIGKILL)
    )
    assert 200 in {status for _, status in found}
    ending.wait()
    assert psutil.wait_procs(family, timeout=60)[1] == []


def test_sigkill_loses_no_acknowledged_correction(trained_folder, tmp_path):
    """Kill one of two servers with a common inbox while both receive corrections."""
    options = ["--model", str(trained_folder), "--workers", "1", "--inbox", str(tmp_path / "inbox")]
    answered: list[str] = []
    some = threading.Event()

    def send(client: Client, first: int) -> None:
        for seed in range(first, first + 20):
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = client.post_parts(
                    "/v1/feedback", ("file", "a", picture(seed)), ("label", None, b"coat")
                )
                answered.append(answer.json["id"])
            if len(answered) > 15:
                some.set()

    with Running(*options, cwd=tmp_path) as first, Running(*options, cwd=tmp_path) as second:
        clients = [
            threading.Thread(target=send, args=(Client(server.port), 100 * number))
            for number, server in enumerate((first, second, first, second))
        ]
        for client in clients:
            client.start()
        assert some.wait(60)
        first.process.kill()
        for client in clients:
            client.join()
    moved = Inbox(tmp_path / "reviewer")
    moved.take_over(tmp_path / "inbox")
    kept = {entry.id for entry in moved.entries()[0]}
    assert set(answered) <= kept
    assert 40 <= len(answered) <= len(kept) < 80


def test_sigkill_loses_at_most_a_second_of_the_log(trained_folder, photographs, tmp_path):
    options = ["--model", str(trained_folder), "--workers", "2", "--log", "log"]
    requests = [upload(photograph) for photograph in photographs]
    with Running(*options, cwd=tmp_path) as server:
        found = asyncio.run(under_load(server, requests, signal.SIGKILL, seconds=4))
    answered = [status for _, status in found]
    assert answered.count(200) > 50
    logged = [time for _, table in read_log(tmp_path / "log") for time in table["time"].to_pylist()]
    # A second, and the time to write.
    lost = sum(status == 200 for sent, status in found if sent < -1.5) - len(logged)
    assert lost <= 0
    assert len(logged) <= len(answered)


def test_a_killed_worker_loses_no_request(ending, photographs):
    async def act() -> list[int]:
        loop = asyncio.get_running_loop()
        statuses = []
        killed = 0

        async def client(number: int) -> None:
            _, sender = await loop.create_connection(Sender, "127.0.0.1", ending.port)
            sent = 0
            # A killed idle worker is replaced at the next request.
            while sent < 20 or killed < 3:
                status, body = await sender.send(upload(photographs[number]))
                assert b'"reason":null' in body.replace(b" ", b"")
                statuses.append(status)
                sent += 1
            sender.close()

        async def killer() -> None:
            nonlocal killed
            while killed < 3:
                await asyncio.sleep(0.2)
                # The last killed worker may not be replaced yet.
                alive = [
                    one for one in ending.process.children() if one.status() != psutil.STATUS_ZOMBIE
                ]
                workers = [one for one in alive if "spawn_main" in " ".join(one.cmdline())]
                for worker in workers[:1]:
                    worker.kill()
                    killed += 1

        async with asyncio.timeout(120):
            await asyncio.gather(killer(), *(client(number) for number in range(4)))
        return statuses

    statuses = asyncio.run(act())
    assert len(statuses) >= 80
    assert set(statuses) == {200}
