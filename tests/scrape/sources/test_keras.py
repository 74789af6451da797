import gzip
import io
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from pixmill.core.errors import DataError
from pixmill.scrape.sources.keras import DATA_SETS, KerasSource
from pixmill.scrape.sources.source import SearchError

COUNTS = {"train": 50, "test": 20}


def noise(*shape):
    """Return splits of random images with cyclic labels."""
    random = np.random.default_rng(7)
    return {
        part: (
            random.integers(0, 256, (count, *shape), dtype=np.uint8),
            (np.arange(count) % 10).astype(np.uint8),
        )
        for part, count in COUNTS.items()
    }


PARTS = noise(28, 28)


def write_npz(folder, parts=PARTS):
    path = folder / "copy.npz"
    np.savez(
        path,
        **{
            f"{kind}_{part}": arrays[place]
            for part, arrays in parts.items()
            for place, kind in enumerate("xy")
        },
    )
    return path


def write_idx(folder, pack=bytes, suffix=""):
    for part, name in (("train", "train"), ("test", "t10k")):
        for values, kind in zip(PARTS[part], ("images-idx3", "labels-idx1"), strict=True):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            (folder / f"{name}-{kind}-ubyte{suffix}").write_bytes(pack(header + values.tobytes()))
    return folder


def write_gzipped_idx(folder):
    return write_idx(folder, gzip.compress, ".gz")


def candidates_of(source, label, *texts):
    return [
        candidate
        for query in source.queries(label, texts or (label,))
        for candidate in source.search(query, None)
    ]


def pixels_of(source, candidate):
    content = source.read(candidate.image_url, max_bytes=10_000).content
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("write", [write_npz, write_idx, write_gzipped_idx])
def test_every_file_format_gives_the_same_images(tmp_path, name, write):
    source = KerasSource(name, write(tmp_path))
    candidates = candidates_of(source, DATA_SETS[name].classes[3])
    assert [(candidate.given_split, candidate.rank) for candidate in candidates] == [
        *(("train", rank) for rank in range(5)),
        *(("test", rank) for rank in range(5, 7)),
    ]
    expected = [*PARTS["train"][0][3::10], *PARTS["test"][0][3::10]]
    for candidate, pixels in zip(candidates, expected, strict=True):
        assert np.array_equal(pixels_of(source, candidate), pixels)


def test_a_candidate_has_licence_author_and_size(tmp_path):
    coat = candidates_of(KerasSource("fashion_mnist", write_npz(tmp_path)), "coat")[0]
    assert (coat.label, coat.query, coat.title, coat.image_url) == (
        "coat",
        "coat",
        "Coat",
        "fashion_mnist/train/00004",
    )
    assert (coat.width, coat.height, coat.licence, coat.author) == (28, 28, "MIT", "Zalando SE")


@pytest.mark.parametrize("text", ["T-shirt/top", "T-SHIRT TOP", "t-shirt_top", "0"])
def test_classes_by_name_or_index(tmp_path, text):
    source = KerasSource("fashion_mnist", write_npz(tmp_path))
    assert {candidate.title for candidate in candidates_of(source, "shirt", text)} == {
        "T-shirt/top"
    }


def test_rejects_unknown_classes(tmp_path):
    source = KerasSource("fashion_mnist", write_npz(tmp_path))
    with pytest.raises(
        SearchError,
        match=(
            r"no class 'hat'; it has T-shirt/top, .*, Ankle boot; choose one in "
            r"scrape\.queries\.hat"
        ),
    ) as caught:
        candidates_of(source, "hat")
    assert caught.value.failure == "no_results"


def damaged(folder, kind):
    path = folder / "x.npz"
    match kind:
        case "missing":
            return folder / "nowhere.npz"
        case "no zip":
            path.write_bytes(b"no zip")
        case "pickled":
            np.savez(path, x_train=np.array([{}], dtype=object))
        case "bomb":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
                stream.writestr("x_train.npy", bytes(30_000_000))
        case "endless":
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header, {"descr": "|u1", "fortran_order": False, "shape": (2**50,)}
            )
            with zipfile.ZipFile(path, "w") as stream:
                stream.writestr("x_train.npy", header.getvalue())
    return path


@pytest.mark.parametrize("kind", ["missing", "no zip", "pickled", "bomb", "endless"])
def test_names_a_damaged_copy(tmp_path, kind):
    path = damaged(tmp_path, kind)
    with pytest.raises(DataError, match=r"cannot be read as mnist\.npz") as caught:
        candidates_of(KerasSource("mnist", path), "3")
    assert str(path) in caught.value.message
    assert "scrape.keras" in caught.value.next


LOAD = """
import os, shutil, sys
from pixmill.core.errors import DataError
from pixmill.scrape.sources.keras import KerasSource

def load():
    source = KerasSource("fashion_mnist")
    return len(list(source.search(source.queries("coat", ["coat"])[0], None)))

try:
    load()
except DataError as error:
    print(error)
home = os.path.join(os.environ["KERAS_HOME"], "datasets", "fashion-mnist")
shutil.rmtree(home, ignore_errors=True)
shutil.copytree(sys.argv[1], home)
print(load())
"""


@pytest.mark.slow
def test_uses_the_keras_cache_or_suggests_a_path(tmp_path):
    # In a subprocess without network, since Keras reads KERAS_HOME only once.
    (tmp_path / "copy").mkdir()
    copy = write_gzipped_idx(tmp_path / "copy")
    environment = os.environ | {
        "KERAS_HOME": str(tmp_path),
        "https_proxy": "http://127.0.0.1:9",
        "no_proxy": "",
    }
    command = [sys.executable, "-c", LOAD, str(copy)]
    output = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=True
    ).stdout
    assert "keras.datasets.fashion_mnist cannot be loaded" in output
    assert "scrape.keras.path" in output
    assert output.splitlines()[-1] == "7"
