"""Files are found in the DVC remote by DVC's listing of their folder, without being read."""

import shutil
import subprocess
import sys

import pytest

from pixmill.compute.remote import objects
from pixmill.compute.stored import Stored, read_stored
from pixmill.core.errors import PixmillError

FILES = {"images/0a/one.jpg": b"one", "images/0b/two.jpg": b"two", "notes é.txt": b"", "images.csv": b"a,b"}


def dvc(root, *words):
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project whose folder ``data`` and file ``model.bin`` are in a remote."""
    root = tmp_path_factory.mktemp("made") / "project"
    for name, content in FILES.items():
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / name).write_bytes(content)
    (root / "out").mkdir()
    (root / "out/model.bin").write_bytes(b"weights")
    dvc(root, "init", "--no-scm")
    dvc(root, "add", "data", "out/model.bin")
    dvc(root, "remote", "add", "-d", "team", "../remote")
    dvc(root, "push")
    return root.parent


@pytest.fixture
def project(made, tmp_path):
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True) / "project"


def content(place):
    assert isinstance(place, Stored)
    return read_stored(place)


def test_every_file_of_a_folder_is_an_object_with_its_bytes(project):
    at = objects(project / "data")
    shutil.rmtree(project / "data")
    assert {name: content(at(name)) for name in FILES} == FILES


def test_part_of_an_output_and_a_folder_around_outputs(project):
    assert content(objects(project / "data/images")("0a/one.jpg")) == b"one"
    at = objects(project)
    assert content(at("data/images/0b/two.jpg")) == b"two"
    assert content(at("out/model.bin")) == content(objects(project / "out")("model.bin")) == b"weights"


def test_a_file_that_is_nowhere_keeps_its_path(project):
    at = objects(project / "data/images")
    assert at("0c/gone.jpg") == project / "data/images/0c/gone.jpg"


@pytest.mark.parametrize("name", ["new.jpg", "images/0a/one.jpg"])
def test_a_file_that_is_new_or_has_changed_is_not_read_as_dvc_knows_it(project, monkeypatch, name):
    monkeypatch.chdir(project)
    (project / "data" / name).write_bytes(b"new")
    with pytest.raises(PixmillError, match="DVC does not know what is in data now") as caught:
        objects(project / "data/images")
    assert caught.value.next.startswith("dvc commit -f data.dvc && dvc push, then")
    dvc(project, "commit", "-f", "data.dvc")
    dvc(project, "push")
    assert content(objects(project / "data")(name)) == b"new"


def test_what_was_not_pushed_is_a_message(project):
    (project / "data/new.jpg").write_bytes(b"new")
    dvc(project, "add", "data")
    with pytest.raises(PixmillError, match="lacks data") as caught:
        objects(project / "data")
    assert caught.value.next.startswith("dvc push, then")


def test_an_untracked_folder_no_remote_and_no_project_are_messages(project, tmp_path):
    (project / "photos").mkdir()
    with pytest.raises(PixmillError, match="DVC does not track it") as caught:
        objects(project / "photos")
    assert caught.value.next.endswith(f"dvc add {project / 'photos'} && dvc push")
    with pytest.raises(PixmillError, match="DVC does not track it"):
        objects(tmp_path)
    dvc(project, "remote", "remove", "team")
    with pytest.raises(PixmillError, match="no default remote") as caught:
        objects(project / "data")
    assert "dvc remote add -d NAME URL && dvc push" in caught.value.next
