"""A classifier in one file gives the same answers, and a file from elsewhere is refused with a reason."""

import contextlib
import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.errors import ManifestError
from pixmill.learn.classifier import Classifier
from pixmill.learn.exported import Exported, load_exported, read_exported, write_exported
from pixmill.learn.litert import quiet
from pixmill.learn.litert_export import fold_batch_norm
from pixmill.learn.model_folder import load_classifier
from pixmill.predict.conversion import calibrate
from tests.images.samples import encoded, shapes

DESCRIPTION = Exported(
    labels=("coat", "kurtā", "T-shirt & top"),
    image_size=24,
    aspect="pad",
    resize="bicubic",
    temperature=0.4,
    threshold=0.45,
    target_accuracy=0.9,
    name="garments",
    digest="0123",
    commit="4567",
    metrics={"accuracy": 0.75, "n": 200},
)
FILES = [encoded(shapes(number, 40 + 7 * number, 30), "jpeg") for number in range(8)]


@pytest.fixture(scope="module")
def network(trained_folder, tmp_path_factory):
    """The bytes of a LiteRT network that returns calibrated probabilities."""
    path = tmp_path_factory.mktemp("network") / "network.tflite"
    with quiet():
        fold_batch_norm(calibrate(load_classifier(trained_folder)[0], 0.4)).export(
            str(path), format="litert", verbose=False
        )
    return path.read_bytes()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.tflite"
    write_exported(path, network, DESCRIPTION)
    return path


