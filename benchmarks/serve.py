"""Serve uploads of JPEG photographs: Pixmill, Flask with Keras, MLflow's server, and the upper bound.

Every server has the same classifier (the default backbone at 224 x 224 pixels); photographs are 640
x 480. Pixmill and Flask take the file. ``mlflow models serve`` takes the ``keras`` model's input as
JSON (decoding and resizing by its client are not counted), or the file for the ``classifier``
model. The upper bound decodes, resizes and runs LiteRT without a server, in one process per
concurrent request, up to one per processor; for single requests also in one process with all
threads on an image, and the faster of the two counts.

All are started before the contest and alternate, with 1 and with 8 concurrent requests. The load
generator (load.py) is a separate process on the same processors. Memory is the proportional set
size of a server and its descendants.

    make bench-serve               QUICK=1 for a short one
"""

import base64
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import numpy as np
import pandas as pd
import psutil
from contest import ROOT, TRIAL_SIDE, folder_for_files, machine, sized
from images import make_images
from load import post, write_requests
from PIL import Image

from pixmill.images.fit import fit
from pixmill.models.litert import available_cores
from tests.ports import unused_port

ROUNDS, SECONDS, IMAGES = sized((5, 6.0, 64), (2, 3.0, 32), (1, 0.5, 2))
SERVERS = (
    "pixmill",
    "flask",
    *sized(("mlflow", "mlflow_classifier"), ("mlflow", "mlflow_classifier"), ()),
)
SIDE = sized(224, 224, TRIAL_SIDE)
LABELS = ["boot", "dress", "sandal", "shirt", "sneaker"]
CONCURRENCY = (1, 8)
TOLERANCE = 1e-3
"""Maximum difference of a probability between the servers: Keras and LiteRT differ in the last digits."""
BOUNDARY = "2b7e151628aed2a6abf71589"


@dataclass
class Server:
    """A server: its command, its readiness path, and its requests."""

    title: str
    command: list[str]
    ready: str
    requests: list[bytes]
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=unused_port)


