"""The whole pipeline, with a real browser, DVC, model and MLflow."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params, parse_params
from pixmill.images.parts import open_images
from pixmill.models.determinism import fix_threads
from pixmill.tracking.run_lookup import RunReader

STAGES = ("scrape", "validate", "split", "train", "evaluate")

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_first_run_trains_a_model_on_scraped_images(finished) -> None:
    assert finished.metrics("evaluate")["accuracy"] >= 0.8
    scraped = finished.metrics("scrape")
    assert "shop.pixmill.test" in json.dumps(scraped)
    validated = finished.metrics("validate")
    assert sum(validated["class_counts"].values()) == validated["kept"] <= 120
    for stage in STAGES:
        assert (finished.path / "metrics" / f"{stage}.json").is_file()
        assert len(json.loads((finished.path / "metrics" / f"{stage}.json").read_text())) <= 10
    for page in (finished.path / "reports").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert text.count("<script") == 1
        assert 'src="http' not in text
        assert re.search('<a class="project" href="../"[^>]*>pixmill</a>', text)


def test_second_run_changes_nothing(finished) -> None:
    before = finished.git("status", "--porcelain")
    output = finished.repro()
    for stage in STAGES:
        assert f"Stage '{stage}' didn't change, skipping" in output
    assert finished.dvc("status", "-q").returncode == 0
    assert finished.git("status", "--porcelain") == before == ""


def test_images_models_and_scratch_stay_out_of_git(finished) -> None:
    tracked = finished.git("ls-files").split()
    assert not [
        name
        for name in tracked
        if name.startswith(("artifacts/", "reports/", "data/", ".pixmill/", "mlruns/"))
    ]


def test_mlflow_run_is_complete(finished) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{finished.path}/mlflow.db")
    [run] = mlflow.search_runs(search_all_experiments=True, output_format="list")
    client = mlflow.MlflowClient()
    lock = finished.lock()["stages"]
    outs = {out["path"]: out["md5"] for stage in lock.values() for out in stage["outs"]}
    assert run.data.params["train.epochs"] == "6"
    assert run.data.params["split.image_size"]
    reader = RunReader(Workspace(finished.path, finished.path))
    resolved = reader.read(reader.get(run.info.run_id), "params.json")
    assert resolved is not None
    assert parse_params(resolved.decode()) == load_params(finished.path)
    assert "train.momentum" not in run.data.params
    history = client.get_metric_history(run.info.run_id, "val_loss")
    assert [point.step for point in history] == list(range(1, len(history) + 1))
    assert run.data.metrics["test_accuracy"] == pytest.approx(
        finished.metrics("evaluate")["accuracy"], rel=1e-5
    )
    assert (
        run.data.tags["mlflow.source.git.commit"]
        == finished.git("rev-list", "--max-parents=0", "HEAD").strip()
    )
    assert run.data.tags["pixmill.dvc.artifacts/split"] == outs["artifacts/split"]
    weights = finished.path / "artifacts" / "train" / "model.weights.h5"
    assert run.data.tags["pixmill.weights"] == hashlib.md5(weights.read_bytes()).hexdigest()
    # evaluate writes to the same run, and keeps the files of train.
    samples = Path(
        client.download_artifacts(run.info.run_id, "artifacts/train/samples.jpg")
    ).read_bytes()
    assert samples == (finished.path / "artifacts" / "train" / "samples.jpg").read_bytes()


def test_keras_model_of_the_run_predicts(finished) -> None:
    import mlflow
    import numpy as np

    mlflow.set_tracking_uri(f"sqlite:///{finished.path}/mlflow.db")
    [run] = mlflow.search_runs(search_all_experiments=True, output_format="list")
    client = mlflow.MlflowClient()
    models = [client.get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    assert sorted(model.name for model in models) == ["classifier", "keras"]
    [model_id] = [model.model_id for model in models if model.name == "keras"]
    # Set the threads before TensorFlow does, which cannot change them in later tests.
    fix_threads(2)
    model = mlflow.keras.load_model(f"models:/{model_id}")
    images = open_images(finished.path / "artifacts" / "split", "test")[:8].astype("float32")
    predicted = model.predict(images, verbose=0)
    assert predicted.shape == (8, 3)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)


def test_outputs_contain_no_run_path_or_host(finished) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{finished.path}/mlflow.db")
    [run] = mlflow.search_runs(search_all_experiments=True, output_format="list")
    for folder in ("metrics", "plots", "reports"):
        for path in (finished.path / folder).rglob("*.*"):
            text = path.read_text(encoding="utf-8")
            assert run.info.run_id not in text, path
            assert str(finished.path) not in text, path
            assert "127.0.0.1" not in text, path


def test_explicit_defaults_repeat_no_work(copy_of_finished) -> None:
    copy_of_finished.edit(
        ("\nscrape:", "\nscrape:\n  rate: 4.0"),
        ("\ntrain:", "\ntrain:\n  label_smoothing: 0.0"),
    )
    # Without a browser, scraping would fail.
    done = copy_of_finished.dvc("repro", "train", PIXMILL_BROWSER="/nowhere")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"Running stage '(\w+)'", done.stdout) == ["scrape", "train"]
    assert "reused the weights of an earlier training" in done.stdout + done.stderr
    assert copy_of_finished.git("status", "--porcelain").split() == [
        "M",
        "dvc.lock",
        "M",
        "params.yaml",
    ]


def test_added_images_are_tracked_and_must_be_committed(
    copy_of_finished, bundled_images: Path
) -> None:
    extra = sorted((bundled_images / "dress").glob("*.png"))[45]
    (copy_of_finished.path / "data" / "dress" / "mine.png").write_bytes(extra.read_bytes())
    output = copy_of_finished.repro("scrape")
    assert "data.dvc" in output.split("To track the changes with git, run:")[1]
    assert " M data.dvc" in copy_of_finished.git("status", "--porcelain")
    assert (
        copy_of_finished.path / "data" / "dress" / "mine.png"
    ).read_bytes() == extra.read_bytes()
