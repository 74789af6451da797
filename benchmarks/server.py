"""Serve images from memory, with a latency, as fast as one core allows: ``python benchmarks/server.py --help``."""

import argparse
import asyncio
import io
import struct

import numpy as np
from PIL import Image

NUMBER_BYTES = 8


def jpeg(size: int) -> bytes:
    """Return a noise image of at least ``size`` bytes."""
    noise = np.random.default_rng(7)
    side = 16
    while True:
        buffer = io.BytesIO()
        pixels = noise.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
        if buffer.tell() >= size:
            return buffer.getvalue()
        side += 8


def numbered(image: bytes, number: int) -> bytes:
    """Return the image with its number in a comment (ITU T.81, B.2.4.5), which makes its bytes unique."""
    comment = struct.pack(">HHQ", 0xFFFE, 2 + NUMBER_BYTES, number)
    return image[:2] + comment + image[2:]


class Images(asyncio.Protocol):
    """Answer ``GET /<number>.jpg``, and 404 to other requests."""

    def __init__(self, image: bytes, latency: float) -> None:
        self._image = image
        self._latency = latency
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each complete request."""
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            answer = self._answer(request.split(b" ", 2)[1])
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._write, answer)
            else:
                self._write(answer)

    def _answer(self, path: bytes) -> bytes:
        name = path[1:].partition(b".")[0]
        if not name.isdigit():
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        body = numbered(self._image, int(name))
        return b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def main() -> None:
    """Serve until killed; the port is the first line of the output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--bytes", type=int, default=30_000, help="size of an image (default: 30000)"
    )
    parser.add_argument(
        "--latency", type=float, default=0.0, help="seconds before each response (default: 0)"
    )
    arguments = parser.parse_args()
    image = jpeg(arguments.bytes)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Images(image, arguments.latency), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
