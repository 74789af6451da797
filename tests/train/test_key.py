"""A training's key is another one for all that may change its result, and for nothing else."""

from __future__ import annotations

import pytest

from pixmill.errors import ManifestError
from pixmill.train.key import training_key
from tests.train.conftest import CLASSES, PARAMS


@pytest.fixture
def key(packed, tmp_path):
    def of(labels=CLASSES, **changes):
        return training_key(packed, PARAMS.model_copy(update=changes), labels=labels, root=tmp_path)

    return of


def test_the_same_training_has_the_same_key(key):
    assert key() == key()


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"epochs": 7}, {"threads": 1}, {"labels": ("green", "blue", "red")}, {"model": "features"}]
)
def test_params_and_labels_count(key, change):
    assert key(**change) != key()


def test_other_weights_of_a_backbone_count(key):
    other = PARAMS.backbone.model_copy(update={"weights": "none"})
    assert key(model="backbone", backbone=other) != key(model="backbone")


@pytest.mark.parametrize("name", ["train/00000.bin", "val/00000.bin", "manifest.parquet", "preprocessing.json"])
def test_each_byte_of_the_data_counts(key, packed, name):
    before = key()
    path = packed / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert key() != before


def test_the_pixels_of_the_test_part_do_not_count(key, packed):
    before = key()
    (packed / "test/00000.bin").write_bytes(b"others")
    assert key() == before


def test_what_chooses_among_ways_to_compute_counts(key, monkeypatch):
    before = key()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert key() == before
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert key() != before


def test_a_folder_that_split_did_not_write_is_a_message(tmp_path):
    with pytest.raises(ManifestError, match=r"manifest\.parquet is missing\nNext: dvc repro split"):
        training_key(tmp_path, PARAMS, labels=CLASSES, root=tmp_path)
