"""Send prebuilt HTTP requests over keep-alive connections at little cost: ``python benchmarks/load.py --help``.

Each connection sends its next request when the response to its last is complete. Only status and
length are parsed, to leave the processors to the server.
"""

import argparse
import asyncio
import base64
import itertools
import json
import re
import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return a request."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def write_requests(path: Path, requests: Iterable[bytes]) -> None:
    """Write requests to a file, each preceded by its length."""
    with path.open("wb") as file:
        for request in requests:
            file.write(struct.pack("<I", len(request)) + request)


def read_requests(path: Path) -> list[bytes]:
    """Return the requests of a file."""
    content = path.read_bytes()
    place = 0
    requests = []
    while place < len(content):
        (length,) = struct.unpack_from("<I", content, place)
        requests.append(content[place + 4 : place + 4 + length])
        place += 4 + length
    return requests


class Sender(asyncio.Protocol):
    """One connection; ``closed`` is true once either side has ended it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parts = bytearray()
        self._missing: int | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._answer and not self._answer.done():
            self._answer.set_exception(
                error or ConnectionResetError("closed before the response was complete")
            )

    def data_received(self, data: bytes) -> None:
        self._parts += data
        if self._missing is None:
            head = self._parts.find(b"\r\n\r\n")
            if head < 0:
                return
            found = _LENGTH.search(self._parts, 0, head)
            self._missing = head + 4 + (int(found[1]) if found else 0)
        if len(self._parts) >= self._missing and self._answer and not self._answer.done():
            whole = bytes(self._parts)
            self._missing = None
            self._parts.clear()
            head, _, body = whole.partition(b"\r\n\r\n")
            if b"\r\nconnection: close" in head.lower():
                self.close()
            self._answer.set_result((int(head[9:12]), body))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a request, and return status and body of the response."""
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.closed = True
        self._transport.close()


async def load(
    port: int, requests: list[bytes], *, connections: int, seconds: float, once: bool = False
) -> dict:
    """Load a server for some seconds, or send each request once, and return the results.

    Returns:
        ``answers`` by status (``closed``: no response), ``seconds``, ``latencies`` of responses
        with 200 (sorted, in seconds), and with ``once`` the ``bodies`` in the order of the
        requests.
    """
    loop = asyncio.get_running_loop()
    answers: Counter[str] = Counter()
    latencies: list[float] = []
    bodies: list[bytes] = [b""] * len(requests)
    began = time.perf_counter()
    numbers: Iterator[int] = (
        iter(range(len(requests))) if once else itertools.cycle(range(len(requests)))
    )

    async def work(place: int) -> None:
        address = f"127.0.0.{1 + place // 50}", 0  # The server takes 64 connections of one.
        sender: Sender | None = None
        while once or time.perf_counter() - began < seconds:
            number = next(numbers, None)
            if number is None:
                break
            sent = time.perf_counter()
            try:
                if sender is None or sender.closed:
                    _, sender = await loop.create_connection(
                        Sender, "127.0.0.1", port, local_addr=address
                    )
                status, body = await sender.send(requests[number])
            except OSError:
                answers["closed"] += 1
                sender = None
                await asyncio.sleep(0.01)
                continue
            answers[str(status)] += 1
            if status == 200:
                latencies.append(time.perf_counter() - sent)
            if once:
                bodies[number] = body
        if sender:
            sender.close()

    await asyncio.gather(*map(work, range(connections)))
    result = {
        "answers": dict(answers),
        "seconds": time.perf_counter() - began,
        "latencies": sorted(latencies),
    }
    return result | (
        {"bodies": [base64.b64encode(body).decode() for body in bodies]} if once else {}
    )


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--requests", type=Path, required=True, help="file of requests, each preceded by its length"
    )
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument(
        "--once", action="store_true", help="send each request once, and print the responses"
    )
    options = parser.parse_args()
    requests = read_requests(options.requests)
    done = load(
        options.port,
        requests,
        connections=options.connections,
        seconds=options.seconds,
        once=options.once,
    )
    print(json.dumps(asyncio.run(done)))


if __name__ == "__main__":
    main()
