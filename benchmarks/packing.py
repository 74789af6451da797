"""Pack photographs of 150 x 150 pixels, enlarged to 260: bytes, and CPU time to compress and decompress.

All are lossless. `source size` packs the photograph as it is, and resizes it at each reading. Then
the features of images that are packed are compared with those of images in memory.

    make bench-packing             QUICK=1 for a short one
"""

import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sklearn
from contest import TRIAL_SIDE, install, machine, sized
from images import make_images
from PIL import Image
from public_images import THREADS

from pixmill.core.params import BackboneParams
from pixmill.images.compression import compress, decompress
from pixmill.images.fit import fit
from pixmill.models.extraction import FeaturePass
from pixmill.models.litert_export import convert_backbone

COUNT, ROUNDS = sized((200, 9), (60, 5), (2, 1))
SOURCE_SIDE, SIDE = 150, 260
FEATURE_SIDES = sized((160, 224), (160,), (TRIAL_SIDE,))

Pixels = npt.NDArray[np.uint8]
Codec = tuple[Callable[[Pixels], bytes], Callable[[bytes], Pixels]]


def main() -> None:
    """Print the tables, and the ratios as the last line."""
    print(f"{COUNT} photographs, {ROUNDS} rounds; {machine()}\n")
    photographs = read_photographs()
    images = [fit(each, SIDE) for each in photographs]
    at_source_size = (compress, lambda content: fit(decompress(content, SOURCE_SIDE), SIDE))
    contestants: dict[str, tuple[list[Pixels], Codec]] = {
        "pixmill": (images, (compress, partial(decompress, side=SIDE))),
        "LZ4": (images, lz4()),
        "PNG": (images, pillow("PNG")),
        "WebP": (images, pillow("WEBP", lossless=True)),
        "source size": (photographs, at_source_size),
    }
    print("| | KB an image | compress, ms | decompress, ms |\n|---|---|---|---|")
    sizes = {}
    times = {}
    for name, (given, codec) in contestants.items():
        sizes[name], packing, times[name] = measure(given, images, codec)
        print(
            f"| {name} | {sizes[name] / 1e3:.0f} | {packing:.2f} | {times[name]:.2f} |", flush=True
        )
    print(f"| raw | {images[0].nbytes / 1e3:.0f} | | |\n")
    ratios = {
        f"bytes_vs_{name.lower()}": round(sizes[name] / sizes["pixmill"], 2)
        for name in ("LZ4", "PNG", "WebP")
    }
    ratios["time_vs_source_size"] = round(times["source size"] / times["pixmill"], 2)
    for side in FEATURE_SIDES:
        ratios[f"features_{side}_vs_raw"] = features_ratio(photographs, side)
    print(json.dumps(ratios))


def read_photographs() -> list[Pixels]:
    """Return photographs as they are decoded from JPEG."""
    python = install(["scikit-image", "scikit-learn"])
    packages = Path(sklearn.__file__).parent.parent
    if python:
        packages = next((python.parent.parent / "lib").glob("python*/site-packages"))
    with tempfile.TemporaryDirectory() as folder:
        make_images(Path(folder), COUNT, (SOURCE_SIDE, SOURCE_SIDE), packages)
        return [np.asarray(Image.open(path)) for path in sorted(Path(folder).iterdir())]


def lz4() -> Codec:
    """Return LZ4 at a high level, which only slows down compression."""
    codec = pa.Codec("lz4_raw", 9)

    def unpack(content: bytes) -> Pixels:
        flat = np.frombuffer(codec.decompress(content, 3 * SIDE * SIDE), np.uint8)
        return flat.reshape(SIDE, SIDE, 3)

    return lambda pixels: codec.compress(pixels.tobytes(), asbytes=True), unpack


def pillow(kind: str, **options: Any) -> Codec:
    """Return a format of Pillow."""

    def pack(pixels: Pixels) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind, **options)
        return buffer.getvalue()

    return pack, lambda content: np.asarray(Image.open(io.BytesIO(content)))


def measure(given: list[Pixels], images: list[Pixels], codec: Codec) -> tuple[float, float, float]:
    """Return mean bytes, and median milliseconds to compress and decompress an image."""
    pack, unpack = codec
    packing = []
    unpacking = []
    for _ in range(ROUNDS):
        start = time.process_time()
        packed = [pack(each) for each in given]
        middle = time.process_time()
        unpacked = [unpack(each) for each in packed]
        unpacking.append((time.process_time() - middle) / COUNT * 1e3)
        packing.append((middle - start) / COUNT * 1e3)
        if not all(map(np.array_equal, unpacked, images)):
            raise SystemExit("other pixels came back")
    size = statistics.mean(map(len, packed))
    return size, statistics.median(packing), statistics.median(unpacking)


def features_ratio(photographs: list[Pixels], side: int) -> float:
    """Return the time of features of images in memory, relative to that of packed ones."""
    images = [fit(each, side) for each in photographs]
    packed = [compress(each) for each in images]
    with tempfile.TemporaryDirectory() as folder:
        network = convert_backbone(
            BackboneParams(), image_size=side, scratch=Path(folder), threads=THREADS
        ).read_bytes()
    run = FeaturePass(network, side)
    run(packed[:1])
    ratios = []
    for _ in range(ROUNDS):
        start = time.process_time()
        run(images)
        middle = time.process_time()
        run(packed)
        ratios.append((middle - start) / (time.process_time() - middle))
    return round(statistics.median(ratios), 3)


if __name__ == "__main__":
    main()
