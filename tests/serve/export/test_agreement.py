"""Evaluate, predict, exported files and MLflow's model make the same predictions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pixmill.evaluate.predictions import (
    apply_calibration,
    predict_parts,
    predict_unlabelled,
    probabilities_of,
)
from pixmill.images.decode import decode
from pixmill.images.fit import fit
from pixmill.images.parts import Part, Shards
from pixmill.models.classifier import Classifier
from pixmill.models.inference import answers_schema
from pixmill.models.mlflow_format.saving import save_classifier_model
from pixmill.models.model_folder import load_classifier
from pixmill.serve.export.conversion import calibrate, convert
from pixmill.serve.export.exporting import _load
from pixmill.serve.predict.inputs import find_images
from pixmill.serve.predict.model import find_model
from pixmill.serve.predict.predicting import predict
from pixmill.tracking.store import quiet_mlflow
from tests.models.test_exported import DESCRIPTION


def exported_file(folder, path):
    """Write the tiny classifier as ``pixmill export`` does."""
    network = calibrate(load_classifier(folder)[0], DESCRIPTION.temperature)
    convert("litert", network, path, description=DESCRIPTION, training=None)
    return path


def test_same_answers_about_several_labels_everywhere(labels_folder, photos, tmp_path):
    quiet_mlflow()
    import mlflow

    model = find_model(str(labels_folder), None)
    paths = sorted(str(path) for path in photos.glob("0*"))
    table = pd.DataFrame(list(predict(model, find_images(paths), workers=1)))
    contents = [Path(path).read_bytes() for path in table["path"]]
    save_classifier_model(labels_folder, tmp_path / "saved")
    served = mlflow.pyfunc.load_model(str(tmp_path / "saved")).predict(contents)
    classifier, description = _load(labels_folder, model)
    network = calibrate(load_classifier(labels_folder)[0], description.temperatures)
    path = tmp_path / "model.tflite"
    convert("litert", network, path, description=description, training=None)
    exported = pd.DataFrame(
        list(predict(find_model(str(path), None), find_images(paths), workers=1))
    )

    assert [*served.columns] == ["label", *table.columns.drop(["path", "id", "predicted"])]
    for found in (served.rename(columns={"label": "predicted"}), exported):
        assert found["predicted"].tolist() == table["predicted"].tolist()
        for name in ("sure", *model.head.flags(model.labels)):
            assert found[name].astype("boolean").equals(table[name].astype("boolean"))
        columns = ["confidence", *(f"p_{label}" for label in model.labels)]
        np.testing.assert_allclose(
            found[columns].to_numpy(float), table[columns].to_numpy(float), rtol=0, atol=1e-5
        )
    assert {"true", "false"} == {str(each).lower() for each in table["yes_dark"]}
    pixels = np.stack([classifier.preprocessing(content) for content in contents])
    of_keras = network.predict(pixels.astype(np.float32), verbose=0)
    columns = [f"p_{label}" for label in model.labels]
    np.testing.assert_allclose(of_keras, table[columns].to_numpy(float), rtol=0, atol=1e-4)


def test_same_predictions_everywhere(model, photos, tmp_path):
    quiet_mlflow()
    import mlflow

    rows = list(predict(model, find_images(["photos"]), workers=1))
    files = [row["path"].removeprefix("photos/") for row in rows]
    unlabelled = predict_unlabelled(model.path, photos, files, workers=1)
    given = pa.Table.from_pylist(rows, answers_schema(model.labels)).to_pandas()
    given["path"] = given["path"].str.removeprefix("photos/")
    pd.testing.assert_frame_equal(unlabelled, given, check_dtype=False)
    table = pd.DataFrame([row for row in rows if row["reason"] is None])
    contents = [Path(path).read_bytes() for path in table["path"]]
    classifier = Classifier.load(model.path)
    pixels = np.stack([fit(decode(content).pixels, 24) for content in contents])
    part = Part(
        "test",
        pd.DataFrame({"id": table["path"], "label": model.labels[0]}),
        np.zeros(len(table), np.int32),
        Shards([pixels]),
    )
    uncalibrated = predict_parts(classifier, [part])
    evaluated = apply_calibration(uncalibrated, classifier)
    evaluated = evaluated.set_index("id").loc[table["path"]]
    save_classifier_model(model.path, tmp_path / "saved")
    served = mlflow.pyfunc.load_model(str(tmp_path / "saved")).predict(contents)
    answers = classifier.predict(contents)
    exported = find_model(str(exported_file(model.path, tmp_path / "model.tflite")), None)
    shared = pd.DataFrame(list(predict(exported, find_images(list(table["path"])), workers=1)))

    labels = {
        "predict": list(table["predicted"]),
        "evaluate": list(evaluated["predicted"]),
        "classifier": [answer.label for answer in answers],
        "mlflow": list(served["label"]),
        "exported": list(shared["predicted"]),
    }
    assert len(table) == 13
    assert all(found == labels["predict"] for found in labels.values())
    columns = [f"p_{label}" for label in model.labels]
    for given in (
        probabilities_of(evaluated, model.labels),
        np.stack([answer.probabilities for answer in answers]),
        served[columns].to_numpy(),
        shared[columns].to_numpy(float),
    ):
        np.testing.assert_allclose(table[columns].to_numpy(float), given, rtol=0, atol=1e-5)
