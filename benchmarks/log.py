"""Cost of a log of predictions: ``pixmill serve`` with and without ``--log``, and bytes a row.

Both servers run the project's model and are loaded in turns by eight clients with JPEG photographs of 640 x
480, first one, then the other, then in the other order. CPU time is that of all processes of a server. Bytes
a row are also measured on made-up rows, of which no two are alike, since the photographs come again and again.

    make bench-log                 QUICK=1 for a short one
"""

import contextlib
import hashlib
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pandas as pd
import psutil
from contest import PROJECT, folder_for_files, machine, sized
from images import make_images
from load import post
from serve import BOUNDARY, Server, family, rate, running, send, upload

from pixmill.dataset.log_writer import PredictionLog
from pixmill.dataset.prediction_log import read_log
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer
from pixmill.models.observation import VECTOR_SCALE, Observation

ROUNDS, SECONDS, IMAGES, ROWS = sized((24, 2.0, 64, 20_000), (8, 1.5, 32, 5_000), (1, 0.5, 2, 50))
CLIENTS = 8
MODEL = PROJECT / "artifacts" / "train"


def main() -> None:
    """Print the table, and the ratio with the bytes as the last line."""
    if not (MODEL / "labels.json").is_file():
        raise SystemExit(f"{MODEL} has no model; next: make repro")
    print(
        f"{IMAGES} photographs, {CLIENTS} clients, {ROUNDS} rounds of {SECONDS:g} s; {machine()}\n"
    )
    with (
        tempfile.TemporaryDirectory(dir=folder_for_files()) as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        (folder / "images").mkdir()
        make_images(folder / "images", IMAGES, (640, 480), Path(pd.__file__).parent.parent)
        files = [path.read_bytes() for path in sorted((folder / "images").iterdir())]
        kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
        requests = [post("/v1/predict", upload(file), kind) for file in files]
        command = [sys.executable, "-m", "pixmill", "serve", "--model", str(MODEL.resolve())]
        command += ["--port", "{port}"]
        servers = {
            "without": Server("without a log", command, "/readyz", requests),
            "with": Server("with --log", [*command, "--log", "log"], "/readyz", requests),
        }
        processes = {
            key: stack.enter_context(running(server, folder)) for key, server in servers.items()
        }
        found: dict[str, list[tuple[float, float, list[float]]]] = {key: [] for key in servers}
        for turn in range(ROUNDS):
            for key in sorted(servers, reverse=bool(turn % 2)):
                before = processor(processes[key])
                result = send(servers[key], folder, "--connections", CLIENTS, "--seconds", SECONDS)
                used = processor(processes[key]) - before
                latencies = result["latencies"]
                found[key].append((rate(result), 1000 * used / len(latencies), latencies))
        processes["with"].terminate()  # A killed server loses the last second of its log.
        processes["with"].wait(60)
        measured = bytes_a_row(folder / "log")
        made = {
            labels: make_log(folder / f"log-{labels}", labels=labels, rows=ROWS)
            for labels in (5, 50)
        }
    print(
        "| | requests/s, median | spread | CPU, ms | p50, ms | p95 | p99 |\n|---|---|---|---|---|---|---|"
    )
    for key, server in servers.items():
        rates = [each[0] for each in found[key]]
        used = statistics.median(each[1] for each in found[key])
        latencies = 1000 * np.array([value for *_, each in found[key] for value in each])
        p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
        print(f"| {server.title} | {statistics.median(rates):,.1f} ", end="")
        print(f"| {min(rates):,.1f} to {max(rates):,.1f} | {used:.2f} ", end="")
        print(f"| {p50:,.1f} | {p95:,.1f} | {p99:,.1f} |")
    pairs = list(zip(found["with"], found["without"], strict=True))
    print()
    print(
        json.dumps(
            {
                "without_log": round(statistics.median(a[0] / b[0] for a, b in pairs), 3),
                "without_log_cpu": round(statistics.median(b[1] / a[1] for a, b in pairs), 3),
                "bytes_a_row": round(measured),
                **{f"bytes_a_row_{labels}_classes": round(size) for labels, size in made.items()},
            }
        )
    )


def processor(root: psutil.Process) -> float:
    """Return the CPU time of a process and its descendants in seconds."""
    total = 0.0
    for process in family(root):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def bytes_a_row(log: Path) -> float:
    """Return the size of a log by row."""
    size = sum(path.stat().st_size for path in log.glob("*/*.parquet"))
    return size / sum(len(table) for _, table in read_log(log))


def make_log(folder: Path, *, labels: int, rows: int) -> float:
    """Write a log of made-up rows, and return the bytes a row."""
    chance = np.random.default_rng(labels)
    names = [f"class {number}" for number in range(labels)]
    about = {"name": "made-up", "version": "1", "digest": "0" * 64, "labels": names}
    with PredictionLog(folder) as log:
        for number in range(rows):
            given = np.exp(3 * chance.normal(size=labels))
            given /= given.sum()
            best = int(given.argmax())
            confidence = float(given[best])
            unit = chance.normal(size=64)
            unit *= VECTOR_SCALE / np.linalg.norm(unit)
            width, height, size = chance.integers((400, 300, 30_000), (4000, 3000, 3_000_000))
            brightness, sharpness, novelty = chance.random(3).tolist()
            observed = Observation(
                int(width),
                int(height),
                int(size),
                255 * brightness,
                10 * sharpness,
                novelty,
                np.rint(unit).astype(np.int8).tobytes(),
            )
            prediction = Prediction(
                names[best], confidence, sure=confidence > 0.7, unlike=False, probabilities=given
            )
            log.add(about, Answer(hashlib.sha256(b"%d" % number).hexdigest(), prediction, observed))
    return bytes_a_row(folder)


if __name__ == "__main__":
    main()
