"""The default model has the same bytes on this processor and on an emulated Haswell."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.qemu, pytest.mark.timeout(2400)]

SCRIPT = """
import pixmill
import hashlib, json, os, sys, tempfile
from pathlib import Path
import numpy as np
import pandas as pd
from pixmill.core.params import TrainParams
from pixmill.evaluate.measure import measure
from pixmill.images.decode import decode
from pixmill.images.fit import fit
from pixmill.models.determinism import fix_threads
from pixmill.models.features import extract_features
from pixmill.models.litert_export import export_classifier
from pixmill.models.networks import build_classifier, set_head_weights
from pixmill.models.litert_export import convert_backbone
from pixmill.models.layers import feature_layers
from pixmill.models.litert import HEAD, LOGITS, NOVELTY, load_outputs
from pixmill.metrics.calibration import cautious_temperature
from pixmill.metrics.probabilities import losses, softmax, apply_temperature
from pixmill.train.logistic import fit_logistic
from pixmill.models.novelty import fit_novelty

SIDE, EACH, CLASSES = 64, 8, ("coat", "sneaker", "trouser")
digest = lambda content: hashlib.sha256(content).hexdigest()
files = [path for name in CLASSES for path in sorted((Path(sys.argv[1]) / name).iterdir())[:EACH]]
ids = [digest(path.read_bytes()) for path in files]
pixels = np.stack([fit(decode(path.read_bytes()).pixels, SIDE) for path in files])
targets = np.repeat(np.arange(len(CLASSES)), EACH).astype(np.int32)
params = TrainParams()
fix_threads(params.threads)
with tempfile.TemporaryDirectory() as name:
    scratch = Path(name)
    os.environ["XDG_CACHE_HOME"] = name  # to convert it here
    origin = {"scratch": scratch, "threads": params.threads, "layers": feature_layers(params)}
    backbone = convert_backbone(params.backbone, image_size=SIDE, **origin)
    features = extract_features(pixels, ids, params.backbone, **origin)
    trained = np.arange(len(files)) % 2 == 0
    fitted = fit_logistic(features[trained], targets[trained], params, labels=len(CLASSES))
    model = build_classifier(params, labels=len(CLASSES), image_size=SIDE)
    set_head_weights(model, [fitted.kernel, fitted.bias])
    novelty = fit_novelty(features[trained], 1280)
    export_classifier(model, params, scratch, scratch=scratch, novelty=novelty)
    network, _ = load_outputs(scratch / HEAD)
    logits, unlike = network(features, [LOGITS, NOVELTY]).values()
    head = digest((scratch / HEAD).read_bytes())
    results = {"backbone": digest(backbone.read_bytes()), "head": head}
probabilities = softmax(logits).astype(np.float32)
names = np.array(CLASSES, dtype=object)
table = pd.DataFrame({"id": ids, "split": np.where(trained, "train", "test")})
table["label"] = names[targets]
table["predicted"] = names[probabilities.argmax(axis=1)]
table["loss"] = losses(targets, probabilities)
for place, label in enumerate(CLASSES):
    table[f"p_{label}"] = probabilities[:, place]
test = table[table["split"] == "test"]
table = pd.concat([table, test.assign(split="val", id=test["id"] + "v")])
groups = pd.Series(table["id"].to_numpy(), index=table["id"])
metrics = measure(table, groups, CLASSES, top_k=2, draws=1000, confidence=0.95)
# Sums over many images use other blocks than sums over few. Labels are in order, since QEMU 7.2
# sorts wrongly.
chance = np.random.default_rng(7)
many = chance.standard_normal((600, features.shape[1])).astype(np.float32)
wide = fit_logistic(many, np.repeat(np.arange(10, dtype=np.int32), 60), params, labels=10)
results |= {
    "features": digest(features.tobytes()),
    "kernel": digest(fitted.kernel.tobytes() + fitted.bias.tobytes()),
    "logits": digest(logits.tobytes()),
    "novelty": digest(b"".join(part.tobytes() for part in novelty)),
    "unlike": digest(unlike.tobytes()),
    "width": features.shape[1],
    "probabilities": digest(probabilities.tobytes()),
    "calibrated": digest(apply_temperature(probabilities, 0.37).astype(np.float32).tobytes()),
    "temperature": cautious_temperature(targets, probabilities, len(targets)), "metrics": metrics,
    "wide": digest(wide.kernel.tobytes() + wide.bias.tobytes()),
}
print(json.dumps(results))
"""


def run(command, bundled_images, repository):
    path = f"{repository}{os.pathsep}{repository / 'src'}"
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NPY_", "OPENBLAS_"))
    }
    done = subprocess.run(
        [*command, sys.executable, "-c", SCRIPT, str(bundled_images)],
        env=environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_conversion_features_head_and_metrics_have_the_same_bytes(bundled_images, repository):
    native = run([], bundled_images, repository)
    assert run(["qemu-x86_64", "-cpu", "Haswell"], bundled_images, repository) == native
