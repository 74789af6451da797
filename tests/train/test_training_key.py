"""The key of a training depends on everything that may change its weights, and on nothing else."""

import pytest

from pixmill.core.params import (
    AugmentationParams,
    BlockParams,
    CnnParams,
    FeaturesParams,
    TrainParams,
    flat,
)
from pixmill.images.parts import load_parts
from pixmill.train import training_key as module
from pixmill.train.training_key import deciding_params, sweep_digest, training_key
from tests.train.conftest import CLASSES, PARAMS, SIZE


@pytest.fixture
def key(packed, tmp_path):
    def key_of(labels=CLASSES, **changes):
        parts = load_parts(packed, CLASSES, image_size=SIZE, names=("train", "val"))
        return training_key(
            packed, parts, PARAMS.model_copy(update=changes), labels=labels, root=tmp_path
        )

    return key_of


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"epochs": 7},
        {"threads": 1},
        {"labels": ("green", "blue", "red")},
        {"model": "features"},
    ],
)
def test_key_depends_on_params_and_labels(key, change):
    assert key(**change) != key()


@pytest.mark.parametrize(
    "changes", [{"momentum": 0.5}, {"weight_decay": 0.1}, {"cross_validation": True}]
)
def test_key_does_not_depend_on_unrelated_params(key, changes):
    assert key(**changes) == key()


def test_deciding_params_of_logistic_regression():
    names = deciding_params(TrainParams(model="features"))
    assert {
        "threads",
        "class_weights",
        "backbone.name",
        "features.inverse_regularization",
    } <= names.keys()
    assert not [
        name
        for name in names
        if name.startswith(("augmentation", "cnn", "epochs", "learning_rate", "optimizer"))
    ]
    network = TrainParams(model="features", features=FeaturesParams(head="mlp"))
    assert (
        {"epochs", "features.dense.0.units"}
        <= deciding_params(network).keys()
        <= flat(network).keys()
    )


def test_key_depends_on_pixels(key, packed):
    before = key()
    path = packed / "val.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert key() != before


@pytest.mark.parametrize("changed", ["id", "label", "fold", "code", "library", "machine"])
def test_key_depends_on_images_code_libraries_and_machine(parts, packed, monkeypatch, changed):
    before = training_key(packed, parts, PARAMS, labels=CLASSES)
    rows = parts["val"].rows
    if changed == "library":
        monkeypatch.setattr(module, "installed_version", lambda name: f"of {name}")
    elif changed in ("code", "machine"):
        monkeypatch.setattr(
            module, {"code": "digest_code", "machine": "machine"}[changed], lambda *_: "other"
        )
    else:
        rows.loc[0, changed] = rows.loc[1, changed]
    assert training_key(packed, parts, PARAMS, labels=CLASSES) != before


@pytest.fixture
def digest(packed, tmp_path):
    """Return the digest of a sweep."""

    def digest_of(searched=(), labels=CLASSES, **changes):
        parts = load_parts(packed, CLASSES, image_size=SIZE, names=("train", "val"))
        params = PARAMS.model_copy(update=changes)
        return sweep_digest(packed, parts, params, labels=labels, searched=searched, root=tmp_path)

    return digest_of


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 7, "optimizer": "sgd"},
        {"cnn": CnnParams(blocks=(BlockParams(filters=5), BlockParams(filters=9)))},
        {"features": FeaturesParams(dense=())},
    ],
)
def test_sweep_digest_excludes_searched_params(digest, changes):
    assert digest(["epochs", "optimizer", "cnn", "features.dense"], **changes) == digest(
        ["epochs", "optimizer", "cnn", "features.dense"]
    )
    assert digest(["epoch", "cnn.block"], **changes) != digest(["epoch", "cnn.block"])


@pytest.mark.parametrize(
    ("function", "changes", "searched"),
    [
        (
            "plugin_digest",
            {"augmentation": AugmentationParams(plugin="own")},
            "augmentation.plugin",
        ),
        ("backbone_digest", {"model": "features"}, "backbone.name"),
    ],
)
def test_sweep_digest_includes_plugins_and_backbones_unless_searched(
    digest, monkeypatch, function, changes, searched
):
    found = {}
    for content in ("one", "two"):
        monkeypatch.setattr(module, function, lambda *_, content=content, **__: content)
        found[content] = (digest(["epochs"], **changes), digest(["epochs", searched], **changes))
    assert found["one"][0] != found["two"][0]
    assert found["one"][1] == found["two"][1]
