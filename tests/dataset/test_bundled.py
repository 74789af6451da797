"""The bundled images are loaded, verified, enlarged, and put into an empty ``data/``."""

import gzip
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pixmill.core.errors import DataError
from pixmill.core.repository.dvc import folder_md5
from pixmill.dataset import bundled
from pixmill.dataset.bundled import (
    commit_data,
    enlarge,
    load_images,
    make_data,
)

LABELS = np.arange(60, dtype=np.uint8) % 10
IMAGES = np.random.default_rng(7).integers(0, 256, (60, 28, 28), dtype=np.uint8)
DATA_MD5 = "f4dcbf43836214949449d04f5d44e004.dir"


def idx(values):
    """Return an array as a gzipped IDX file."""
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return the folder of an installed package with few images."""
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(idx(IMAGES))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx(LABELS))
    monkeypatch.setattr(bundled, "PACKAGE_FOLDER", folder)
    monkeypatch.setattr(bundled, "DATA_MD5", DATA_MD5)
    return folder


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture
def lines():
    return []


@pytest.fixture
def load(tmp_path, lines):
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    return lambda: load_images(scratch=scratch, report=lines.append)


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
def package(installed, tmp_path, commands, monkeypatch):
    """Make the package available to fake programs apt-get and dpkg instead of installing it."""
    archive = tmp_path / "archive.deb"
    with tarfile.open(archive, "w") as tar:
        tar.add(installed, "usr/share/datasets/tests")
    commands("apt-get", f'[ "$2" = download ] && cp {archive} package.deb')
    commands("dpkg", 'mkdir "$3" && tar -xf "$2" -C "$3"')
    monkeypatch.setattr(bundled, "PACKAGE_FOLDER", Path("/usr/share/datasets/tests"))


def test_reads_an_installed_package(installed, load, lines):
    images, labels = load()
    assert images.shape == (60, 28, 28)
    assert labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert not lines


def test_downloads_a_package(package, load, lines, tmp_path):
    images, _ = load()
    assert images.shape == (60, 28, 28)
    assert "dataset-fashion-mnist" in lines[0]
    assert not list((tmp_path / "scratch").iterdir())


def test_falls_back_to_keras(package, commands, load, lines, monkeypatch):
    commands("apt-get", "echo 'E: no such package' >&2; exit 100")
    sets = {"fashion_mnist": {"train": (IMAGES, LABELS)}}
    monkeypatch.setattr("pixmill.scrape.sources.keras.load_keras", sets.__getitem__)
    images, labels = load()
    assert (images.shape, labels.shape) == ((60, 28, 28), (60,))
    assert "apt-get could not download dataset-fashion-mnist: E: no such package" in lines
    assert "keras.datasets.fashion_mnist" in lines[-1]


@pytest.fixture
def make(root, installed, lines):
    return lambda: make_data(root, report=lines.append)


@pytest.fixture
def commit(root, installed, lines):
    return lambda: commit_data(root, report=lines.append)


@pytest.fixture
def dvc(root):
    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("init", "--no-scm", "-q")
    return run


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_fills_an_absent_folder(make, root):
    assert make()
    assert sorted(path.name for path in (root / "data").iterdir()) == [
        "coat",
        "dress",
        "shirt",
        "sneaker",
        "trouser",
    ]
    assert folder_md5(root / "data") == DATA_MD5
    assert [path.name for path in (root / ".pixmill" / "data").iterdir()] == ["lock"]


def test_fills_an_empty_folder(make, root):
    (root / "data" / "coat").mkdir(parents=True)
    (root / "data" / ".DS_Store").write_bytes(b"litter")
    assert make()
    assert "coat/0000.png" in tree(root / "data")


@pytest.mark.parametrize("name", ["cat/tom.jpg", "notes.txt", "cat/.hidden"])
def test_keeps_a_folder_with_files(make, root, lines, name):
    path = root / "data" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    assert not make()
    assert tree(root / "data") == {name: b"mine"}
    assert lines == ["data/ already has files; it was not changed."]


def test_rejects_a_record_of_other_images(make, root):
    (root / "data.dvc").write_text("outs:\n- md5: 1234.dir\n  path: data\n")
    with pytest.raises(DataError, match="records images other") as stop:
        make()
    assert stop.value.next == "dvc pull data.dvc"
    assert not (root / "data").exists()


def test_wrong_images_never_reach_data(make, root, monkeypatch):
    monkeypatch.setattr(bundled, "DATA_MD5", "0.dir")
    with pytest.raises(
        DataError, match=f"have the wrong digest: expected 0.dir, received {DATA_MD5}"
    ):
        make()
    assert not (root / "data").exists()


KILLED = """
import os, sys
from pathlib import Path
from pixmill.images import png
from pixmill.dataset import bundled
write, left = png.write_png, int(sys.argv[3])
def write_png(path, pixels):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    write(path, pixels)
png.write_png = write_png
bundled.PACKAGE_FOLDER, bundled.DATA_MD5 = Path(sys.argv[2]), sys.argv[4]
bundled.make_data(Path(sys.argv[1]), report=print)
"""


@pytest.mark.parametrize("count", [1, 29])
def test_killed_process_leaves_no_data(make, root, installed, count):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(root), str(installed), str(count), DATA_MD5]
    )
    assert done.returncode == -9
    assert not (root / "data").exists()
    assert make()
    assert folder_md5(root / "data") == DATA_MD5


@pytest.mark.slow
def test_commit_writes_the_record_once(make, commit, dvc, root, lines):
    make()
    commit()
    record = (root / "data.dvc").read_text()
    assert f"md5: {DATA_MD5}" in record
    assert lines[-1] == "data.dvc was created: commit it."
    shutil.rmtree(root / ".dvc" / "cache")
    commit()
    assert json.loads(dvc("status", "--json")) == {}
    assert (root / "data.dvc").read_text() == record


def test_record_of_other_images_stays(make, commit, root):
    make()
    record = "outs:\n- md5: 1234.dir\n  path: data\n"
    (root / "data.dvc").write_text(record)
    with pytest.raises(DataError, match=r"data\.dvc records others \(1234\.dir\)") as stop:
        commit()
    assert "mv data data.old && dvc checkout data.dvc" in stop.value.next
    assert (root / "data.dvc").read_text() == record


def test_enlarge_values():
    pixels = (np.arange(28 * 28) * 37 % 256).astype(np.uint8).reshape(28, 28)
    assert hashlib.sha256(enlarge(pixels).tobytes()).hexdigest() == (
        "3c0003935a0548c3a6502d4025d99dd7a5745dfb145c83001423e57d560e6620"
    )
