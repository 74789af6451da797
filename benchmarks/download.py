"""Fetch 2,000 images of 30 KB from a server on this machine, with no latency and with 50 ms.

Pixmill's guarded fetcher (robots.txt, rate limits) and its complete collector (journal, checks)
against icrawler, img2dataset, requests in threads, and aiohttp only, which is the upper bound. Then
100,000 tiny images with the collector: growth of time and memory, and the duration of a repeated
run without new images.

    make bench-download            QUICK=1 for a short one
"""

import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from contest import ROOT, Contestant, Record, folder_for_files, install, machine, run, sized
from server import jpeg, numbered

COUNT, BYTES, ROUNDS = sized((2_000, 30_000, 5), (400, 30_000, 1), (2, 3_000, 1))
LATENCIES = (0.0, 0.05)
MANY, TINY = sized((100_000, 600), (10_000, 600), (8, 600))
CONNECTIONS = ("--connections", "64")


def main() -> None:
    """Print the tables, and the ratios as the last line."""
    peers = install(["icrawler", "img2dataset", "requests", "setuptools<81"])
    ours = Path(sys.executable)
    contestants = [
        Contestant("Pixmill's fetcher, 64 connections", "pixmill_fetcher.py", ours, CONNECTIONS),
        Contestant(
            "Pixmill's fetcher, 128 connections",
            "pixmill_fetcher.py",
            ours,
            ("--connections", "128"),
        ),
        Contestant(
            "Pixmill's complete collector, 64 connections",
            "pixmill_collector.py",
            ours,
            CONNECTIONS,
        ),
        Contestant("aiohttp only, 64 connections", "bare_aiohttp.py", ours, CONNECTIONS),
        Contestant("requests, 32 threads", "requests_threads.py", peers, ("--connections", "32")),
        Contestant(
            "img2dataset, 64 threads per process", "img2dataset_list.py", peers, CONNECTIONS
        ),
        Contestant("icrawler, 64 threads", "icrawler_list.py", peers, CONNECTIONS),
    ]
    print(
        f"{COUNT:,} images of {BYTES / 1000:g} KB, {ROUNDS} rounds, files in {folder_for_files()}; "
        f"{machine()}\n"
    )
    rates: dict[tuple[str, float], float] = {}
    memory: dict[str, list[float]] = {}
    for latency in LATENCIES:
        records = compete(contestants, latency)
        print(f"latency {latency * 1000:g} ms\n")
        print("| | images/s, median | spread | memory, MB |\n|---|---|---|---|")
        for contestant in contestants:
            record = records.get(contestant.name)
            if record is None:
                print(f"| {contestant.name} | not installed | | |")
                continue
            # For Pixmill's fetcher, the last record counts (128 connections): at 50 ms, 64
            # connections are the limit, while the peers are limited by their CPU cost, as their
            # rates without latency show.
            rates[contestant.script, latency] = record.rate(COUNT)
            memory.setdefault(contestant.script, []).append(record.megabytes())
            rate = f"{record.rate(COUNT):,.0f}"
            spread = record.spread(COUNT)
            memory_used = record.megabytes()
            print(f"| {contestant.name} | {rate} | {spread} | {memory_used:,.0f} |")
        print()
    grow(ours)
    print(json.dumps({**ratios(rates), **memory_ratios(memory)}))


def compete(contestants: list[Contestant], latency: float) -> dict[str, Record]:
    """Alternate the contestants on the same work, and check that they fetch the same bytes."""
    wanted = digests_wanted()
    records: dict[str, Record] = {}
    with serving(BYTES, latency) as port:
        for _ in range(ROUNDS):
            for contestant in contestants:
                if contestant.python is None:
                    continue
                with tempfile.TemporaryDirectory(dir=folder_for_files()) as folder:
                    work = ["--port", str(port), "--count", str(COUNT), "--folder", folder]
                    run(contestant, work, records.setdefault(contestant.name, Record()))
                    if (found := digests(Path(folder))) != wanted:
                        raise SystemExit(
                            f"{contestant.name} fetched {len(found & wanted):,} of {len(wanted):,} "
                            "images"
                        )
    return records


def grow(python: Path) -> None:
    """Print the growth of time and memory with the number of images, and the time of a repeated run."""
    print(f"Pixmill only, {MANY:,} images of {TINY} bytes\n")
    print(
        "| images | seconds | images/s | memory, MB | repeated run, seconds "
        "|\n|---|---|---|---|---|"
    )
    contestant = Contestant("pixmill", "pixmill_collector.py", python, CONNECTIONS)
    with serving(TINY, 0.0) as port:
        for count in (MANY // 4, MANY // 2, MANY):
            with tempfile.TemporaryDirectory(dir=folder_for_files()) as folder:
                record = Record()
                work = ["--port", str(port), "--count", str(count), "--folder", folder]
                run(contestant, work, record)
                run(contestant, work, record)
                first, again = record.seconds
                print(
                    f"| {count:,} | {first:.1f} | {count / first:,.0f} | "
                    f"{record.memory[0] / 1e6:,.0f} | {again:.1f} |"
                )
    print()


def ratios(rates: dict[tuple[str, float], float]) -> dict[str, float | None]:
    """Return the speed-up of Pixmill over each peer, at the latency with the smallest one."""
    found: dict[str, float | None] = {}
    for name, script in (
        ("vs_icrawler", "icrawler_list.py"),
        ("vs_img2dataset", "img2dataset_list.py"),
    ):
        of_each = [
            rates["pixmill_fetcher.py", latency] / rates[script, latency]
            for latency in LATENCIES
            if (script, latency) in rates
        ]
        found[name] = round(min(of_each), 2) if of_each else None
    return found


def memory_ratios(memory: dict[str, list[float]]) -> dict[str, float | None]:
    """Return the memory of each peer as a multiple of Pixmill's."""
    ours = max(memory["pixmill_fetcher.py"])
    peers = (
        ("memory_vs_icrawler", "icrawler_list.py"),
        ("memory_vs_img2dataset", "img2dataset_list.py"),
    )
    return {
        name: round(min(memory[script]) / ours, 2) if script in memory else None
        for name, script in peers
    }


@contextlib.contextmanager
def serving(size: int, latency: float) -> Iterator[int]:
    """Serve images from a separate process; yield its port."""
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "server.py"),
        "--bytes",
        str(size),
        "--latency",
        str(latency),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


def digests_wanted() -> set[str]:
    """Return the digests of all images."""
    image = jpeg(BYTES)
    return {hashlib.sha256(numbered(image, number)).hexdigest() for number in range(COUNT)}


def digests(folder: Path) -> set[str]:
    """Return the digests of the images in a folder."""
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.jpg")}


if __name__ == "__main__":
    main()
