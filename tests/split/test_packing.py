"""Packing of images."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import read_json
from pixmill.core.params import SplitParams
from pixmill.images.compute import RowLimits
from pixmill.images.decode import decode
from pixmill.images.fit import fit
from pixmill.images.parts import open_images
from pixmill.images.png import png_bytes
from pixmill.split.packing import pack
from tests.images.samples import encoded
from tests.split.conftest import HEIGHT, WIDTH

LIMITS = RowLimits(60, 512 << 20)
PARAMS = SplitParams(image_size=20)


@pytest.fixture
def manifest(project):
    """Return a manifest of 42 images: every fourth in val, two dropped, the others in train."""
    frame = project.manifest[:42].copy()
    part = np.where(np.arange(42) % 4 == 0, "val", "train").astype(object)
    part[[3, 20]] = None
    frame["split"] = pd.array(part, dtype="string")
    frame["row"] = frame.groupby("split").cumcount().astype("Int32")
    return frame


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_rows_are_fitted_images(project, manifest):
    pack(manifest, project.images, project.out, PARAMS, LIMITS, workers=1)
    for part, rows in manifest.groupby("split"):
        pixels = open_images(project.out, part)
        assert pixels.shape == (len(rows), 20, 20, 3)
        for path, row in zip(rows["path"], rows["row"], strict=True):
            expected = fit(
                decode((project.images / path).read_bytes()).pixels, 20, "pad", "bicubic"
            )
            np.testing.assert_array_equal(pixels[row], expected)
    names = [f"{part}.{suffix}" for part in ("train", "val") for suffix in ("bin", "ends", "json")]
    assert files(project.out) == ["preprocessing.json", *names]


def test_images_of_more_than_8_bits_use_the_window(project, manifest):
    content = encoded(Image.fromarray(np.full((16, 24), 300, np.uint16)), "PNG")
    row = manifest[:1].assign(id=hashlib.sha256(content).hexdigest(), width=24, height=16)
    (project.images / row["path"][0]).write_bytes(content)
    pack(row, project.images, project.out, PARAMS, LIMITS, window=(200, 400), workers=1)
    np.testing.assert_array_equal(open_images(project.out, "val")[0], 128)
    assert read_json(project.out / "preprocessing.json", stage="split")["window"] == [200, 400]


@pytest.mark.slow
def test_output_does_not_depend_on_workers(project, manifest, tmp_path):
    for workers in (1, 3):
        pack(manifest, project.images, tmp_path / str(workers), PARAMS, LIMITS, workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "3")
    for name in files(tmp_path / "1"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing"),
        (
            lambda path: path.write_bytes(png_bytes(np.zeros((16, 24, 3), np.uint8))),
            "has changed since validate ran",
        ),
    ],
    ids=["gone", "another"],
)
def test_changed_image_raises_and_leaves_no_files(project, manifest, damage, message):
    path = project.images / manifest["path"].iloc[-1]
    damage(path)
    with pytest.raises(ManifestError, match=message) as caught:
        pack(manifest, project.images, project.out, PARAMS, LIMITS, workers=1)
    assert str(path) in caught.value.message
    assert caught.value.next == "dvc repro -f scrape"
    assert files(project.out) == []


def test_undecodable_image_raises(project, manifest):
    # With dimensions of 1 x 1 in the manifest, the image is too large.
    manifest.loc[0, ["width", "height"]] = 1
    with pytest.raises(
        ManifestError, match=f"no longer decodes .too_many_pixels: {WIDTH} x {HEIGHT}."
    ):
        pack(manifest[:1], project.images, project.out, PARAMS, LIMITS, workers=1)
    assert files(project.out) == []
