"""Under overload and hostile input, the server answers, bounds its memory, and survives."""

import asyncio
import base64
import contextlib
import random
import struct
import zlib

import pytest
from PIL import Image

from benchmarks.load import load, post
from tests.images.samples import chunk, encoded, png_header, shapes
from tests.serve.http.load.conftest import WAITING, WORKERS
from tests.serve.http.load.server import Running, upload

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]

MAX_MEMORY = 700_000_000
"""Bytes of all processes together."""


@pytest.fixture(autouse=True)
def survived(server: Running):
    """Check afterwards that the server still runs, freed its memory, and predicts as before."""
    good = encoded(shapes(5), "PNG")
    before = server.predict(good)
    parent = server.process.pid
    yield
    assert server.predict(good) == before
    assert server.process.pid == parent
    assert server.process.is_running()
    assert server.status("/healthz") == 200
    assert server.memory() < MAX_MEMORY
    assert "Traceback" not in server.log.read_text()


def sent(server: Running, requests: list[bytes], *, connections: int = 2 * WORKERS) -> dict:
    """Send each request once, and return the counts of statuses."""
    return asyncio.run(load(server.port, requests, connections=connections, seconds=0, once=True))


def test_overload_is_answered_with_503(server, photographs, seconds):
    requests = [upload(photograph) for photograph in photographs]
    for connections in (
        4 * (WORKERS + WAITING),
        300,
    ):  # 300 exceeds the maximum number of connections.
        result = asyncio.run(load(server.port, requests, connections=connections, seconds=seconds))
        assert set(result["answers"]) == {"200", "503"}
        assert result["answers"]["200"] >= WAITING
    # With as many connections as may wait, no request is refused.
    result = asyncio.run(load(server.port, requests, connections=WAITING, seconds=seconds / 3))
    assert set(result["answers"]) == {"200"}


async def left(writer: asyncio.StreamWriter) -> None:
    """Close a connection, which the server may have closed already."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def test_idle_connections_do_not_block_the_server_for_good(server, photographs):
    async def act() -> bytes:
        clients = [(f"127.0.0.{1 + number // 60}", 0) for number in range(300)]
        many = [
            await asyncio.open_connection("127.0.0.1", server.port, local_addr=each)
            for each in clients
        ]
        reader, writer = many[-1]
        writer.write(upload(photographs[0]))
        response = await reader.readuntil(b"\r\n\r\n")
        for _, writer in many:
            await left(writer)
        return response

    assert asyncio.run(act()).startswith(b"HTTP/1.1 503 ")
    result = asyncio.run(load(server.port, [upload(photographs[0])], connections=2, seconds=1))
    assert set(result["answers"]) == {"200"}


def test_broken_uploads_have_a_reason_or_are_problems(server, photographs, seconds):
    chance = random.Random(0)
    images = [
        photographs[0],
        *(encoded(shapes(), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")),
    ]

    def broken() -> bytes:
        content = bytearray(chance.choice(images))
        for _ in range(chance.randrange(1, 40)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        return bytes(
            content[: chance.randrange(len(content))] if chance.random() < 0.5 else content
        )

    kind = "Content-Type: multipart/form-data; boundary=XXXX"
    json_ = "Content-Type: application/json"
    part = (
        b'--XXXX\r\nContent-Disposition: form-data; name="file"; '
        b'filename="%b"\r\n\r\n%b\r\n--XXXX--\r\n'
    )
    forms = [
        lambda: upload(broken()),
        lambda: post("/v1/predict", part % (b"x.jpg", broken()), kind),
        lambda: post(
            "/v1/predict", (part % (b"../../etc/passwd", broken()))[: chance.randrange(200)], kind
        ),
        lambda: post("/v1/predict", chance.randbytes(200), kind),
        lambda: post("/v1/predict", chance.randbytes(300), json_),
        lambda: post(
            "/v1/predict",
            b'{"images": [{"content": "%b"}]}' % base64.b64encode(broken()),
            json_,
        ),
        lambda: post("/v1/explain?label=%00", broken(), "Content-Type: image/png"),
        lambda: post("/v1/feedback", part % (b"x.jpg", broken()), kind),
        lambda: post("/invocations", chance.randbytes(50), json_),
    ]
    requests = [forms[number % len(forms)]() for number in range(int(170 * seconds))]
    result = sent(server, requests, connections=WORKERS + WAITING // 2)
    assert set(result["answers"]) <= {"200", "400", "404", "413", "415", "422", "503"}
    for body in map(base64.b64decode, result["bodies"]):
        assert b"Traceback" not in body
        assert b"/site-packages/" not in body


def bombs() -> dict[str, bytes]:
    """Return small files that expand to huge images."""
    rows = zlib.compress(b"\0" * 200_000_000, 9)
    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    text = png_header(8, 8, b"\0" * 200)
    text = text[:33] + chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\0" * 100_000_000, 9)) + text[33:]
    frames = [Image.new("L", (4000, 4000), shade) for shade in range(8)]
    lying = bytearray(encoded(shapes(), "GIF"))
    lying[6:10] = struct.pack("<HH", 65535, 65535)
    tiff = encoded(Image.new("1", (20_000, 20_000)), "TIFF", compression="group4")
    webp = encoded(Image.new("RGB", (5_000, 5_000)), "WEBP", quality=0, method=0)
    return {
        "png": png,
        "png's profile": text,
        "gif of many": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "gif's size": bytes(lying),
        "tiff": tiff,
        "webp": webp,
        "header": png_header(60_000, 60_000),
    }


def test_decompression_bombs_need_little_memory(server):
    files = bombs()
    assert max(map(len, files.values())) < 2_000_000
    peak = 0
    for name, content in files.items():
        (row,) = server.predict(content)
        assert (row["label"] is None) == (row["reason"] is not None), name
        peak = max(peak, server.memory())
    assert peak < MAX_MEMORY
    reasons = [server.predict(files[name])[0]["reason"] for name in ("png", "header", "tiff")]
    assert reasons == ["too_many_pixels"] * 3
