"""Run passes over images on a pool of processes and on a Ray cluster on this machine, at several sizes.

`workers`: validate's pass over photographs by number of worker processes, alternating between pool
and Ray. `images`: the passes of validate and split over 20,000 and 200,000 small images on both:
time, and memory of the driver process. `head`: the logistic head on 100,000 to 1,000,000 images of
1,280 features in a file. All engines must give the same bytes. `make bench-manifest` measures the
work on the manifest.

    make bench-scale            QUICK=1 for a short one
"""

import contextlib
import hashlib
import io
import json
import os
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pandas as pd
from contest import Contestant, Record, folder_for_files, machine, run, sized
from images import make_images
from PIL import Image

ROUNDS = sized(5, 2, 1)
SEPARATE = sized(True, True, False)
"""Whether each measurement starts a new cluster."""
FEW = sized(256, 256, 2)
"""Warm-up images per worker."""
WORKERS = sized((1, 2, 4), (1, 2), (1,))
PHOTOGRAPHS = sized(10_000, 3_000, 6)
SMALL = sized((20_000, 200_000), (1_000, 10_000), (6, 12))
HEAD = sized((100_000, 200_000, 1_000_000), (20_000,), (200,))
HEAD_NODE = "127.0.0.2"
"""Not 127.0.0.1, which Ray replaces by the machine's address."""
OURS = Path(sys.executable)


def main() -> None:
    """Print a table for each part, and the ratios as the last line."""
    print(machine())
    ratios: dict[str, object] = {}
    with (
        tempfile.TemporaryDirectory(dir=folder_for_files()) as folder,
        contextlib.ExitStack() as stack,
    ):
        shared = None if SEPARATE else stack.enter_context(cluster(WORKERS[-1]))
        ratios |= by_workers(Path(folder) / "photographs", shared)
        ratios |= by_images(Path(folder), shared)
    ratios |= by_head()
    print(json.dumps(ratios))


def by_workers(folder: Path, shared: str | None) -> dict[str, object]:
    """Compare pool and Ray on the same number of worker processes, on a shared cluster or on new ones."""
    import sklearn

    folder.mkdir()
    make_images(folder, PHOTOGRAPHS, (640, 480), Path(sklearn.__file__).parent.parent)
    table = list_images(folder, (640, 480))
    print(f"\nvalidate, {PHOTOGRAPHS:,} photographs of 640 x 480, {ROUNDS} rounds\n")
    print("| worker processes | pool, images/s | spread | Ray, images/s | spread | Ray / pool |")
    print("|---|---|---|---|---|---|")
    found: dict[int, float] = {}
    for workers in WORKERS:
        with contextlib.nullcontext(shared) if shared else cluster(workers) as address:
            pool, ray = compete("validate", table, workers, address, ROUNDS)
        found[workers] = round(ratio(pool, ray), 2)
        timed = PHOTOGRAPHS - FEW * workers
        cells = [f"{record.rate(timed):,.0f} | {record.spread(timed)}" for record in (pool, ray)]
        print(f"| {workers} | {' | '.join(cells)} | {found[workers]} |", flush=True)
    best = max(workers for workers in WORKERS if workers <= (os.cpu_count() or 1))
    return {"ray_vs_pool": found[best], "ray_vs_pool_by_workers": found}


def by_images(folder: Path, shared: str | None) -> dict[str, object]:
    """Measure the growth of time and of the driver's memory with the number of images."""
    workers = min(2, os.cpu_count() or 1, max(WORKERS))
    found: dict[str, object] = {}
    print(f"\nsmall images of 64 x 64, {workers} worker processes\n")
    print("| pass | images | engine | s | driver, CPU s | driver, MB |\n|---|---|---|---|---|---|")
    records: dict[str, list[tuple[Record, Record]]] = {"validate": [], "split": []}
    for count in SMALL:
        small = folder / f"{count}"
        make_small(small, count)
        table = list_images(small, (64, 64))
        for chosen, some in records.items():
            with contextlib.nullcontext(shared) if shared else cluster(workers) as address:
                pool, ray = compete(chosen, table, workers, address, 1)
            some.append((pool, ray))
            for engine, record in (("pool", pool), ("Ray", ray)):
                driver = (
                    f"{driver_figure(record, 'driver_seconds'):,.1f} | "
                    f"{driver_figure(record, 'driver_mb'):,.0f}"
                )
                cells = f"{record.seconds[0]:,.1f} | {driver}"
                print(f"| {chosen} | {count:,} | {engine} | {cells} |", flush=True)
    more = SMALL[1] - SMALL[0]
    for chosen, ((_, before), (_, after)) in records.items():
        found[f"{chosen}_ray_time_growth"] = round(
            after.seconds[0] / before.seconds[0] / (SMALL[1] / SMALL[0]), 2
        )
        found[f"{chosen}_ray_driver_kb_an_image"] = round(
            (driver_figure(after, "driver_mb") - driver_figure(before, "driver_mb")) * 1024 / more,
            2,
        )
    return found


