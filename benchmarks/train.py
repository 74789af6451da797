"""Train a CNN of the size of the recipe `scenes` on the same images: Pixmill, Keras' two pipelines, the upper bound.

150 x 150 pixels, batches of 32, flip, rotation, zoom, shift and shear. The upper bound computes
gradients and updates on one batch in memory, without input. Each contestant runs in a separate
process that is ready before the contest; they alternate epoch by epoch. Then an epoch of a head on
cached features is compared with an epoch of fine-tuning the whole backbone; features by LiteRT with
features by TensorFlow; and the stage evaluate with the stage train, with the default model at 224 x
224 pixels. On a busy machine, CPU time is more reliable than wall-clock time.

    make bench-train               QUICK=1 for a short one
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pandas as pd
from contest import QUICK, ROOT, TRIAL_SIDE, folder_for_files, machine, run_here, sized
from images import make_images
from PIL import Image

from pixmill.core.files.workspace import Workspace
from pixmill.core.manifest import SPLIT, write_table
from pixmill.core.params import load_params
from pixmill.images.compression import compress
from pixmill.images.parts import write_images

ROUNDS, IMAGES = sized((7, 480), (2, 192), (1, 8))
HEAD_ROUNDS, FEATURE_ROUNDS, FEATURES_OF = sized((3, 5, 2000), (2, 2, 2000), (1, 1, 8))
STAGE_IMAGES, STAGE_SIDE = sized((3000, 224), (300, 224), (60, TRIAL_SIDE))
SIDE = sized(150, 150, TRIAL_SIDE)
LABELS = 6
CONTESTANTS = {
    "generator": ("ImageDataGenerator", "train_image_data_generator.py", "float32"),
    "dataset": ("image_dataset_from_directory", "train_image_dataset.py", "float32"),
    "limit": ("upper bound, float32", "train_limit.py", "float32"),
    "pixmill": ("pixmill, float32", "train_pixmill.py", "float32"),
    "limit_bfloat16": ("upper bound, bfloat16", "train_limit.py", "bfloat16"),
    "bfloat16": ("pixmill, bfloat16", "train_pixmill.py", "bfloat16"),
}
if QUICK == "tiny":  # Processors without bfloat16 take seconds per image.
    CONTESTANTS = {name: CONTESTANTS[name] for name in ("limit", "pixmill")}
HEADS = {
    "head": ("head on cached features", "train_head.py", "float32"),
    "fine_tuning": ("fine-tuning the whole backbone", "train_fine_tuning.py", "float32"),
}
FEATURES = {
    "tensorflow": ("features, TensorFlow in batches of 32", "train_features.py", "tensorflow"),
    "litert": ("features, pixmill by LiteRT", "train_features.py", "litert"),
}
STAGES = """
classes: ['0', '1', '2', '3', '4', '5']
scrape: {snapshot: '2026-11-20'}
""" + sized(
    "", "", "train: {learning_curve: never}\nevaluate: {draws: 100, grad_cam: 0, label_errors: 0}\n"
)


def main() -> None:
    """Print a table for each contest, and the ratios as the last line."""
    print(f"{IMAGES} images of {SIDE} x {SIDE}, {ROUNDS} rounds; {machine()}\n")
    with tempfile.TemporaryDirectory(dir=folder_for_files()) as name:
        folder = Path(name)
        prepare(folder)
        seconds = compete(CONTESTANTS, folder, ROUNDS)
        heads = compete(HEADS, folder, HEAD_ROUNDS)
        features = compete(FEATURES, folder, FEATURE_ROUNDS, images=FEATURES_OF)
        stages = run_stages(folder / "project", STAGE_IMAGES, STAGE_SIDE)
    print(
        json.dumps(
            {
                "vs_image_data_generator": ratio(seconds, "generator", "bfloat16"),
                "vs_compute_limit": ratio(seconds, "limit", "pixmill"),
                "head_vs_fine_tuning": ratio(heads, "fine_tuning", "head"),
                "features_vs_tensorflow": ratio(features, "tensorflow", "litert"),
                "evaluate_vs_train": round(stages["train"] / stages["evaluate"], 2),
                "float32_vs_image_data_generator": ratio(seconds, "generator", "pixmill"),
                "vs_image_dataset_from_directory": ratio(seconds, "dataset", "bfloat16"),
                "float32_vs_image_dataset_from_directory": ratio(seconds, "dataset", "pixmill"),
                "bfloat16_limit_vs_float32_limit": ratio(seconds, "limit", "limit_bfloat16"),
            }
        )
    )


def prepare(folder: Path) -> None:
    """Write images in class folders for the peers, and the same images packed as by the stage split."""
    packages = Path(pd.__file__).parent.parent
    flat = folder / "flat"
    flat.mkdir()
    make_images(flat, IMAGES, (SIDE, SIDE), packages)
    rows = []
    pixels = []
    for number, path in enumerate(sorted(flat.glob("*.jpg"))):
        label = str(number % LABELS)
        target = folder / "images" / label / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        with Image.open(target) as image:
            pixels.append(np.asarray(image.convert("RGB")))
        identity = hashlib.sha256(target.read_bytes()).hexdigest()
        rows.append({"id": identity, "label": label, "split": "train", "row": number})
    flat.rmdir()
    packed = folder / "packed"
    packed.mkdir(parents=True)
    write_images(packed, "train", map(compress, pixels), image_size=SIDE)
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    frame["path"] = "images/00/0.jpg"
    frame["bytes"] = 100
    frame["source"] = "folder"
    frame["snapshot"] = "2026-11-20"
    frame["verdict"] = "keep"
    write_table(packed / "manifest.parquet", frame.reindex(columns=SPLIT.names), SPLIT)


def run_stages(root: Path, count: int, side: int) -> dict[str, float]:
    """Run train, with empty caches, and evaluate, and return the CPU seconds of each."""
    packed = root / "artifacts" / "split"
    packed.mkdir(parents=True)
    (root / "params.yaml").write_text(STAGES)
    chance = np.random.default_rng(7)
    rows = []
    blot = math.gcd(side, 16)
    colours = chance.integers(0, 256, (LABELS, 3))
    for part, share in (("train", 0.65), ("val", 0.15), ("test", 0.2)):
        images = round(count * share)
        targets = np.arange(images) % LABELS
        # Noisy blots of a colour per class: quick to make, and not separable without errors.
        blots = (
            chance.integers(-120, 120, (images, side // blot, side // blot, 3))
            .repeat(blot, 1)
            .repeat(blot, 2)
        )
        pixels = np.clip(colours[targets][:, None, None] + blots, 0, 255).astype(np.uint8)
        write_images(packed, part, map(compress, pixels), image_size=side)
        names = [
            hashlib.sha256(f"{part} {number}".encode()).hexdigest() for number in range(images)
        ]
        rows += [
            {
                "id": name,
                "label": str(targets[row]),
                "split": part,
                "row": row,
                "cluster": name,
                "group": name,
            }
            for row, name in enumerate(names)
        ]
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    numbers = {"width": side, "height": side, "bytes": 100, "brightness": 0.5}
    texts = {
        "path": "images/00/0.jpg",
        "source": "folder",
        "snapshot": "2026-11-20",
        "verdict": "keep",
    }
    frame = frame.assign(**numbers, **texts).reindex(columns=SPLIT.names)
    write_table(packed / "manifest.parquet", frame, SPLIT)
    settings = {"image_size": side, "aspect": "pad", "resize": "bicubic"}
    (packed / "preprocessing.json").write_text(json.dumps(settings))
    shortcuts = root / "plots" / "validate" / "shortcuts.json"
    shortcuts.parent.mkdir(parents=True)
    shortcuts.write_text(json.dumps({"shortcuts": []}))
    used = {}
    print(f"| stage, {count:,} images of {side} x {side} | CPU, s |\n|---|---|")
    for stage in ("train", "evaluate"):
        before = processor_seconds()
        (run_stage_here if QUICK == "tiny" else run_stage)(stage, root)
        used[stage] = processor_seconds() - before
        print(f"| {stage} | {used[stage]:.1f} |", flush=True)
    print()
    return used


def processor_seconds() -> float:
    """Return the CPU seconds of this process and its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def run_stage(stage: str, root: Path) -> None:
    """Run a stage in a separate process."""
    environ = os.environ | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db",
    }
    command = [sys.executable, "-m", f"stages.{stage}"]
    done = subprocess.run(
        command, cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"stages.{stage} failed:\n{done.stderr[-3000:]}")


