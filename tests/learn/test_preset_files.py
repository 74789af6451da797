"""Presets come from a folder, Hugging Face or Kaggle, once, and are what params pin."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pixmill.core.errors import TrainError
from pixmill.core.params import BackboneParams
from pixmill.learn.preset_files import find_preset, pinned_folder, preset_digest, resolve_preset
from tests.servers import Handler, serve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = ("config.json", "image_converter.json", "model.weights.h5")


class HuggingFace(Handler):
    """The part of the hub's interface that downloads files of one model, ``ours/dino``."""

    folder = Path()

    def respond(self) -> None:
        path = self.path.partition("?")[0]
        name = path.removeprefix(f"/ours/dino/resolve/{COMMIT}/")
        if path == "/api/models/ours/dino":
            self.answer(json.dumps({"id": "ours/dino", "sha": COMMIT}), kind="application/json")
        elif name in FILES:
            content = (self.folder / name).read_bytes()
            told = {"X_Repo_Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            if self.command == "HEAD":
                # As a redirect to the storage tells the size.
                self.answer(X_Linked_Size=str(len(content)), X_Linked_ETag=told["ETag"], **told)
            else:
                self.answer(content, **told)
        else:
            self.answer(status=404, X_Error_Code="RepoNotFound")

    do_HEAD = respond  # noqa: N815


@pytest.fixture
def hugging_face(preset, tmp_path, monkeypatch):
    """Have ``huggingface_hub`` ask a server of ours, and keep its files here."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(HuggingFace, "folder", preset("dinov2"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))

    def point_to(server):
        address = f"http://127.0.0.1:{server.server_port}"
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    return point_to


def test_the_digest_is_that_of_what_sha256sum_prints(preset) -> None:
    folder = preset("dinov2")
    command = f"sha256sum {' '.join(FILES)} | sha256sum"
    told = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert preset_digest(folder) == told.split()[0]


def test_a_preset_of_hugging_face_is_pinned_and_downloaded_once(preset, hugging_face, tmp_path, capsys) -> None:
    with serve(HuggingFace) as server:
        hugging_face(server)
        revision, digest, folder = resolve_preset("hf://ours/dino", tmp_path)
        assert (revision, digest) == (COMMIT, preset_digest(preset("dinov2")))
        with pytest.raises(TrainError, match="hf://ours/other cannot be downloaded: ") as refusal:
            resolve_preset("hf://ours/other", tmp_path)
        assert "\n" not in refusal.value.message
    # From here on without the server.
    pins = BackboneParams(name="hub:hf://ours/dino", revision=revision, sha256=digest)
    assert pinned_folder(pins, tmp_path) == folder
    assert capsys.readouterr().out == ""
    with pytest.raises(TrainError, match="cannot be downloaded"):
        find_preset("hf://ours/dino", "1" * 40, tmp_path)


def test_a_preset_of_kaggle_comes_from_its_cache(preset, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    # KerasHub's own name of it has a version.
    place = Path("keras/dinov2/keras/dinov2_small")
    shutil.copytree(preset("dinov2"), tmp_path / "cache" / "models" / place / "1")
    import kagglehub.cache
    from kagglehub.handle import ModelHandle

    for name in FILES:
        kagglehub.cache.Cache().mark_as_complete(ModelHandle("keras", "dinov2", "keras", "dinov2_small", 1), name)
    revision, digest, folder = resolve_preset("dinov2_small", tmp_path)
    assert (revision, digest) == ("1", preset_digest(preset("dinov2")))
    assert folder == tmp_path / "cache" / "models" / place / "1"
    pins = BackboneParams(name=f"hub:kaggle://{place}", revision="1", sha256=digest)
    assert pinned_folder(pins, tmp_path) == folder


def test_what_is_not_as_pinned_is_refused(preset, tmp_path) -> None:
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
    with pytest.raises(TrainError, match=f"has the SHA-256 {preset_digest(folder)}, expected {digest}"):
        pinned_folder(pins, tmp_path)
    (folder / "image_converter.json").unlink()
    with pytest.raises(TrainError, match="is no preset of KerasHub for images: it has no image_converter"):
        pinned_folder(pins, tmp_path)
    shutil.rmtree(folder)
    with pytest.raises(TrainError, match="weights/ours does not exist"):
        pinned_folder(pins, tmp_path)
    with pytest.raises(TrainError, match="did you mean 'dinov2_small'"):
        resolve_preset("dinov2_smal", tmp_path)
    with pytest.raises(TrainError, match="takes no features from vit_base_patch16_224_imagenet, but from clip, "):
        resolve_preset("vit_base_patch16_224_imagenet", tmp_path)
    with pytest.raises(TrainError, match="expected kaggle://<owner>/<model>/keras/<variation>"):
        resolve_preset("kaggle://dinov2", tmp_path)
