"""Predicting streams of images, and writing files."""

import json
from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.serve.predict.inputs import Input, find_images
from pixmill.serve.predict.predicting import Output, check_outputs, predict, predict_to_files
from tests.fetch.conftest import NAME, Site


def written(model, words, *outputs, **options):
    return list(predict_to_files(model, find_images(words), outputs, **options))


def test_writes_all_outputs(model, photos):
    outputs = [
        Output(kind, Path(f"out/answers.{kind}")) for kind in ("csv", "jsonl", "parquet", "html")
    ]
    rows = written(model, ["photos"], *outputs, workers=1)
    assert len(rows) == 16
    assert sorted(path.name for path in Path("out").iterdir()) == [
        f"answers.{kind}" for kind in sorted(["csv", "jsonl", "parquet", "html"])
    ]
    lines = Path("out/answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows
    page = Path("out/answers.html").read_text(encoding="utf-8")
    assert "photos/00.jpeg" in page
    assert 'href="../"' not in page
    Path("dvc.yaml").touch()
    written(model, ["photos"], Output("html", Path("reports/answers.html")), workers=1)
    assert 'href="../" title=' in Path("reports/answers.html").read_text(encoding="utf-8")


def test_consumes_inputs_lazily(model):
    taken = 0

    def inputs():
        nonlocal taken
        for number in range(1_000_000):
            taken += 1
            yield Input(str(number), b"nothing")

    stream = predict(model, inputs(), workers=1)
    for number in range(100):
        row = next(stream)
        assert (row["path"], row["reason"]) == (str(number), "unknown")
    stream.close()
    assert taken < 250


def test_urls_keep_their_order(model, photos):
    content = (photos / "00.jpeg").read_bytes()
    with Site() as site:
        site.answers |= {f"/{number}.jpg": content for number in range(0, 40, 2)}
        inputs = [Input(f"{number}", f"http://{NAME}/{number}.jpg") for number in range(40)]
        inputs.insert(7, Input("file", photos / "00.jpeg"))
        inputs.append(Input("inside", "http://127.0.0.1/x.jpg"))
        rows = list(predict(model, inputs, network=site.network(), workers=1))
    assert [row["path"] for row in rows] == [each.name for each in inputs]
    assert rows[-1]["reason"] == "private_address"
    for row in rows[:-1]:
        found = row["path"] == "file" or int(row["path"]) % 2 == 0
        assert (row["reason"], row["predicted"]) == (
            (None, rows[0]["predicted"]) if found else ("http_404", None)
        )
        assert row["id"] == (rows[0]["id"] if found else None)


@pytest.mark.parametrize(
    "outputs",
    [
        [Output("csv", Path("photos"))],
        [Output("jsonl", Path("/dev/null"))],
        [Output("csv", Path("-"))],
        [Output("csv", Path("a")), Output("jsonl", Path("photos/../a"))],
        [Output("csv", Path("photos/notes.txt/new/a.csv"))],
        [Output("csv", Path("photos/00.jpeg"))],
    ],
    ids=lambda outputs: str(outputs[0].path),
)
def test_refuses_invalid_outputs(photos, outputs):
    with pytest.raises(
        DataError, match=r"is not a regular file|is named twice|is not a folder|is an image"
    ):
        check_outputs(outputs)
