"""From images to files: in order, as a stream, and not twice after a kill."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pixmill.core.errors import DataError
from pixmill.learn.classifier import Classifier
from pixmill.learn.inference import Located
from pixmill.predict.fetching import fetch_inputs
from pixmill.predict.inputs import Input, Url, find_images
from pixmill.predict.predicting import Output, check_outputs, predict, predict_to_files
from pixmill.predict.prediction_journal import PredictionJournal
from tests.web.fetch.conftest import NAME, Site


def written(model, words, *outputs, **options):
    images = find_images(words, io.BytesIO())
    return list(predict_to_files(model, images, outputs, PredictionJournal(outputs[0].path, model), **options))


def test_rows_come_in_the_order_of_the_images_with_the_classifiers_answers(model, photos):
    rows = [row for _, row in predict(model, find_images(["photos"], io.BytesIO()))]
    expected = Classifier.load(model.path).predict([Path(row["path"]).read_bytes() for row in rows])
    for row, answer in zip(rows, expected, strict=True):
        assert (row["predicted"], row["confidence"], row["sure"]) == (answer.label, answer.confidence, answer.sure)
        assert row["reason"] == answer.reason
    reasons = {row["path"]: row["reason"] for row in rows if row["reason"]}
    assert reasons == {"photos/cut.jpg": "truncated", "photos/empty.png": "empty", "photos/notes.txt": "unknown"}


def test_every_output_has_every_row(model, photos):
    outputs = [Output(kind, Path(f"out/answers.{kind}")) for kind in ("csv", "jsonl", "parquet", "html")]
    rows = written(model, ["photos"], *outputs, workers=1)
    assert len(rows) == 16
    assert sorted(path.name for path in Path("out").iterdir()) == [
        f"answers.{kind}" for kind in sorted(["csv", "jsonl", "parquet", "html"])
    ]
    for table in (pd.read_csv("out/answers.csv"), pd.read_parquet("out/answers.parquet")):
        assert list(table["path"]) == [row["path"] for row in rows]
    assert [json.loads(line) for line in Path("out/answers.jsonl").read_text(encoding="utf-8").splitlines()] == rows
    assert "photos/00.jpeg" in Path("out/answers.html").read_text(encoding="utf-8")


def test_images_are_taken_as_a_stream(model):
    taken = 0

    def inputs():
        nonlocal taken
        for number in range(1_000_000):
            taken += 1
            yield Input(str(number), b"nothing")

    stream = predict(model, inputs(), workers=1)
    for number in range(100):
        each, row = next(stream)
        assert (each.name, row["path"], row["reason"]) == (str(number), str(number), "unknown")
    stream.close()
    assert taken < 250


def test_urls_are_fetched_ahead_and_keep_their_places(model, photos):
    content = (photos / "00.jpeg").read_bytes()
    with Site() as site:
        site.answers |= {f"/{number}.jpg": content for number in range(0, 40, 2)}
        inputs = [Input(f"{number}", Url(f"http://{NAME}/{number}.jpg")) for number in range(40)]
        inputs.insert(7, Input("file", photos / "00.jpeg"))
        inputs.append(Input("inside", Url("http://127.0.0.1/x.jpg")))
        rows = [row for _, row in predict(model, inputs, network=site.network(), workers=1)]
    assert [row["path"] for row in rows] == [each.name for each in inputs]
    assert rows[-1]["reason"] == "private_address"
    for row in rows[:-1]:
        found = row["path"] == "file" or int(row["path"]) % 2 == 0
        assert (row["reason"], row["predicted"]) == ((None, rows[0]["predicted"]) if found else ("http_404", None))
        assert row["id"] == (rows[0]["id"] if found else None)


def test_few_urls_are_fetched_ahead():
    with Site() as site:
        inputs = (Input(str(number), Url(f"http://{NAME}/{number}.jpg")) for number in range(1000))
        stream = fetch_inputs(inputs, site.network())
        for _ in range(5):
            next(stream)
        stream.close()
        assert len(site.paths()) <= 30


def test_without_urls_nothing_is_opened(monkeypatch, photos):
    monkeypatch.setattr("pixmill.predict.fetching._Fetching", None)
    path = photos / "00.jpeg"
    (pair,) = fetch_inputs([Input("a", Located(path, photos))])
    assert pair == (Input("a", Located(path, photos)), Located(path, photos))


@pytest.mark.parametrize(
    "outputs",
    [
        [Output("csv", Path("photos"))],
        [Output("jsonl", Path("/dev/stdout"))],
        [Output("csv", Path("-"))],
        [Output("csv", Path("a")), Output("jsonl", Path("photos/../a"))],
        [Output("csv", Path("photos/notes.txt/new/a.csv"))],
        [Output("csv", Path("photos/00.jpeg"))],
        [Output("csv", Path("a.xlsx"))],
        [Output("parquet", Path("a.CSV"))],
    ],
    ids=lambda outputs: str(outputs[0].path),
)
def test_outputs_that_cannot_be_written_or_replace_an_image_are_refused_before_any_work(photos, outputs):
    with pytest.raises(DataError, match=r"is not a regular file|is named twice|is not a folder|is an image|ending"):
        check_outputs(outputs)


@pytest.mark.linux
def test_shared_memory_holds_regular_files():
    check_outputs([Output("jsonl", Path("/dev/shm/answers.jsonl"))])
    for name in ("/dev/answers.csv", "/dev/fd/answers.csv", "/proc/answers.csv"):
        with pytest.raises(DataError, match="is not a regular file"):
            check_outputs([Output("csv", Path(name))])


@pytest.mark.linux
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(model, photos, tmp_path):
    shutil.copytree("photos", "more")
    names, more = ([path.as_posix() for path in sorted(Path(place).rglob("*.*"))] for place in ("photos", "more"))
    outputs = ["--jsonl", "answers.jsonl", "--csv", "answers.csv", "--parquet", "answers.parquet"]
    command = [sys.executable, "-m", "pixmill", "predict", "-", "--model", str(model.path)]

    def run(folder, **options):
        (tmp_path / folder).mkdir(exist_ok=True)
        words = [f"{folder}/{word}" if word.startswith("answers") else word for word in outputs]
        return subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)

    # Standard input stays open, so that it cannot end before it is killed.
    killed = run("killed")
    killed.stdin.write("".join(f"{name}\n" for name in names * 15).encode())
    killed.stdin.flush()
    journal = tmp_path / "killed" / "answers.csv.partial"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 40:
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert {path.name for path in journal.parent.iterdir()} == {"answers.csv.partial", "answers.csv.partial.lock"}
    done = [
        json.loads(line)["name"] for line in journal.read_bytes().splitlines(keepends=True)[1:] if line[-1:] == b"\n"
    ]
    assert len(set(done)) == len(set(names))

    # The finished images, and new ones.
    lines = "".join(f"{name}\n" for name in done + more * 5).encode()
    undisturbed = run("whole")
    undisturbed.communicate(lines)
    assert undisturbed.returncode == 0

    # Whoever read a finished file again would find another one.
    for path in Path("photos").rglob("*.*"):
        found = path.stat()
        path.write_bytes(b"x" * found.st_size)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    again = run("killed")
    again.communicate(lines)
    assert again.returncode == 0
    assert {path.name for path in journal.parent.iterdir()} == set(outputs[1::2])
    for name in outputs[1::2]:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert len(pd.read_csv("killed/answers.csv")) == len(done) + 5 * len(more)


@pytest.mark.linux
def test_an_interrupted_run_says_that_it_can_go_on(model, photos):
    command = [sys.executable, "-m", "pixmill", "predict", "-", "--model", str(model.path), "--csv", "answers.csv"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as stopped:
        while not Path("answers.csv.partial").exists():
            assert stopped.poll() is None
            time.sleep(0.05)
        stopped.send_signal(signal.SIGINT)
        _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert b"Repeat the command" in said
    assert b"Traceback" not in said
