"""Measure photographs of two sizes: Pixmill's complete pass against CleanVision, imagehash and mere decoding.

The pass is that of the stage without its cache: it reads and verifies the bytes, decodes under
limits of time and memory, and computes digest, perceptual hash, grey thumbnail, brightness,
contrast, sharpness, entropy and border. CleanVision searches for all its issues. imagehash computes
its perceptual hash, and Pillow decodes, in as many processes. Starting processes is excluded: each
contestant measures a few images first, and that time is subtracted.

    make bench-validate            QUICK=1 for a short one
"""

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from blake3 import blake3
from contest import Contestant, Record, folder_for_files, install, machine, run, sized
from images import make_images
from PIL import Image

from pixmill.images.compute import default_workers
from pixmill.images.measures import measure

ROUNDS, FEW = sized((7, 64), (2, 64), (1, 1))
SIZES = {"": (sized(2_000, 600, 2), (640, 480)), "large_": (sized(500, 200, 2), (1600, 1200))}
"""Number of images, and their width and height; the key is a prefix of the ratios."""
OFTEN = 3
"""Repetitions of each image for the fast contestants, to make the subtracted time small."""
PEERS = ("cleanvision", "imagehash", "decode")


def main() -> None:
    """Print a table for each size, and the ratios as the last line."""
    peers = install(["cleanvision", "imagehash", "scikit-image", "scikit-learn"])
    ours = Path(sys.executable)
    often = ("--times", str(OFTEN))
    contestants = {
        "pixmill": Contestant("Pixmill's complete pass", "pixmill_survey.py", ours, often),
        "decode": Contestant(
            "Pillow, decoding only (upper bound)", "pillow_decode.py", ours, often
        ),
        "array": Contestant(
            "Pillow, decoding to an RGB array", "pillow_decode.py", ours, (*often, "--array")
        ),
        "imagehash": Contestant("imagehash.phash", "imagehash_phash.py", peers, often),
        "cleanvision": Contestant(
            "CleanVision, its defaults", "cleanvision_defaults.py", peers, ("--times", "1")
        ),
    }
    print(f"{default_workers()} processes, {ROUNDS} rounds; {machine()}\n")
    ratios: dict[str, float | None] = {}
    for name, (count, size) in SIZES.items():
        print(f"{count:,} images of {size[0]} x {size[1]}\n")
        with tempfile.TemporaryDirectory(dir=folder_for_files()) as folder:
            make_images(Path(folder), count, size, packages_of(peers or ours))
            check(Path(folder))
            seconds = compete(contestants, folder, count)
        ratios |= {f"{name}vs_{peer}": ratio(peer, seconds) for peer in PEERS}
    print(json.dumps(ratios))


def compete(contestants: dict[str, Contestant], folder: str, count: int) -> dict[str, list[float]]:
    """Alternate the contestants on the images of a folder, print their table, and return their seconds per image."""
    records = {name: Record() for name, contestant in contestants.items() if contestant.python}
    work = ["--folder", folder, "--few", str(FEW), "--processes", str(default_workers())]
    for _ in range(ROUNDS):
        for name, record in records.items():
            run(contestants[name], work, record)
    print("| | images/s, median | spread | CPU, ms per image | memory, MB |\n|---|---|---|---|---|")
    seconds: dict[str, list[float]] = {}
    for name, contestant in contestants.items():
        if contestant.python is None:
            print(f"| {contestant.name} | not installed | | | |")
            continue
        record = records[name]
        images = count * int(contestant.arguments[1])
        if any(output["looked"] != images for output in record.outputs):
            raise SystemExit(
                f"{contestant.name} did not measure all {images:,} images: {record.outputs}"
            )
        timed = images - FEW
        seconds[name] = [taken / timed for taken in record.seconds]
        used = (
            statistics.median(float(str(output["processor"])) for output in record.outputs)
            / timed
            * 1000
        )
        rate = record.rate(timed)
        spread = record.spread(timed)
        memory = record.megabytes()
        print(
            f"| {contestant.name} | {rate:,.0f} | {spread} | {used:.2f} | {memory:,.0f} |",
            flush=True,
        )
    print()
    return seconds


def ratio(peer: str, seconds: dict[str, list[float]]) -> float | None:
    """Return the median speed-up of Pixmill over the rounds, in each of which the load is the same."""
    if peer not in seconds:
        return None
    return round(
        statistics.median(a / b for a, b in zip(seconds[peer], seconds["pixmill"], strict=True)), 2
    )


def check(folder: Path) -> None:
    """Check that the pass decodes the same pixels as Pillow."""
    for path in sorted(folder.iterdir())[::100]:
        found = measure(path, hashlib.sha256(path.read_bytes()).hexdigest(), max_pixels=50_000_000)
        with Image.open(path) as image:
            # The digest includes a fourth byte of 255.
            wanted = blake3(image.convert("RGBA").tobytes()).hexdigest()
        if found.pixels != wanted:
            raise SystemExit(f"{path.name} is decoded differently by Pillow")


def packages_of(python: Path) -> Path:
    """Return the ``site-packages`` of an interpreter."""
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


if __name__ == "__main__":
    main()