def with_details(path, network, details, name="pixmill.json", **options):
    """Write a network with any text or object for its description."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", **options) as files:
        files.writestr(name, details if isinstance(details, str | bytes) else json.dumps(details))
    path.write_bytes(network + archive.getvalue())
    return path


def test_a_threshold_of_0_of_an_earlier_version_makes_nothing_sure(exported, network, tmp_path):
    with zipfile.ZipFile(exported) as archive:
        details = json.loads(archive.read("pixmill.json")) | {"threshold": 0}
    path = with_details(tmp_path / "old.tflite", network, details)
    assert read_exported(path).threshold is None


def test_it_gives_the_answers_of_the_folder_that_it_was_made_from(exported, trained_folder):
    for found, expected in zip(
        Classifier.load(exported).predict(FILES), Classifier.load(trained_folder).predict(FILES), strict=True
    ):
        assert (found.label, found.sure) == (expected.label, expected.sure)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=0, atol=1e-5)


def test_what_belongs_to_the_model_is_read_without_loading_it(exported):
    assert read_exported(exported) == DESCRIPTION


def test_other_tools_find_the_labels(exported):
    with zipfile.ZipFile(exported) as files:
        assert files.read("labels.txt").decode() == "coat\nkurtā\nT-shirt & top\n"


def test_equal_models_give_equal_bytes(exported, network, tmp_path):
    write_exported(tmp_path / "again.tflite", network, DESCRIPTION)
    assert (tmp_path / "again.tflite").read_bytes() == exported.read_bytes()


def test_a_probability_of_zero_stays_finite(network, tmp_path):
    import tensorflow as tf

    class Certain(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 24, 24, 3), tf.float32)])
        def __call__(self, pixels):
            return tf.constant([[0.0, 1.0, 0.0]]) + 0 * tf.reduce_mean(pixels)

    module = Certain()
    with quiet():
        converted = tf.lite.TFLiteConverter.from_concrete_functions([module.__call__.get_concrete_function()], module)
        content = converted.convert()
    write_exported(tmp_path / "certain.tflite", content, DESCRIPTION)
    _, logarithms, judge = load_exported(tmp_path / "certain.tflite")
    assert judge is None
    assert np.isfinite(logarithms(np.zeros((1, 24, 24, 3), np.uint8))).all()
    (answer,) = Classifier.load(tmp_path / "certain.tflite").predict(FILES[:1])
    assert (answer.label, answer.confidence) == ("kurtā", 1.0)
    assert answer.probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("labels", []),
        ("labels", ["coat", "coat", "shirt"]),
        ("labels", ["coat", "shirt", 3]),
        ("labels", "abc"),
        ("labels", ["coat", "shirt", "\ud800"]),
        ("image_size", 0),
        ("image_size", 10**9),
        ("image_size", "24"),
        ("aspect", "squeeze"),
        ("aspect", ["pad"]),
        ("resize", "area"),
        ("temperature", 0),
        ("temperature", float("inf")),
        ("threshold", 1.5),
        ("threshold", "high"),
        ("threshold", True),
        ("target_accuracy", None),
        ("target_accuracy", float("nan")),
        ("name", None),
        ("digest", 7),
        ("commit", 7),
        ("metrics", {"accuracy": "high"}),
        ("metrics", {"accuracy": 10**400}),
        ("metrics", None),
    ],
)
def test_a_malformed_description_is_refused(tmp_path, network, key, value):
    path = with_details(tmp_path / "bad.tflite", network, json.loads(DESCRIPTION.as_json()) | {key: value})
    with pytest.raises(ManifestError, match="not as Pixmill writes it"):
        Classifier.load(path)


def test_the_description_of_another_version_says_so(tmp_path, network):
    path = with_details(tmp_path / "new.tflite", network, json.loads(DESCRIPTION.as_json()) | {"format": 3})
    with pytest.raises(ManifestError, match="another version of Pixmill"):
        read_exported(path)


@pytest.mark.parametrize(
    "details", ["", "{", "[" * 100_000, "null", b"\xff\xfe", "9" * 5000], ids=lambda details: str(details[:3])
)
def test_a_description_that_is_no_json_object_is_refused(tmp_path, network, details):
    with pytest.raises(ManifestError, match="is not a model that Pixmill exported"):
        read_exported(with_details(tmp_path / "bad.tflite", network, details))


def test_a_description_that_unpacks_to_gigabytes_is_refused_unread(tmp_path, network):
    bomb = b" " * 50_000_000
    path = with_details(tmp_path / "bomb.tflite", network, bomb, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ManifestError, match=r"no readable pixmill\.json"):
        read_exported(path)


def test_a_directory_of_megabytes_is_not_read(tmp_path):
    path = tmp_path / "many.tflite"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("pixmill.json", DESCRIPTION.as_json())
        for number in range(80):
            files.writestr(f"{number}{'x' * 60_000}", b"")
    with pytest.raises(ManifestError, match=r"no readable pixmill\.json"):
        read_exported(path)


def test_a_plain_litert_model_is_refused(tmp_path, network, trained_folder):
    (tmp_path / "plain.tflite").write_bytes(network)
    with pytest.raises(ManifestError, match=r"plain\.tflite is not a model that Pixmill exported"):
        Classifier.load(tmp_path / "plain.tflite")
    with pytest.raises(ManifestError, match="is not a model that Pixmill exported"):
        Classifier.load(trained_folder / "network.tflite")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"none\.tflite is missing"):
        Classifier.load(tmp_path / "none.tflite")


def test_a_network_of_logits_is_refused(tmp_path, trained_folder):
    logits = (trained_folder / "network.tflite").read_bytes()
    write_exported(tmp_path / "logits.tflite", logits, DESCRIPTION)
    with pytest.raises(ManifestError, match="does not return 3 probabilities"):
        Classifier.load(tmp_path / "logits.tflite")


@pytest.mark.parametrize("change", [{"image_size": 25}, {"labels": ["coat", "shirt"]}], ids=str)
def test_a_network_of_another_shape_is_refused(tmp_path, network, change):
    path = with_details(tmp_path / "other.tflite", network, json.loads(DESCRIPTION.as_json()) | change)
    with pytest.raises(ManifestError, match="its network"):
        Classifier.load(path)


def test_a_network_that_is_none_is_refused(tmp_path):
    write_exported(tmp_path / "none.tflite", b"no network" * 100, DESCRIPTION)
    with pytest.raises(ManifestError, match="cannot be run"):
        Classifier.load(tmp_path / "none.tflite")


@given(data=st.data())
def test_a_damaged_end_is_read_or_refused_but_never_crashes(exported, tmp_path_factory, data):
    content = bytearray(exported.read_bytes()[-2500:])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.tflite"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    # Any other exception is a defect.
    with contextlib.suppress(ManifestError):
        assert len(read_exported(path).labels) >= 2
