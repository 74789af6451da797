"""``pixmill predict`` lists a few images, and summarizes many."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixmill.core.files.writing import file_digest
from pixmill.dataset.prediction_log import find_images, read_log, recorded_logs
from pixmill.serve.predict import predicting
from pixmill.serve.predict.model import find_model
from tests.command import run_pixmill
from tests.images.samples import encoded, shapes
from tests.serve.held_out import add_held_out
from tests.version_control import commit, git, start_repository


@pytest.fixture
def photos(trained_folder, tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(encoded(shapes(number, 40, 30), "jpeg"))
    (folder / "notes.txt").write_text("no image")
    shutil.copytree(trained_folder, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return folder


def test_lists_a_few_images_with_unreadable_files(photos, capsys):
    (photos / "2.jpg").rename(photos / "2\x1b[2J.jpg")  # which could lead a terminal astray
    assert run_pixmill("predict", "photos", "--model", "model") == 0
    first, *_ = lines = capsys.readouterr().out.splitlines()
    assert first.startswith("photos/0.jpg")
    assert "\x1b" not in "".join(lines)
    assert any(label in first for label in ("coat", "kurtā", "T-shirt & top"))
    assert " %" in first
    assert lines[3].split("  ", 1) == [
        "photos/notes.txt",
        "   no prediction: not a known image format",
    ]


def test_logs_predictions_and_images(photos, capsys):
    (photos.parent / "dvc.yaml").touch()  # a project
    log = photos.parent / "log"
    options = ("--model", "model", "--log", "log", "--log-images")
    assert run_pixmill("predict", "photos", "photos/0.jpg", *options) == 0
    assert recorded_logs(photos.parent) == [log]
    ((about, table),) = read_log(log)
    assert (about["name"], len(about["labels"])) == ("model", 3)
    names = [file_digest(photos / f"{number}.jpg") for number in (0, 1, 2, 0)]
    found = table.to_pylist()
    assert [row["id"] for row in found if row["reason"] is None] == names
    assert [row["reason"] for row in found if row["id"] not in names] == ["unknown"]
    images = find_images(log)
    assert {file_digest(path) for path in images.values()} == {*images} == {*names}


def test_git_takes_nothing_of_what_it_writes(photos):
    root = photos.parent
    (root / "dvc.yaml").touch()
    (root / ".gitignore").write_text("/.pixmill/\n/inbox/\n")
    (root / "kept").mkdir()
    (root / "kept/of mine.csv").touch()
    commit(start_repository(root))
    (root / "log").mkdir()  # made by a person
    files = {
        "csv": "a [1].csv",
        "jsonl": "kept/b.jsonl",
        "parquet": "c.parquet",
        "html": "d/e.html",
    }
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    command = ("predict", "photos", "--model", "model", "--log", "log", "--log-images")
    for _ in range(2):
        assert run_pixmill(*command, "--sort", "sorted", *options) == 0
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "add", "-A") == git(root, "status", "--porcelain") == ""
    (root / "a [1].csv.txt").touch()
    assert git(root, "status", "--porcelain") == '?? "a [1].csv.txt"'
    assert len((root / ".git/info/exclude").read_text().split("/sorted")) == 2


@pytest.mark.parametrize(
    "options", [("--log-images",), ("--log-sample", "0.1"), ("--log-size", "2")]
)
def test_options_of_a_log_need_one(photos, options, capsys):
    assert run_pixmill("predict", "photos", "--model", "model", *options) == 1
    assert f"{options[0]} needs" in capsys.readouterr().err


def test_missing_input_fails_early(photos, capsys):
    assert run_pixmill("predict", "photos", "gone.jpg", "--model", "model", "--csv", "a.csv") == 1
    assert "pixmill: gone.jpg does not exist\nNext: " in capsys.readouterr().err
    assert sorted(path.name for path in photos.parent.iterdir()) == ["model", "photos"]


def test_a_killed_prediction_goes_on(photos, capsys):
    (photos.parent / "dvc.yaml").touch()  # a project
    for number in range(3, 60):
        shutil.copy(photos / "0.jpg", photos / f"{number}.jpg")
    command = ("predict", "photos", "--model", "model", "--csv", "a.csv")
    journals = photos.parent / ".pixmill" / "predict" / "journals"

    def kept():
        return sum(file.read_bytes().count(b"\n") for file in journals.glob("*.jsonl"))

    for wanted in (2, 20, 40):
        process = subprocess.Popen(
            [sys.executable, "-m", "pixmill", *command], stderr=subprocess.DEVNULL
        )
        while process.poll() is None and kept() < wanted:
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert not (photos.parent / "a.csv").exists()
    os.utime(photos / "0.jpg", (1, 1))  # It changes, so it is predicted again.
    assert run_pixmill(*command) == 0
    said = capsys.readouterr()
    assert 0 < int(said.err.split()[0]) < 61
    with (photos.parent / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == sorted(
        f"photos/{each.name}" for each in photos.iterdir()
    )
    assert not list(journals.iterdir())
    killed = (photos.parent / "a.csv").read_bytes()
    assert run_pixmill(*command) == 0
    assert capsys.readouterr().out == said.out
    assert (photos.parent / "a.csv").read_bytes() == killed


def test_sorts_into_a_folder_within_the_input(photos, capsys):
    command = ("predict", "photos", "--model", "model", "--sort", "photos/out", "--xmp")
    for number in (4, 0):
        assert run_pixmill(*command, "--csv", "a.csv") == 0
        assert f"Sorted {number} files into photos/out" in capsys.readouterr().out
        assert "out" not in (photos.parent / "a.csv").read_text(encoding="utf-8-sig")
    assert run_pixmill("predict", "photos", "--model", "model", "--xmp") == 0
    assert len([*photos.glob("*.xmp")]) == 3
    assert run_pixmill("predict", "photos/out/unreadable", "--model", "model") == 1


@pytest.mark.slow
def test_a_killed_sort_goes_on(photos, capsys):
    (photos.parent / "dvc.yaml").touch()  # a project
    for number in range(3, 2_500):
        place = photos / str(number % 7) / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(encoded(shapes(number % 50, 8, 8), "png") + str(number).encode())
    originals = {path: file_digest(path) for path in photos.rglob("*") if path.is_file()}
    out = photos.parent / "out"
    command = ("predict", "photos", "--model", "model", "--sort", "out", "--xmp")

    def done():
        return sum(file.read_bytes().count(b"\n") for file in out.glob("*/*.jsonl"))

    for wanted in range(1, 2_500, 400):
        process = subprocess.Popen(
            [sys.executable, "-m", "pixmill", *command], stderr=subprocess.DEVNULL
        )
        while process.poll() is None and done() < wanted:
            time.sleep(0.001)
        process.kill()
        process.wait()
    assert run_pixmill(*command) == 0
    linked = [path for path in out.rglob("*") if path.is_file() and path.stat().st_nlink > 1]
    assert len(linked) == len(originals) == 2_501
    assert {path.stat().st_ino for path in linked} == {path.stat().st_ino for path in originals}
    assert len([*out.rglob("*.xmp")]) == 2_500
    assert not [*out.rglob(".part-*")]
    assert {path: file_digest(path) for path in originals} == originals
    states = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert run_pixmill(*command) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == states


def test_a_stopped_prediction_says_that_nothing_is_kept(photos, capfd, monkeypatch):
    def predict(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)
        yield

    monkeypatch.setattr(predicting, "predict", predict)
    assert (
        run_pixmill("predict", "photos", "--model", "model", "--csv", "a.csv")
        == 128 + signal.SIGTERM
    )
    assert "pixmill predict: interrupted" in capfd.readouterr().err
    assert sorted(path.name for path in photos.parent.iterdir()) == ["model", "photos"]


@pytest.mark.parametrize("outputs", [(), ("--csv", "a.csv")])
def test_fails_for_a_named_file_or_if_nothing_is_predicted(photos, outputs, capsys):
    def predicted(*words):
        code = run_pixmill("predict", *words, "--model", "model", *outputs)
        return code, "notes.txt" in capsys.readouterr().err

    assert predicted("photos") == (0, False)
    assert predicted("photos/0.jpg", "photos/notes.txt") == (1, True)
    assert predicted("photos/*") == (1, True)
    for photo in photos.glob("*.jpg"):
        photo.unlink()
    assert predicted("photos")[0] == 1


def test_predicts_some_classes_and_other_shares(photos, capsys):
    add_held_out(find_model("model", None), photos.parent / "known")
    options = ["predict", "photos", "--model", "known", "--jsonl", "a.jsonl"]
    assert run_pixmill(*options, "--classes", "coat,kurtā") == 0
    rows = [json.loads(line) for line in Path("a.jsonl").read_text("utf-8").splitlines()]
    assert [row["p_T-shirt & top"] for row in rows] == [0, 0, 0, None]
    Path("shares.csv").write_text("class,share\ncoat,3\nhat,1\n")
    assert run_pixmill(*options, "--prior", "shares.csv") == 1
    assert "known has no class 'hat'" in capsys.readouterr().err
