"""A preset of KerasHub becomes the pinned backbone."""

import shutil
from pathlib import Path

import pytest

from pixmill.core.params import load_params
from pixmill.models.preset_files import preset_digest
from tests.command import run_pixmill
from tests.version_control import commit, git, start_repository

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(preset("dinov2"), folder / "weights" / "ours")
    for name in ("params.yaml", "dvc.yaml", "data.dvc"):
        shutil.copy(ROOT / name, folder)
    (folder / "data").mkdir()
    commit(start_repository(folder))
    monkeypatch.chdir(folder)
    return folder


def test_preset_is_pinned_and_data_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = load_params(project)
    assert run_pixmill("use", "hub:weights/ours") == 0
    shown = capsys.readouterr().out
    params = load_params(project)
    backbone = params.train.backbone
    digest = preset_digest(project / "weights" / "ours")
    assert (backbone.name, backbone.revision, backbone.sha256) == ("hub:weights/ours", None, digest)
    assert (params.train.model, params.train.features.layers) == ("features", "auto")
    assert (params.classes, params.scrape, params.split) == (
        before.classes,
        before.scrape,
        before.split,
    )
    assert params.train.model_copy(update={"backbone": before.train.backbone}) == before.train
    assert f"weights/ours: 0.5 MB in {project / 'weights' / 'ours'}; licence: unknown" in shown
    assert f"  train.backbone.sha256: null -> {digest}" in shown
    assert shown.endswith("Next: dvc repro\n")
    assert run_pixmill("doctor", "--quick") == 0
    # The weights change.
    with (project / "weights" / "ours" / "model.weights.h5").open("ab") as file:
        file.write(b"!")
    assert run_pixmill("doctor", "--quick") == 1
    assert "train.backbone.sha256: " in (output := capsys.readouterr().out)
    assert "pixmill use hub:weights/ours" in output
    # Pinned again, they keep the edits of the params.
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("layers: auto", "layers: [block2, top]"))
    assert run_pixmill("use", "hub:weights/ours") == 0
    train = load_params(project).train
    assert train.backbone.sha256 == preset_digest(project / "weights" / "ours") != digest
    assert train.features.layers == ("block2", "top")


def test_the_image_size_fits_the_preset(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("image_size: 224", "image_size: 260"))
    before = load_params(project).split
    assert run_pixmill("use", "hub:weights/ours") == 0
    assert load_params(project).split == before.model_copy(update={"image_size": 252})
    assert run_pixmill("doctor", "--quick") == 0
    capsys.readouterr()
    path.write_text(path.read_text().replace("image_size: 252", "image_size: 250"))
    assert run_pixmill("doctor", "--quick") == 1
    assert (
        "split.image_size: this preset takes multiples of 14 pixels, received 250"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "words",
    ["hub:weights/gone", "hub:dinov2_smal", "hub:hf://ours/dino", "hub:", "hub:weights/ours --all"],
)
def test_what_cannot_be_used_changes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    assert run_pixmill("use", *words.split()) == 1
    message = capsys.readouterr().err
    assert "Next: " in message
    assert "Traceback" not in message
    assert git(project, "status", "--porcelain") == ""
