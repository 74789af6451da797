import contextlib
import io
import json
import re
import shutil

import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest
from pixmill.core.params import BlockParams, CnnParams, TrainParams, load_params
from pixmill.evaluate.stage import main
from pixmill.heads import ONE_LABEL
from pixmill.images.parts import load_parts
from pixmill.metrics.probabilities import losses
from pixmill.metrics.scores import scores
from pixmill.models.classifier import Classifier
from pixmill.models.determinism import fix_threads
from pixmill.models.held_out import predict_held_out, save_calibration, save_held_out
from pixmill.models.litert_export import export_classifier
from pixmill.models.model_folder import save_classifier
from pixmill.models.networks import build_classifier
from tests.evaluate.conftest import LABELS, SIDE, write_split

pytestmark = pytest.mark.slow

PARAMS = (
    "classes: [dark, light]\nscrape: {snapshot: '2026-11-20'}\nevaluate:\n"
    "  {draws: 1000, unlabelled: data/unlabelled, label_errors: 0}\n"
)
OUTPUTS = (
    "artifacts/evaluate/predictions.parquet",
    "artifacts/evaluate/unlabelled.parquet",
    "metrics/evaluate.json",
    "plots/evaluate/calibrated.csv",
    "plots/evaluate/confusion.csv",
    "plots/evaluate/coverage.csv",
    "plots/evaluate/coverage_val.csv",
    "plots/evaluate/full.json",
    "plots/evaluate/per_class.csv",
    "plots/evaluate/slices.csv",
    "plots/evaluate/uncalibrated.csv",
    "reports/evaluate.html",
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return a workspace after train, with an untrained network."""
    root = tmp_path_factory.mktemp("inputs")
    (root / "params.yaml").write_text(PARAMS)
    curve = {"gain": 0.03, "gain_low": 0.01, "gain_high": 0.05}
    (root / "plots" / "train").mkdir(parents=True)
    (root / "plots" / "train" / "full.json").write_text(json.dumps({"learning_curve": curve}))
    found = {
        "property": "width",
        "skill": 1.0,
        "label": "coat",
        "example": "they are wide",
        "advice": "crop them",
    }
    (root / "plots" / "validate").mkdir()
    (root / "plots" / "validate" / "shortcuts.json").write_text(json.dumps({"shortcuts": [found]}))
    names = ("dark.png", "notes.txt")
    write_split(root / "artifacts" / "split", unlabelled=[f"data/unlabelled/{n}" for n in names])
    (root / "data" / "unlabelled").mkdir(parents=True)
    Image.new("RGB", (20, 20), (30, 30, 30)).save(root / "data" / "unlabelled" / "dark.png")
    (root / "data" / "unlabelled" / "notes.txt").write_text("no image")
    fix_threads(2)
    tiny = TrainParams(model="cnn", cnn=CnnParams(blocks=(BlockParams(filters=2),), dense=()))
    model = build_classifier(tiny, labels=len(LABELS), image_size=SIDE)
    save_classifier(
        model,
        list(LABELS),
        root / "artifacts" / "train",
        image_size=SIDE,
        aspect="pad",
        resize="bicubic",
    )
    export_classifier(model, tiny, root / "artifacts" / "train", scratch=root / "scratch")
    parts = load_parts(root / "artifacts" / "split", LABELS, image_size=SIDE)
    held_out = predict_held_out(root / "artifacts" / "train", parts["val"], ONE_LABEL)
    save_held_out(root / "artifacts" / "train", held_out, LABELS)
    save_calibration(root / "artifacts" / "train", held_out, ONE_LABEL, TrainParams(), LABELS)
    # There are too few images to fit a temperature.
    calibration = json.loads((root / "artifacts/train/calibration.json").read_text())
    (root / "artifacts/train/calibration.json").write_text(
        json.dumps(calibration | {"temperature": 0.4})
    )
    return root


@pytest.fixture(scope="module")
def evaluated(inputs, empty_database, tmp_path_factory):
    """Return the workspace after the stage, with its standard output and error."""
    root = shutil.copytree(inputs, tmp_path_factory.mktemp("evaluated") / "project")
    shutil.copy(empty_database, root / "mlflow.db")
    output = io.StringIO()
    error = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(error):
        main(Workspace(root, root), load_params(root))
    return root, output.getvalue(), error.getvalue()


def test_prints_summary_warning_and_page(evaluated):
    _, output, error = evaluated
    assert re.match(r"evaluate: test accuracy \d+\.\d % \(", output)
    assert "evaluate: warning: width (skill 1) alone separates one class from the others" in output
    assert output.endswith("reports/evaluate.html\n")
    assert "MLflow" not in error


def test_writes_all_outputs_and_nothing_else(evaluated, inputs):
    root, *_ = evaluated
    before = {path.relative_to(inputs) for path in inputs.rglob("*") if path.is_file()}
    after = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    new = {path.as_posix() for path in after - before}
    outside = {path for path in new if not path.startswith((".pixmill/", "mlruns/", "mlflow.db"))}
    assert outside == set(OUTPUTS)


def test_metrics_use_calibrated_probabilities(evaluated):
    root, *_ = evaluated
    classifier = Classifier.load(root / "artifacts/train")
    parts = load_parts(root / "artifacts/split", LABELS, image_size=SIDE)
    path = root / "artifacts/evaluate/predictions.parquet"
    assert pq.read_schema(path).metadata[b"probabilities"] == b"calibrated"
    table = pd.read_parquet(path).set_index("id")
    for part in parts.values():
        rows = table.loc[part.rows["id"]]
        answers = classifier.predict(list(np.asarray(part.pixels)))
        delivered = np.stack([answer.probabilities for answer in answers])
        assert np.array_equal(rows[["p_dark", "p_light"]].to_numpy(), delivered.astype(np.float32))
        assert list(rows["predicted"]) == [answer.label for answer in answers]
        assert rows["loss"].to_numpy() == pytest.approx(losses(part.targets, delivered), rel=1e-5)
    tested = parts["test"]
    answers = classifier.predict(list(np.asarray(tested.pixels)))
    expected = scores(tested.targets, np.stack([answer.probabilities for answer in answers]))
    for name in ("metrics/evaluate.json", "plots/evaluate/full.json"):
        found = json.loads((root / name).read_text())
        assert [found["log_loss"], found["ece"]] == pytest.approx(
            [expected["log_loss"], expected["ece"]], rel=1e-5
        )
    before = scores(tested.targets, classifier.predict_uncalibrated(np.asarray(tested.pixels)))
    assert before["log_loss"] != pytest.approx(expected["log_loss"], rel=1e-3)
    for name in ("log_loss", "ece"):
        assert found["uncalibrated"][name] == pytest.approx(before[name], rel=1e-5)
    assert found["confidence"] == pytest.approx(
        np.mean([answer.confidence for answer in answers]), rel=1e-5
    )


def test_logs_metrics_plots_and_page_to_mlflow(evaluated):
    root, *_ = evaluated
    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    weights = file_digest(root / "artifacts/train/model.weights.h5", "md5")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.`pixmill.weights` = '{weights}'")
    headline = json.loads((root / "metrics/evaluate.json").read_text())
    tested = {name: value for name, value in run.data.metrics.items() if name.startswith("test_")}
    assert tested == pytest.approx(
        {f"test_{name}": value for name, value in headline.items()}, rel=1e-5
    )
    logged = {file.path for file in client.list_artifacts(run.info.run_id, "plots/evaluate")}
    assert logged == {
        f"plots/evaluate/{path.name}" for path in (root / "plots" / "evaluate").iterdir()
    }