def run_stage_here(stage: str, root: Path) -> None:
    """Run a stage in this process, without an MLflow server."""
    os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    importlib.import_module(f"pixmill.{stage}.stage").main(Workspace(root, root), load_params(root))


def compete(
    contestants: dict[str, tuple[str, str, str]], folder: Path, rounds: int, *, images: int = IMAGES
) -> dict[str, list[float]]:
    """Alternate epochs between the contestants, print their table, and return the seconds per image."""
    print(
        "| | images/s, median | spread | CPU, ms per image | loss at the end "
        "|\n|---|---|---|---|---|"
    )
    results: dict[str, list[dict[str, object]]] = {name: [] for name in contestants}
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(
                (Here if QUICK == "tiny" else Running)(script, folder, precision, images)
            )
            for name, (_, script, precision) in contestants.items()
        }
        for _ in range(rounds):
            for name, process in running.items():
                results[name].append(process.epoch())
    seconds = {}
    for name, (title, _, _) in contestants.items():
        if any(not math.isfinite(float(str(epoch["loss"]))) for epoch in results[name]):
            raise SystemExit(f"{title}: the loss is not finite")
        seconds[name] = [
            float(str(epoch["seconds"])) / int(str(epoch["images"])) for epoch in results[name]
        ]
        rates = [1 / taken for taken in seconds[name]]
        last = results[name][-1]
        used = (
            statistics.median(float(str(epoch["processor"])) for epoch in results[name])
            / images
            * 1000
        )
        print(
            f"| {title} | {statistics.median(rates):,.1f} | {min(rates):,.1f} to {max(rates):,.1f} ",
            end="",
        )
        print(f"| {used:.2f} | {last['loss']:.2f} |", flush=True)
    counts = {name: epochs[-1]["images"] for name, epochs in results.items()}
    if any(count != images for count in counts.values()):
        raise SystemExit(f"not all trained on {images} images: {counts}")
    print()
    return seconds


