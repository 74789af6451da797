import gzip
import io
import os
import pickle
import subprocess
import sys
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixmill.errors import DataError
from pixmill.scrape.sources.failure import SearchFailed
from pixmill.scrape.sources.keras import DATA_SETS, KerasSource
from pixmill.scrape.sources.keras.batch import read_batch

COUNTS = {"train": 50, "test": 20}


def arrays(shape):
    """Return pictures of noise, whose classes go round."""
    noise = np.random.default_rng(7)
    return {
        part: (noise.integers(0, 256, (count, *shape), dtype=np.uint8), (np.arange(count) % 10).astype(np.uint8))
        for part, count in COUNTS.items()
    }


def npz(folder, parts):
    path = folder / "copy.npz"
    np.savez(
        path,
        **{
            f"{kind}_{part}": part_values[place]
            for part, part_values in parts.items()
            for place, kind in enumerate("xy")
        },
    )
    return path


def idx_files(folder, parts):
    for part, name in (("train", "train"), ("test", "t10k")):
        for values, kind in zip(parts[part], ("images-idx3", "labels-idx1"), strict=True):
            shape = np.array(values.shape, ">u4").tobytes()
            with gzip.open(folder / f"{name}-{kind}-ubyte.gz", "wb") as stream:
                stream.write(bytes([0, 0, 8, values.ndim]) + shape + values.tobytes())
    return folder


