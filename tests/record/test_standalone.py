"""The code that goes with a model is the pipeline's own, and prepares every file byte for byte alike."""

import io

import numpy as np
import pytest
from PIL import Image, features

import pixmill.images as ours
from pixmill.record.standalone import copy_standalone
from pixmill.record.store import quiet_mlflow
from tests.images.samples import encoded, halves, shapes


def exif(turn):
    data = Image.Exif()
    data[0x0112] = turn
    return data.tobytes()


def animated(kind):
    buffer = io.BytesIO()
    shapes(1).save(buffer, kind, save_all=True, append_images=[shapes(2), shapes(3)])
    return buffer.getvalue()


def odd_files():
    image = shapes(5, 90, 51)
    files = {f"turned-{turn}": encoded(image, "jpeg", exif=exif(turn)) for turn in range(1, 9)}
    files |= {f"{mode}-png": encoded(image.convert(mode), "png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")}
    files |= {f"quality-{quality}": encoded(image, "jpeg", quality=quality) for quality in (1, 30, 95)}
    files["palette-clear"] = encoded(image.quantize(8), "png", transparency=3)
    files["clear"] = encoded(Image.merge("RGBA", (*image.split(), image.convert("L"))), "png")
    files["sixteen"] = encoded(Image.fromarray(np.arange(40 * 64, dtype=np.uint16).reshape(40, 64) * 25), "png")
    files["sixteen-tiff"] = encoded(Image.fromarray(np.arange(2560, dtype=np.uint16).reshape(64, 40) * 25), "tiff")
    files["float-tiff"] = encoded(Image.fromarray(np.linspace(0, 1, 2560, dtype=np.float32).reshape(64, 40)), "tiff")
    files["cmyk"] = encoded(image.convert("CMYK"), "jpeg")
    files["cmyk-tiff"] = encoded(image.convert("CMYK"), "tiff")
    files["ycc"] = encoded(image.convert("YCbCr"), "jpeg")
    files["grey"] = encoded(image.convert("L"), "jpeg")
    files["progressive"] = encoded(image, "jpeg", progressive=True)
    files["bmp"] = encoded(halves(), "bmp")
    files["gif"], files["gif-animated"] = encoded(image, "gif"), animated("gif")
    files["webp"], files["webp-animated"] = encoded(image, "webp", lossless=True), animated("webp")
    files["png-animated"] = animated("png")
    files["line"], files["column"] = encoded(shapes(1, 300, 1), "png"), encoded(shapes(1, 1, 300), "png")
    files["dot"], files["large"] = encoded(shapes(1, 1, 1), "png"), encoded(shapes(9, 1500, 700), "jpeg")
    if features.check("avif"):
        files["avif"] = encoded(image, "avif")
    whole = encoded(image, "jpeg")
    files |= {f"cut-{share}": whole[: len(whole) * share // 10] for share in (1, 5, 9)}
    files |= {"empty": b"", "text": b"hello", "page": b"<!doctype html>", "drawing": b"<svg/>", "zip": b"PK\3\4"}
    return files


FILES = odd_files()


MODULE = "pixmill.learn.classifier"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    quiet_mlflow()
    from pixmill.record.served import _import_copy

    return _import_copy(copy_standalone(MODULE, tmp_path_factory.mktemp("copied")), "images")


def outcome(images, content, *fitting):
    try:
        return images.fit(images.decode(content).pixels, *fitting).tobytes()
    except images.UndecodableError as error:
        return error.reason


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_the_same_to_both(theirs, name):
    for fitting in ((56, "pad", "bicubic"), (31, "crop", "lanczos"), (20, "stretch", "box")):
        found = outcome(theirs, FILES[name], *fitting)
        assert found == outcome(ours, FILES[name], *fitting)
        assert isinstance(found, str) or len(found) == fitting[0] ** 2 * 3


def test_any_size_aspect_and_filter_is_the_same(theirs):
    content = FILES["turned-6"]
    for aspect in ours.ASPECTS:
        for resize in ours.RESIZES:
            assert outcome(theirs, content, 40, aspect, resize) == outcome(ours, content, 40, aspect, resize)


def test_the_copy_knows_nothing_of_pixmill(theirs):
    assert theirs.__name__.startswith("pixmill_")
    assert theirs.decode is not ours.decode
    assert theirs.UndecodableError.__module__.startswith(theirs.__name__)


def copied(folder):
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}


def test_the_copy_holds_no_more_than_the_classifier_needs(tmp_path):
    texts = copied(copy_standalone(MODULE, tmp_path))
    assert {path.split("/")[0] for path in texts} == {"__init__.py", "core", "images", "learn", "metrics"}
    assert not [path for path in texts if path.startswith(("images/parts", "images/likeness", "learn/backbones"))]