def main() -> None:
    """Print the table, and the ratios as the last line."""
    print(f"{IMAGES} photographs of 640 x 480, {ROUNDS} rounds of {SECONDS:g} s; {machine()}\n")
    with (
        tempfile.TemporaryDirectory(dir=folder_for_files()) as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        prepare(folder)
        servers = contestants(folder)
        processes = {
            key: stack.enter_context(running(server, folder)) for key, server in servers.items()
        }
        limit = stack.enter_context(bare_limit(folder))
        check({key: answers(server, folder) for key, server in servers.items()})
        rounds = [one_round(servers, processes, limit, folder) for _ in range(ROUNDS)]
    report(servers, rounds)


def prepare(folder: Path) -> None:
    """Write photographs, a classifier with an untrained head, and its two models in MLflow's format."""
    from pixmill.core.files.writing import write_json
    from pixmill.core.params import TrainParams
    from pixmill.models.determinism import fix_threads
    from pixmill.models.litert_export import export_classifier
    from pixmill.models.mlflow_format.saving import save_classifier_model, save_keras_model
    from pixmill.models.model_folder import save_classifier
    from pixmill.models.networks import build_classifier

    (folder / "images").mkdir()
    make_images(folder / "images", IMAGES, (640, 480), Path(pd.__file__).parent.parent)
    fix_threads(2)
    params = TrainParams()
    model = build_classifier(params, labels=len(LABELS), image_size=SIDE)
    save_classifier(
        model, LABELS, folder / "classifier", image_size=SIDE, aspect="pad", resize="bicubic"
    )
    export_classifier(model, params, folder / "classifier", scratch=folder / "scratch")
    write_json(
        folder / "classifier" / "calibration.json",
        {"temperature": None, "threshold": None, "target_accuracy": 0.95},
    )
    if "mlflow" in SERVERS:
        save_keras_model(model, folder / "keras")
        save_classifier_model(folder / "classifier", folder / "pyfunc")


def contestants(folder: Path) -> dict[str, Server]:
    """Return the servers to compare."""
    files = [path.read_bytes() for path in sorted((folder / "images").iterdir())]
    uploads = [upload(file) for file in files]
    tensors = [
        json.dumps({"inputs": [pixels_of(file).tolist()]}, separators=(",", ":")).encode()
        for file in files
    ]
    texts = [json.dumps({"inputs": [base64.b64encode(file).decode()]}).encode() for file in files]
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    plain = "Content-Type: application/json"
    bin_ = Path(sys.executable).parent
    mlflow = [
        str(bin_ / "mlflow"),
        "models",
        "serve",
        "--env-manager",
        "local",
        "--port",
        "{port}",
        "--model-uri",
    ]
    flask = [
        str(bin_ / "gunicorn"),
        "--bind",
        "127.0.0.1:{port}",
        "--worker-class",
        "gthread",
        "--threads",
        "8",
    ]
    servers = {
        "pixmill": Server(
            "pixmill serve",
            [
                sys.executable,
                "-m",
                "pixmill",
                "serve",
                "--model",
                str(folder / "classifier"),
                "--port",
                "{port}",
            ],
            "/readyz",
            [post("/v1/predict", body, kind) for body in uploads],
        ),
        "flask": Server(
            "Flask, `model.predict`, gunicorn with 8 threads",
            [*flask, "--keep-alive", "60", "--chdir", str(HERE / "contestants"), "serve_flask:app"],
            "/nothing",
            [post("/predict", body, kind) for body in uploads],
            {"CLASSIFIER": str(folder / "classifier")},
        ),
        "mlflow": Server(
            "`mlflow models serve`, keras",
            [*mlflow, str(folder / "keras")],
            "/ping",
            [post("/invocations", body, plain) for body in tensors],
        ),
        "mlflow_classifier": Server(
            "`mlflow models serve`, classifier",
            [*mlflow, str(folder / "pyfunc")],
            "/ping",
            [post("/invocations", body, plain) for body in texts],
        ),
    }
    return {name: servers[name] for name in SERVERS}


def upload(content: bytes) -> bytes:
    """Return the body of a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n'
    return (
        head.encode()
        + b"Content-Type: image/jpeg\r\n\r\n"
        + content
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


def pixels_of(content: bytes) -> np.ndarray:
    """Return the network's input."""
    with Image.open(io.BytesIO(content)) as image:
        return fit(np.asarray(image.convert("RGB")), SIDE)


@contextlib.contextmanager
def running(server: Server, folder: Path) -> Iterator[psutil.Process]:
    """Start a server, and wait until it answers; kill it and its descendants at the end."""
    command = [part.format(port=server.port) for part in server.command]
    # MLflow runs the `uvicorn` of PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = (
        os.environ
        | {"PYTHONPATH": str(ROOT / "src"), "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"}
        | server.environ
    )
    log = folder / f"{server.port}.log"
    with log.open("w") as file:
        process = psutil.Popen(command, env=environ, cwd=folder, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 180
        while not answering(server):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{server.title} does not answer:\n{log.read_text()[-3000:]}")
            time.sleep(0.2)
        yield process
    finally:
        end(process)
        process.wait()


def end(root: psutil.Process) -> None:
    """Kill a process and its descendants."""
    for one in family(root):
        with contextlib.suppress(psutil.Error):
            one.kill()


def family(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and its descendants, children first."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [*reversed(root.children(recursive=True)), root]
    return []


def answering(server: Server) -> bool:
    """Return whether a server is ready."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}{server.ready}", timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False
    return True


@contextlib.contextmanager
def bare_limit(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the upper bound; kill it and its workers at the end."""
    command = [sys.executable, str(HERE / "contestants" / "serve_limit.py"), str(folder)]
    environ = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise SystemExit("the upper bound did not start")
            yield process
        finally:
            end(psutil.Process(process.pid))


def send(server: Server, folder: Path, *arguments: object) -> dict:
    """Load a server from a separate process, and return the results."""
    path = folder / f"{server.port}.requests"
    if not path.exists():
        write_requests(path, server.requests)
    command = [
        sys.executable,
        str(HERE / "load.py"),
        "--port",
        str(server.port),
        "--requests",
        str(path),
    ]
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the load generator failed:\n{done.stderr[-3000:]}")
    result = json.loads(done.stdout)
    if set(result["answers"]) != {"200"}:
        raise SystemExit(f"{server.title} answered {result['answers']}")
    return result


def answers(server: Server, folder: Path) -> list[list[float]]:
    """Return the probabilities of each image, in the order of the classes."""
    result = send(server, folder, "--once", "--connections", 2)
    return [probabilities(json.loads(base64.b64decode(body))) for body in result["bodies"]]


def probabilities(answer: dict) -> list[float]:
    """Return the probabilities in a response of any server."""
    (row,) = answer.get("predictions", [answer])
    if isinstance(row, list):
        return row
    row = row.get("probabilities", row)
    return [row[label] if label in row else row[f"p_{label}"] for label in LABELS]


def check(given: dict[str, list[list[float]]]) -> None:
    """Check that all servers give the same probabilities."""
    ours = np.array(given["pixmill"])
    for name, theirs in given.items():
        difference = np.abs(np.array(theirs) - ours).max()
        if not difference < TOLERANCE:
            raise SystemExit(f"{name} differs by {difference:g} in a probability")
        print(f"{name}: the largest difference in a probability is {difference:.1e}")
    print()


def one_round(
    servers: dict[str, Server],
    processes: dict[str, psutil.Process],
    limit: subprocess.Popen[str],
    folder: Path,
) -> dict[tuple[str, int], dict]:
    """Load each server once at each concurrency, and return the results."""
    done = {}
    for concurrency in CONCURRENCY:
        for name, server in servers.items():
            result = send(server, folder, "--connections", concurrency, "--seconds", SECONDS)
            done[name, concurrency] = result | {"memory": memory(processes[name])}
        bare = limited(limit, min(concurrency, available_cores()), 1)
        done["limit", concurrency] = bare | {"memory": memory(psutil.Process(limit.pid))}
    done["limit_threads", 1] = limited(limit, 1, available_cores())
    return done


def limited(limit: subprocess.Popen[str], processes: int, threads: int) -> dict:
    """Run the upper bound with the given processes and threads."""
    assert limit.stdin is not None
    assert limit.stdout is not None
    limit.stdin.write(f"{processes} {threads} {SECONDS}\n")
    limit.stdin.flush()
    return dict(json.loads(limit.stdout.readline()))


def memory(root: psutil.Process) -> float:
    """Return the memory of a process and its descendants in MB: proportional set size, resident where unavailable."""
    total = 0
    for process in family(root):
        with contextlib.suppress(psutil.Error):
            found = process.memory_full_info()
            total += getattr(found, "pss", found.rss)
    return total / 1e6


def rate(result: dict) -> float:
    """Return responses per second."""
    return len(result["latencies"]) / result["seconds"]


def report(servers: dict[str, Server], rounds: list[dict[tuple[str, int], dict]]) -> None:
    """Print the table, and the ratios."""
    titles = {name: server.title for name, server in servers.items()}
    titles |= {
        "limit": "upper bound, one thread per process",
        "limit_threads": "upper bound, all threads on one image",
    }
    print("| at a time | | requests/s, median | spread | p50, ms | p95 | p99 | memory, MB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, concurrency in sorted(rounds[0], key=lambda key: key[1]):
        results = [found[name, concurrency] for found in rounds]
        rates = [rate(part) for part in results]
        latencies = (
            np.array(sorted(value for part in results for value in part["latencies"])) * 1000
        )
        p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
        used = [part["memory"] for part in results if "memory" in part]
        print(f"| {concurrency} | {titles[name]} | {statistics.median(rates):,.1f} ", end="")
        print(
            f"| {min(rates):,.1f} to {max(rates):,.1f} | {p50:,.1f} | {p95:,.1f} | {p99:,.1f} ",
            end="",
        )
        print(f"| {max(used):,.0f} |" if used and name != "limit" else "| |")
    peers = {
        "vs_mlflow_serve": "mlflow",
        "vs_flask_keras": "flask",
        "vs_bare_runtime": "limit",
        "vs_mlflow_serve_classifier": "mlflow_classifier",
    }
    there = {name: peer for name, peer in peers.items() if (peer, CONCURRENCY[0]) in rounds[0]}
    ratios = dict.fromkeys(peers) | {
        name: min(ratio(rounds, peer, concurrency) for concurrency in CONCURRENCY)
        for name, peer in there.items()
    }
    print()
    for name, peer in there.items():
        each = ", ".join(
            f"{ratio(rounds, peer, concurrency):g} at {concurrency}" for concurrency in CONCURRENCY
        )
        print(f"{name}: {each}")
    print(json.dumps(ratios))


def ratio(rounds: list[dict[tuple[str, int], dict]], peer: str, concurrency: int) -> float:
    """Return the median ratio of Pixmill's rate to the peer's over the rounds."""
    ratios = []
    for found in rounds:
        # Of the two variants of the upper bound, the faster counts.
        theirs = max(
            rate(found[name, concurrency])
            for name in (peer, f"{peer}_threads")
            if (name, concurrency) in found
        )
        ratios.append(rate(found["pixmill", concurrency]) / theirs)
    return round(statistics.median(ratios), 2)


if __name__ == "__main__":
    main()