def by_head() -> dict[str, object]:
    """Fit the logistic head to features in a file."""
    outputs = []
    print("\nlogistic head, 1,280 features per image\n")
    print("| images | seconds | iterations | memory, MB | accuracy |\n|---|---|---|---|---|")
    for count in HEAD:
        record = Record()
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            work = ["--count", str(count), "--folder", folder]
            run(Contestant("head", "logistic_scale.py", OURS), work, record, seconds=3600)
        outputs.append(one := record.outputs[0])
        cells = (
            f"{one['seconds']:,.0f} | {one['iterations']} | {one['memory_mb']:,.0f} | "
            f"{one['accuracy']:.4f}"
        )
        print(f"| {count:,} | {cells} |", flush=True)
    return {"head_mb": [round(one["memory_mb"]) for one in outputs]}


def compete(
    chosen: str, table: Path, workers: int, address: str, rounds: int
) -> tuple[Record, Record]:
    """Alternate a pass between pool and Ray, and check that both give the same bytes."""
    records = Record(), Record()
    work = [
        "--pass",
        chosen,
        "--images",
        str(table),
        "--few",
        str(FEW * workers),
        "--processes",
        str(workers),
    ]
    for _ in range(rounds):
        for compute, record in zip(("local", address), records, strict=True):
            os.environ["PIXMILL_COMPUTE"] = compute
            run(Contestant(compute, "scale_pass.py", OURS), work, record, seconds=3600)
    if len({output["digest"] for record in records for output in record.outputs}) != 1:
        raise SystemExit(f"pool and Ray differ: {records}")
    return records


def ratio(pool: Record, ray: Record) -> float:
    """Return the median speed-up of Ray over the rounds, in each of which the load is the same."""
    return statistics.median(a / b for a, b in zip(pool.seconds, ray.seconds, strict=True))


def driver_figure(record: Record, key: str) -> float:
    """Return a figure that the driver process of a pass reports."""
    return float(str(record.outputs[0][key]))


@contextlib.contextmanager
def cluster(processors: int) -> Iterator[str]:
    """Start a Ray cluster of one node on this machine, and return its address."""
    with socket.create_server((HEAD_NODE, 0)) as free:
        port = free.getsockname()[1]
    with contextlib.redirect_stderr(io.StringIO()):
        from ray.cluster_utils import Cluster

        node = {
            "num_cpus": processors,
            "node_ip_address": HEAD_NODE,
            "ray_client_server_port": port,
        }
        started = Cluster(
            initialize_head=True, connect=False, head_node_args=node | {"include_dashboard": False}
        )
    try:
        yield f"ray://{HEAD_NODE}:{port}"
    finally:
        started.shutdown()


def make_small(folder: Path, count: int) -> None:
    """Write small JPEG images of random colours."""
    folder.mkdir()
    dice = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(dice.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64)).save(
            folder / f"{number:06}.jpg"
        )


def list_images(folder: Path, size: tuple[int, int]) -> Path:
    """Write the table of a folder's images into it."""
    paths = sorted(folder.glob("*.jpg"))
    ids = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    frame = pd.DataFrame(
        {"id": ids, "path": [path.name for path in paths], "width": size[0], "height": size[1]}
    )
    frame.to_parquet(folder / "images.parquet")
    return folder / "images.parquet"


if __name__ == "__main__":
    main()
