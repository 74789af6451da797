"""A project whose backbone is a preset of KerasHub: from the pin to the served model, without internet."""

import json
import shutil
import signal
import subprocess
import urllib.request
from typing import Any

import pytest

from pixmill.core.params import load_params

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def project(copy_of_finished, preset):
    project = copy_of_finished
    shutil.copytree(preset("dinov2"), project.path / "weights" / "ours")
    project.edit(("grad_cam: 0", "grad_cam: 2"))
    return project


def pixmill(project, *words: str, **environ: str) -> str:
    done = project.run(str(project.python), "-m", "pixmill", *words, PYTHONPATH="src", **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def predicted(project, image, *words: str) -> dict[str, Any]:
    pixmill(project, "predict", str(image), "--jsonl", "answer.jsonl", *words)
    return dict(json.loads(project.read("answer.jsonl")))


def served(project, image) -> tuple[str, float]:
    words = [str(project.python), "-m", "pixmill", "serve", "--port", "0"]
    environ = project.environ | {"PYTHONPATH": "src"}
    with subprocess.Popen(words, cwd=project.path, env=environ, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().strip()
            headers = {"Content-Type": "image/png"}
            request = urllib.request.Request(f"{address}v1/predict", data=image.read_bytes(), headers=headers)
            with urllib.request.urlopen(request, timeout=60) as response:
                (found,) = json.load(response)["predictions"]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    return found["label"], found["confidence"]


def test_a_preset_is_trained_evaluated_exported_and_served(project) -> None:
    project.git("commit", "-qam", "Heatmaps")
    assert "train.backbone.sha256: (none) -> " in pixmill(project, "use", "hub:weights/ours")
    project.repro()
    assert "on features of &#39;weights/ours&#39;" in project.read("reports/train.html")
    metrics = project.metrics("evaluate")
    assert metrics["accuracy"] > 0.5
    assert 'alt="Grad-CAM heatmap"' in project.read("reports/evaluate.html")

    image = next((project.path / "data" / "dress").glob("*.png"))
    answer = predicted(project, image)
    told = pixmill(project, "export", "onnx", "--output", "exported")
    assert told.count("100.00%") == 1
    digest = load_params(project.path).train.backbone.sha256
    wanted = f"weights/ours, licence unknown, SHA-256 {digest}\n"
    assert project.read("artifacts/train/preset.txt") == wanted
    assert f"- Backbone, a preset of KerasHub: {wanted}" in project.read("exported/README.md")
    assert served(project, image) == (answer["predicted"], answer["confidence"])
