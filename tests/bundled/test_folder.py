"""``data/`` is filled once, at once, and never against its owner's will; DVC records what was made."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
import subprocess
import sys

import pytest

from pixmill.bundled.folder import commit_data, folder_md5, make_data
from pixmill.errors import DataError


@pytest.fixture
def lines():
    return []


@pytest.fixture
def make(root, collection, lines):
    return lambda: make_data(root, report=lines.append, collection=collection)


@pytest.fixture
def commit(root, collection, lines):
    return lambda: commit_data(root, report=lines.append, collection=collection)


@pytest.fixture
def dvc(root):
    def run(*arguments):
        done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("init", "--no-scm", "-q")
    return run


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_absent_folder_is_filled(make, root, collection):
    assert make()
    assert sorted(path.name for path in (root / "data").iterdir()) == ["coat", "dress", "shirt", "sneaker", "trouser"]
    assert folder_md5(root / "data") == collection.data_md5
    assert [path.name for path in (root / ".pixmill" / "data").iterdir()] == ["lock"]


def test_an_empty_folder_is_filled(make, root):
    (root / "data" / "coat").mkdir(parents=True)
    (root / "data" / ".DS_Store").write_bytes(b"litter")
    assert make()
    assert "coat/0000.png" in tree(root / "data")


@pytest.mark.parametrize("name", ["cat/tom.jpg", "notes.txt", "cat/.hidden"])
def test_a_folder_with_files_is_left_alone(make, root, lines, name):
    path = root / "data" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    assert not make()
    assert tree(root / "data") == {name: b"mine"}
    assert lines == ["data/ holds files already: left as they are."]


def test_a_link_to_another_place_is_left_alone(make, root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (root / "data").symlink_to(tmp_path / "elsewhere")
    assert not make()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_record_of_other_pictures_stops_it(make, root):
    (root / "data.dvc").write_text("outs:\n- md5: 1234.dir\n  path: data\n")
    with pytest.raises(DataError, match="records other pictures") as stop:
        make()
    assert stop.value.next == "dvc pull data.dvc"
    assert not (root / "data").exists()


@pytest.mark.parametrize("text", ["", "outs: []", "outs: [{path: data}]", "{"])
def test_a_malformed_record_is_named(make, root, text):
    (root / "data.dvc").write_text(text)
    with pytest.raises(DataError, match=r"data\.dvc is not a file that DVC wrote"):
        make()


def test_pictures_that_come_out_wrong_never_reach_data(root, collection):
    wrong = dataclasses.replace(collection, data_md5="0.dir")
    with pytest.raises(DataError, match=f"came out wrong: their digest is {collection.data_md5}, expected 0.dir"):
        make_data(root, report=str, collection=wrong)
    assert not (root / "data").exists()


KILLED = """
import os, pickle, sys
from pathlib import Path
from pixmill.bundled import pictures
from pixmill.bundled.folder import make_data
write, left = pictures.write_png, int(sys.argv[3])
def write_png(path, pixels):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    write(path, pixels)
pictures.write_png = write_png
make_data(Path(sys.argv[1]), report=print, collection=pickle.loads(bytes.fromhex(sys.argv[2])))
"""


@pytest.mark.parametrize("pictures", [0, 1, 29])
def test_a_killed_process_leaves_nothing_that_looks_finished(make, root, collection, pictures):
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), pickle.dumps(collection).hex(), str(pictures)])
    assert done.returncode == -9
    assert not (root / "data").exists()
    assert make()
    assert folder_md5(root / "data") == collection.data_md5


def test_the_first_commit_writes_the_record_that_dvc_would_write(make, commit, dvc, root, collection, lines):
    make()
    commit()
    assert f"md5: {collection.data_md5}" in (root / "data.dvc").read_text()
    assert lines[-1] == "data.dvc is new: commit it."
    assert json.loads(dvc("status", "--json")) == {}


def test_a_later_commit_fills_the_cache_and_keeps_the_record(make, commit, dvc, root):
    make()
    commit()
    record = (root / "data.dvc").read_bytes()
    shutil.rmtree(root / ".dvc" / "cache")
    assert "not in cache" in dvc("status")
    commit()
    assert json.loads(dvc("status", "--json")) == {}
    assert (root / "data.dvc").read_bytes() == record


def test_a_record_of_other_pictures_is_never_overwritten(make, commit, root):
    make()
    record = "outs:\n- md5: 1234.dir\n  path: data\n"
    (root / "data.dvc").write_text(record)
    with pytest.raises(DataError, match=r"data\.dvc records others \(1234\.dir\)"):
        commit()
    assert (root / "data.dvc").read_text() == record


def test_pictures_of_a_person_are_not_committed(make, commit, root, lines):
    make()
    (root / "data" / "coat" / "mine.png").write_bytes(b"mine")
    commit()
    assert not (root / "data.dvc").exists()
    assert "pictures of yours" in lines[-1]


def test_a_failing_dvc_is_quoted(make, commit, root):
    make()
    with pytest.raises(DataError, match=r"`dvc add data` failed: (?s:.*)not inside of a DVC repository"):
        commit()  # this folder is no DVC repository