def work(folder: Path, precision: str, images: int) -> list[str]:
    """Return a contestant's arguments."""
    return ["--folder", str(folder), "--precision", precision, "--images", str(images)]


class Here(contextlib.nullcontext["Here"]):
    """A contestant that trains in this process."""

    def __init__(self, script: str, folder: Path, precision: str, images: int) -> None:
        super().__init__(self)
        self._script = script
        self._work = work(folder, precision, images)

    def epoch(self) -> dict[str, object]:
        """Train one epoch, and return its figures."""
        return dict(json.loads(run_here(self._script, self._work, "\n").splitlines()[-1]))


class Running:
    """A contestant in a separate process, ready to train."""

    def __init__(self, script: str, folder: Path, precision: str, images: int) -> None:
        self._script = script
        command = [sys.executable, str(ROOT / "benchmarks" / "contestants" / script)]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, *work(folder, precision, images)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "TF_CPP_MIN_LOG_LEVEL": "2"},
        )

    def __enter__(self) -> Running:
        while self._line() != "ready":
            pass
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()
        self._errors.close()

    def epoch(self) -> dict[str, object]:
        """Train one epoch, and return its figures."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise SystemExit(f"{self._script} ended:\n{self._errors.read()[-3000:]}")
        return line.strip()


def ratio(seconds: dict[str, list[float]], slower: str, faster: str) -> float | None:
    """Return the median speed-up of ``faster`` over the rounds, in each of which the load is the same."""
    if slower not in seconds or faster not in seconds:
        return None
    return round(
        statistics.median(a / b for a, b in zip(seconds[slower], seconds[faster], strict=True)), 2
    )


if __name__ == "__main__":
    main()
