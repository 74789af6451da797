"""Look at real photographs of two sizes: Pixmill's whole pass against CleanVision, imagehash and bare decoding.

The pass does what the stage does without its cache: it reads and verifies the bytes, decodes under limits of time and
memory, and takes digest, perceptual hash, small grey, brightness, contrast, sharpness, entropy and border. CleanVision
looks for all its issues. imagehash computes its perceptual hash, and Pillow decodes, on as many processes. The start of
processes is left out for all: each looks at a few images first, and that time is taken off.

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
"""How many images, and of which width and height; the key begins the names of their ratios."""
OFTEN = 3
"""How often the fast ones look at each image, so that what is taken off is little."""
PEERS = ("cleanvision", "imagehash", "decode")


def main() -> None:
    """Print a table for each size, and the ratios as the last line."""
    peers = install(["cleanvision", "imagehash", "scikit-image", "scikit-learn"])
    ours = Path(sys.executable)
    often = ("--times", str(OFTEN))
    contestants = {
        "pixmill": Contestant("pixmill's whole pass", "pixmill_survey.py", ours, often),
        "decode": Contestant("Pillow, decoding alone (the limit)", "pillow_decode.py", ours, often),
        "array": Contestant("Pillow, decoding to an RGB array", "pillow_decode.py", ours, (*often, "--array")),
        "imagehash": Contestant("imagehash.phash", "imagehash_phash.py", peers, often),
        "cleanvision": Contestant("CleanVision, its defaults", "cleanvision_defaults.py", peers, ("--times", "1")),
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
    """Let all look at the images of a folder in turns, print their table, and return their seconds an image."""
    records = {name: Record() for name, contestant in contestants.items() if contestant.python}
    work = ["--folder", folder, "--few", str(FEW), "--processes", str(default_workers())]
    for _ in range(ROUNDS):
        for name, record in records.items():
            run(contestants[name], work, record)
    print("| | images/s, median | spread | processor, ms an image | memory, MB |\n|---|---|---|---|---|")
    seconds: dict[str, list[float]] = {}
    for name, contestant in contestants.items():
        if contestant.python is None:
            print(f"| {contestant.name} | not installed | | | |")
            continue
        record, images = records[name], count * int(contestant.arguments[1])
        if any(told["looked"] != images for told in record.told):
            raise SystemExit(f"{contestant.name} did not look at all {images:,} images: {record.told}")
        timed = images - FEW
        seconds[name] = [taken / timed for taken in record.seconds]
        used = statistics.median(float(str(told["processor"])) for told in record.told) / timed * 1000
        rate, spread, memory = record.rate(timed), record.spread(timed), record.megabytes()
        print(f"| {contestant.name} | {rate:,.0f} | {spread} | {used:.2f} | {memory:,.0f} |", flush=True)
    print()
    return seconds


def ratio(peer: str, seconds: dict[str, list[float]]) -> float | None:
    """Return how many times as fast Pixmill is: the median over the rounds, in which all run under the same load."""
    if peer not in seconds:
        return None
    return round(statistics.median(a / b for a, b in zip(seconds[peer], seconds["pixmill"], strict=True)), 2)


def check(folder: Path) -> None:
    """See that the pass decodes the very pixels that Pillow alone decodes."""
    for path in sorted(folder.iterdir())[::100]:
        found = measure(path, hashlib.sha256(path.read_bytes()).hexdigest(), max_pixels=50_000_000)
        with Image.open(path) as image:
            # With a fourth byte of 255, as the digest has it.
            wanted = blake3(image.convert("RGBA").tobytes()).hexdigest()
        if found.pixels != wanted:
            raise SystemExit(f"{path.name} is not decoded as Pillow decodes it")


def packages_of(python: Path) -> Path:
    """Return the folder of an interpreter's packages."""
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


if __name__ == "__main__":
    main()
