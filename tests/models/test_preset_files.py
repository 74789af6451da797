"""Presets from a folder or Kaggle, and their pinned digests."""

import shutil
from pathlib import Path

import pytest

from pixmill.core.errors import TrainError
from pixmill.core.params import BackboneParams
from pixmill.models.preset_files import pinned_folder, preset_digest, resolve_preset

FILES = ("config.json", "image_converter.json", "model.weights.h5")


def test_preset_of_kaggle_is_cached(preset, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    place = Path("keras/dinov2/keras/dinov2_small")
    shutil.copytree(preset("dinov2"), tmp_path / "cache" / "models" / place / "1")
    import kagglehub.cache
    import kagglehub.clients
    from kagglehub.handle import ModelHandle

    # The original inspects the stack and all modules for each file.
    monkeypatch.setattr(kagglehub.clients, "get_user_agent", lambda: "tests")
    for name in FILES:
        kagglehub.cache.Cache().mark_as_complete(
            ModelHandle("keras", "dinov2", "keras", "dinov2_small", 1), name
        )
    revision, digest, folder = resolve_preset("dinov2_small", tmp_path)
    assert (revision, digest) == ("1", preset_digest(preset("dinov2")))
    assert folder == tmp_path / "cache" / "models" / place / "1"
    pins = BackboneParams(name="hub:dinov2_small", revision="1", sha256=digest)
    assert pinned_folder(pins, tmp_path) == folder


def test_rejects_presets_that_differ_from_the_pins(preset, tmp_path) -> None:
    folder = shutil.copytree(preset("dinov2"), tmp_path / "weights" / "ours")
    revision, digest, found = resolve_preset("weights/ours", tmp_path)
    assert (revision, found) == (None, folder)
    pins = BackboneParams(name="hub:weights/ours", sha256=digest)
    assert pinned_folder(pins, tmp_path) == folder
    with pytest.raises(TrainError, match="weights/ours is not pinned") as refusal:
        pinned_folder(pins.model_copy(update={"sha256": None}), tmp_path)
    assert refusal.value.next == "pixmill use hub:weights/ours"
    with (folder / "model.weights.h5").open("ab") as file:
        file.write(b"!")
    with pytest.raises(
        TrainError, match=f"has the SHA-256 {preset_digest(folder)}, expected {digest}"
    ):
        pinned_folder(pins, tmp_path)
    (folder / "image_converter.json").unlink()
    with pytest.raises(
        TrainError, match="is no preset of KerasHub for images: it has no image_converter"
    ):
        pinned_folder(pins, tmp_path)
    shutil.rmtree(folder)
    with pytest.raises(TrainError, match="weights/ours does not exist"):
        pinned_folder(pins, tmp_path)
    with pytest.raises(TrainError, match="did you mean 'dinov2_small'"):
        resolve_preset("dinov2_smal", tmp_path)
    with pytest.raises(
        TrainError, match=r"vit_base_patch16_224_imagenet is not supported .* supported are clip, "
    ):
        resolve_preset("vit_base_patch16_224_imagenet", tmp_path)