def batch(pixels, labels):
    """Return a batch as Python 2 and a NumPy of its time pickled it."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    rows = pixels.transpose(0, 3, 1, 2).tobytes()
    return b"".join(
        (
            b"\x80\x02}(",
            text(b"batch_label") + text(b"training batch 1 of 5"),
            text(b"data") + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R",
            b"(K\x01J" + len(pixels).to_bytes(4, "little") + b"M\x00\x0c\x86",
            b"cnumpy\ndtype\n"
            + text(b"u1")
            + b"K\x00K\x01\x87R(K\x03"
            + text(b"|")
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T" + len(rows).to_bytes(4, "little") + rows + b"tb",
            text(b"labels") + b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e",
            b"u.",
        )
    )


def batches(folder, parts):
    inner = folder / "cifar-10-batches-py"
    inner.mkdir()
    pixels, labels = parts["train"]
    for number in range(5):
        chosen = slice(10 * number, 10 * number + 10)
        (inner / f"data_batch_{number + 1}").write_bytes(batch(pixels[chosen], labels[chosen]))
    (inner / "test_batch").write_bytes(batch(*parts["test"]))
    (inner / "batches.meta").write_bytes(b"never read")
    return folder


def archive(folder, parts):
    path = folder / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as stream:
        stream.add(batches(folder, parts) / "cifar-10-batches-py", "cifar-10-batches-py")
    return path


FORMS = [
    ("mnist", npz),
    ("fashion_mnist", npz),
    ("fashion_mnist", idx_files),
    ("cifar10", npz),
    ("cifar10", batches),
    ("cifar10", archive),
]


def found(source, label, *texts):
    return [candidate for query in source.queries(label, texts or (label,)) for candidate in source.search(query, None)]


def pixels_of(source, candidate):
    content = source.read(candidate.image_url, max_bytes=10_000).content
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize(("name", "write"), FORMS)
def test_each_form_gives_the_same_pictures(tmp_path, name, write):
    parts = arrays(DATA_SETS[name].shape)
    source = KerasSource(name, write(tmp_path, parts))
    third = DATA_SETS[name].classes[3]
    candidates = found(source, third)
    assert [(candidate.given_split, candidate.rank) for candidate in candidates] == [
        *(("train", rank) for rank in range(5)),
        *(("test", rank) for rank in range(5, 7)),
    ]
    expected = [*parts["train"][0][3::10], *parts["test"][0][3::10]]
    for candidate, pixels in zip(candidates, expected, strict=True):
        assert np.array_equal(pixels_of(source, candidate), pixels)


def test_what_is_known_of_a_picture(tmp_path):
    coat = found(KerasSource("fashion_mnist", npz(tmp_path, arrays((28, 28)))), "coat")[0]
    assert (coat.label, coat.query, coat.title, coat.image_url) == ("coat", "coat", "Coat", "fashion_mnist/train/00004")
    assert (coat.width, coat.height, coat.licence, coat.author) == (28, 28, "MIT", "Zalando SE")


def test_the_bytes_are_the_same_each_time(tmp_path):
    path = npz(tmp_path, arrays((28, 28)))
    first, second = (KerasSource("mnist", path).read("mnist/test/00007", max_bytes=10_000) for _ in range(2))
    assert first == second
    assert first.content.startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["T-shirt/top", "t-shirt top", "TSHIRT TOP", "0"])
def test_a_class_goes_by_its_name_or_its_index(tmp_path, text):
    source = KerasSource("fashion_mnist", npz(tmp_path, arrays((28, 28))))
    assert {candidate.title for candidate in found(source, "shirt", text)} == {"T-shirt/top"}


def test_a_class_may_be_made_of_several(tmp_path):
    source = KerasSource("cifar10", npz(tmp_path, arrays((32, 32, 3))))
    assert {candidate.title for candidate in found(source, "pet", "cat", "dog")} == {"cat", "dog"}
    assert source.labels() == []


def test_a_class_that_it_has_not_is_named(tmp_path):
    source = KerasSource("cifar10", npz(tmp_path, arrays((32, 32, 3))))
    with pytest.raises(
        SearchFailed, match=r"no class 'hat'; it has airplane, .*, truck: say in scrape\.queries\.hat"
    ) as caught:
        found(source, "hat")
    assert caught.value.failure == "no_results"


@pytest.mark.parametrize(
    "address", ["mnist/train/00050", "mnist/val/00001", "cifar10/train/00001", "mnist/train/x", "../x", ""]
)
def test_an_address_that_it_has_not_is_refused(tmp_path, address):
    source = KerasSource("mnist", npz(tmp_path, arrays((28, 28))))
    assert source.read(address, max_bytes=10_000).reason == "unreadable"


def test_a_picture_above_the_limit_is_refused(tmp_path):
    source = KerasSource("mnist", npz(tmp_path, arrays((28, 28))))
    assert source.read("mnist/train/00001", max_bytes=500).reason == "too_large"


def damaged(folder, kind):
    parts = arrays((28, 28))
    match kind:
        case "missing":
            return folder / "nowhere.npz"
        case "empty folder":
            return folder
        case "no zip":
            (folder / "x.npz").write_bytes(b"no zip")
            return folder / "x.npz"
        case "pickled":
            np.savez(folder / "x.npz", x_train=np.array([{}], dtype=object))
            return folder / "x.npz"
        case "bomb":
            with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as stream:
                stream.writestr("x_train.npy", bytes(300_000_000))
            return folder / "x.npz"
        case "cut short":
            path = idx_files(folder, parts) / "train-images-idx3-ubyte.gz"
            path.write_bytes(path.read_bytes()[:1000])
        case "other header":
            with gzip.open(idx_files(folder, parts) / "train-images-idx3-ubyte.gz", "wb") as stream:
                stream.write(b"\0\0\x0d\x03")
        case "too few values":
            with gzip.open(idx_files(folder, parts) / "train-images-idx3-ubyte.gz", "wb") as stream:
                stream.write(b"\0\0\x08\x01\0\0\0\x09abc")
        case "too many values":
            with gzip.open(idx_files(folder, parts) / "train-images-idx3-ubyte.gz", "wb") as stream:
                stream.write(b"\0\0\x08\x03" + b"\xff" * 12)
        case "no archive":
            (folder / "x.tar.gz").write_bytes(b"no archive")
            return folder / "x.tar.gz"
        case "archive of nothing":
            tarfile.open(folder / "x.tar.gz", "w:gz").close()
            return folder / "x.tar.gz"
    return folder


@pytest.mark.parametrize(
    "kind",
    [
        "missing", "empty folder", "no zip", "pickled", "bomb", "cut short", "other header", "too few values",
        "too many values", "no archive", "archive of nothing",
    ],
)  # fmt: skip
def test_a_damaged_copy_is_named(tmp_path, kind):
    path = damaged(tmp_path, kind)
    with pytest.raises(DataError, match="cannot be read as mnist") as caught:
        found(KerasSource("mnist", path), "3")
    assert str(path) in caught.value.message
    assert "scrape.keras" in caught.value.next


def test_a_copy_of_something_else_is_named(tmp_path):
    path = npz(tmp_path, arrays((32, 32, 3)))
    with pytest.raises(DataError, match=r"is not mnist: .* \(50, 32, 32, 3\) .* expected \(n, 28, 28\)"):
        found(KerasSource("mnist", path), "3")


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harmed",)


@pytest.mark.parametrize("content", [pickle.dumps(Harmful()), pickle.dumps({b"data": Harmful(), b"labels": []})])
def test_a_batch_runs_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"it asks for posix\.system"):
        read_batch(content)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_numpy_writes_today_is_read():
    pixels, labels = arrays((32, 32, 3))["test"]
    rows = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    found, classes = read_batch(pickle.dumps({b"data": rows, b"labels": labels.tolist()}, protocol=4))
    assert np.array_equal(found, pixels)
    assert np.array_equal(classes, labels)


@given(st.binary(max_size=60), st.integers(0, 3500))
def test_no_batch_is_too_odd(noise, place):
    pixels, labels = arrays((32, 32, 3))["test"]
    content = batch(pixels[:1], labels[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found, classes = read_batch(content[:place] + noise + content[place + len(noise) :])
        except ValueError:
            return
    assert found.shape[1:] == (32, 32, 3)
    assert classes.shape == found.shape[:1]


LOAD = """
import sys
from pixmill.errors import DataError
from pixmill.scrape.sources.keras import KerasSource
source = KerasSource("fashion_mnist")
try:
    print(len(list(source.search(source.queries("coat", ["coat"])[0], None))))
except DataError as error:
    print(error)
"""


def load(home):
    """Load by Keras, without a network, in a process of its own: Keras reads where its home is but once."""
    environment = os.environ | {"KERAS_HOME": str(home), "https_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout


@pytest.mark.slow
def test_what_keras_has_downloaded_is_taken(tmp_path):
    folder = tmp_path / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    idx_files(folder, arrays((28, 28)))
    assert load(tmp_path).splitlines()[-1] == "7"


@pytest.mark.slow
def test_without_a_network_a_copy_is_asked_for(tmp_path):
    said = load(tmp_path)
    assert "keras.datasets.fashion_mnist cannot be loaded" in said
    assert "scrape.keras.path" in said
