"""Images in another size are those that split would pack, packed once."""

import shutil

import pytest

from pixmill.compute import RowLimits
from pixmill.core.errors import ManifestError
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.params import load_params
from pixmill.split import pack
from pixmill.sweep import splits as module
from pixmill.sweep.splits import check_split, packed_split
from tests.sweep.swept import write_images


@pytest.fixture
def packings(monkeypatch) -> list:
    """Pack in this process, and tell how often."""
    calls = []

    def counted(*given):
        calls.append(given)
        pack(*given, workers=1)

    monkeypatch.setattr(module, "pack", counted)
    return calls


def packed(workspace, **changes):
    params = load_params(workspace.root).changed({f"split.{name}": value for name, value in changes.items()})
    return packed_split(workspace, params, workspace.scratch("sweep") / "splits")


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_images_as_they_are_packed_are_taken_from_where_they_are(workspace, packings) -> None:
    assert packed(workspace) == workspace.root / "artifacts" / "split"
    assert packings == []


@pytest.mark.parametrize("changes", [{"image_size": 8}, {"aspect": "crop", "resize": "nearest", "image_size": 24}])
def test_others_are_what_split_would_write(workspace, packings, tmp_path, changes, capsys) -> None:
    found = packed(workspace, **changes)
    assert found.is_relative_to(workspace.root / ".pixmill" / "sweep" / "splits")
    source = workspace.root / "artifacts"
    params = load_params(workspace.root).split.model_copy(update=changes)
    manifest = read_table(source / "split" / "manifest.parquet", SPLIT, stage="split")
    pack(manifest, source / "scrape", tmp_path / "expected", params, RowLimits(60, 1 << 30), workers=1)
    shutil.copy(source / "split" / "manifest.parquet", tmp_path / "expected")
    assert files(found) == files(tmp_path / "expected")
    assert f"split.image_size={changes['image_size']}" in capsys.readouterr().err


def test_they_are_packed_once_and_anew_after_a_kill_or_for_other_images(workspace, packings) -> None:
    first = packed(workspace, image_size=8)
    assert packed(workspace, image_size=8) == first
    assert packed(workspace, image_size=24) != first
    assert len(packings) == 2
    (first / "manifest.parquet").unlink()  # Written last.
    (first / "train.bin").unlink()
    assert (packed(workspace, image_size=8) / "train.bin").exists()
    assert len(packings) == 3
    before = (first / "train.bin").read_bytes()
    write_images(workspace.root, seed=8)
    assert packed(workspace, image_size=8) == first
    assert (first / "train.bin").read_bytes() != before


def lock(workspace, **split) -> None:
    (workspace.root / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  split:\n    cmd: x\n    params:\n      params.yaml:\n"
        f"        split: {{image_size: {split.get('image_size', 16)}}}\n"
        "  train:\n    cmd: x\n    params:\n      params.yaml:\n        train: {epochs: 99}\n"
    )


def test_packed_images_of_these_params_are_taken_whatever_the_model(workspace) -> None:
    check_split(workspace, load_params(workspace.root))
    lock(workspace)
    check_split(workspace, load_params(workspace.root))


@pytest.mark.parametrize("change", ["val", "image_size", "nothing was packed"])
def test_others_are_refused_with_what_to_do(workspace, change) -> None:
    lock(workspace)
    text = (workspace.root / "params.yaml").read_text()
    if change == "val":
        text = text.replace("image_size: 16", "image_size: 16\n  val: 0.3")
    elif change == "image_size":
        (workspace.root / "dvc.lock").unlink()
        text = text.replace("image_size: 16", "image_size: 24")
    else:
        (workspace.root / "artifacts" / "split" / "preprocessing.json").unlink()
    (workspace.root / "params.yaml").write_text(text)
    with pytest.raises(ManifestError) as refusal:
        check_split(workspace, load_params(workspace.root))
    if change != "nothing was packed":
        assert refusal.value.message == "artifacts/split was made before split in params.yaml changed"
    assert "dvc repro" in refusal.value.next
