"""A collection is found where it is, in a fixed order of sources, and recognised by its values."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
import subprocess
import sys
import tarfile

import pytest

from pixmill.bundled.collection import FASHION_MNIST, load_collection
from pixmill.errors import DataError


@pytest.fixture
def lines():
    return []


@pytest.fixture
def load(tmp_path, lines):
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def run(collection):
        return load_collection(collection, scratch=scratch, report=lines.append)

    return run


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Return a function that puts a shell script on an otherwise nearly empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cp", "mkdir", "sh", "tar"):
        (folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(folder))

    def add(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return add


@pytest.fixture
def package(collection, tmp_path, commands):
    """Return the collection as a package that is not installed, with an apt-get that has it and a dpkg that unpacks."""
    archive = tmp_path / "archive.deb"
    with tarfile.open(archive, "w") as tar:
        tar.add(collection.folder, "usr/share/datasets/tests")
    commands("apt-get", f'[ "$2" = download ] && cp {archive} package.deb')
    commands("dpkg", 'mkdir "$3" && tar -xf "$2" -C "$3"')
    return dataclasses.replace(collection, folder=FASHION_MNIST.folder.with_name("tests"))


def test_an_installed_package_is_read(collection, load, lines):
    images, labels = load(collection)
    assert images.shape == (60, 28, 28)
    assert labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert not lines


def test_a_package_that_is_not_installed_is_fetched_and_unpacked(package, load, lines, tmp_path):
    images, _ = load(package)
    assert images.shape == (60, 28, 28)
    assert "dataset-of-the-tests" in lines[0]
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize("what", ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"])
def test_other_values_are_refused(collection, load, what):
    name = "images_sha256" if "images" in what else "labels_sha256"
    with pytest.raises(DataError, match=r"are not Fashion-MNIST's: sha256 [0-9a-f]{64}, expected 0"):
        load(dataclasses.replace(collection, **{name: "0" * 64}))


@pytest.mark.parametrize("damage", [b"", b"no gzip file", None])
def test_a_damaged_file_is_named(collection, load, damage):
    path = collection.folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20] if damage is None else damage)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        load(collection)


KERAS = """
import pickle, sys
from pathlib import Path
from pixmill.bundled.collection import load_collection
images, labels = load_collection(pickle.loads(sys.stdin.buffer.read()), scratch=Path(sys.argv[1]), report=print)
print(images.shape, labels.shape)
"""


@pytest.mark.slow
def test_keras_is_the_last_source_and_is_announced(package, commands, tmp_path):
    commands("apt-get", "echo 'E: no such package' >&2; exit 100")
    cached = tmp_path / "keras" / "datasets" / "fashion-mnist"
    shutil.copytree(tmp_path / "installed", cached)
    for name in ("images-idx3", "labels-idx1"):  # Keras wants the test part too
        shutil.copy(cached / f"train-{name}-ubyte.gz", cached / f"t10k-{name}-ubyte.gz")
    done = subprocess.run(
        [sys.executable, "-c", KERAS, str(tmp_path)],
        env={"PATH": str(tmp_path / "bin"), "KERAS_HOME": str(tmp_path / "keras"), "PYTHONPATH": ":".join(sys.path)},
        input=pickle.dumps(package),
        capture_output=True,
    )
    lines = done.stdout.decode().splitlines()
    assert "apt-get cannot deliver dataset-of-the-tests: E: no such package" in lines
    assert lines[-2:] == [
        "Fetching Fashion-MNIST by keras.datasets.fashion_mnist instead (30 MB) ...",
        "(60, 28, 28) (60,)",
    ]
