"""What the page shows first: the model, its history, and images of each class."""

import contextlib
import hashlib

import pytest

from pixmill.core.errors import LockedError, PixmillError
from pixmill.local.problems import ProblemError
from pixmill.project.findings import Pile, read_pile
from pixmill.project.page.home import Home
from pixmill.project.page.jobs import Job
from pixmill.project.page.overview import Overview, read_history, read_images, read_model
from pixmill.project.state import ProjectState
from tests.project.page.conftest import draw, evaluate, record, write, write_rows
from tests.version_control import commit, git, start_repository

PARAMS = "classes: [cat, wild dog]\nscrape: {source: folder, snapshot: '2026-11-20'}\n"


def test_model_and_its_confusions(tmp_path):
    evaluate(
        tmp_path,
        [
            ("e", "test", "cat", "cat", 0.1),
            ("d", "test", "cat", "dog", 2.0),
            ("c", "test", "cat", "dog", 3.0),
            ("b", "test", "dog", "cat", 1.0),
            ("a", "train", "dog", "cat", 9.0),
        ],
    )
    record(tmp_path, 0.5)
    assert read_model(tmp_path) == {
        "accuracy": {"accuracy": 0.5, "low": 0.4, "high": 0.6},
        "n": 4,
        "majority": {"label": "cat", "share": 0.75},
        "classes": [
            {
                "name": "cat",
                "f1": 0.5,
                "support": 3,
                "images": [
                    {"id": "c", "predicted": "dog"},
                    {"id": "d", "predicted": "dog"},
                    {"id": "e"},
                ],
            },
            {"name": "dog", "f1": 0.5, "support": 1, "images": [{"id": "b", "predicted": "cat"}]},
        ],
        "omitted": 0,
        "confusions": [
            {"label": "cat", "predicted": "dog", "count": 2, "id": "c"},
            {"label": "dog", "predicted": "cat", "count": 1, "id": "b"},
        ],
    }
    (
        tmp_path / "artifacts/evaluate/predictions.parquet"
    ).unlink()  # a clone without the files of DVC
    model = read_model(tmp_path)
    assert (model["n"], model["classes"][0]["images"], model["confusions"]) == (4, [], [])


def test_model_of_several_labels(tmp_path):
    rows = [
        ("a", "test", '{"dark":true,"long":true}', '{"dark":true}', 2.0),
        ("b", "test", '{"dark":false}', '{"dark":true,"long":true}', 1.0),
        ("c", "test", '{"dark":false,"long":true}', '{"long":true}', 0.1),
    ]
    evaluate(tmp_path, rows)
    headline = {"mean_average_precision": 0.9, "low": 0.8, "high": 1.0}
    ends = {f"mean_average_precision_{end}": headline[end] for end in ("low", "high")}
    metrics = {"mean_average_precision": 0.9, **ends, "exact_match": 1 / 3, "n": 3}
    metrics["baseline_average_precision"] = 0.5
    write(tmp_path / "metrics/evaluate.json", metrics)
    scores = {name: {"average_precision": 0.9, "support": 1} for name in ("dark", "long")}
    write(tmp_path / "plots/evaluate/full.json", {**metrics, "per_class": scores})
    model = read_model(tmp_path)
    assert (model["mean_average_precision"], model["exact_match"]) == (headline, 1 / 3)
    assert [each["images"] for each in model["classes"]] == [
        [{"id": "a"}],
        [{"id": "a", "predicted": "missed"}, {"id": "c"}],
    ]
    assert [(each["label"], each["predicted"], each["id"]) for each in model["confusions"]] == [
        ("long", "missed", "a"),
        ("dark", "too much", "b"),
    ]
    assert read_history(tmp_path)[0]["mean_average_precision"] == 0.9


def test_of_many_classes_those_with_the_lowest_f1(tmp_path):
    scores = {f"class {number}": {"f1": number / 100, "support": 1} for number in range(99, -1, -1)}
    write(tmp_path / "plots/evaluate/full.json", {"per_class": scores})
    model = read_model(tmp_path)
    assert [each["name"] for each in model["classes"]] == [
        f"class {number}" for number in range(15)
    ]
    assert model["omitted"] == 85


@pytest.mark.parametrize("text", ["", "[]", '{"per_class": {"cat": {}}}', '{"per_class": 5}'])
def test_without_a_readable_evaluation(text, tmp_path):
    (tmp_path / "plots/evaluate").mkdir(parents=True)
    (tmp_path / "plots/evaluate/full.json").write_text(text)
    assert read_model(tmp_path) is None


def test_history_of_the_metrics(tmp_path):
    root = start_repository(tmp_path / "pets")
    assert read_history(root) == []
    for number, accuracy in enumerate((0.5, 0.6)):
        record(root, accuracy)
        commit(root, f"Result {number}")
        (root / "notes").write_text(str(number))
        commit(root, "Note")
    write(root / "metrics/evaluate.json", {})
    commit(root, "Break")
    found = read_history(root)
    assert [(each["subject"], each["accuracy"]) for each in found] == [
        ("Result 0", 0.5),
        ("Result 1", 0.6),
    ]
    assert found[0]["commit"] == git(root, "rev-parse", "HEAD~4")
    record(root, 0.7)
    assert [each["commit"] is None for each in read_history(root)] == [False, False, True]
    assert read_history(root)[-1]["low"] == pytest.approx(0.6)


def test_points_of_the_history_are_compared_with_what_is_here(tmp_path):
    root = start_repository(tmp_path)
    home = Home(
        root,
        Job(root, "dvc repro"),
        Job(root, "pixmill compare", ["echo"]),
        lambda root, **_: ProjectState(root),
    )
    for accuracy in (0.5, 0.6):
        record(root, accuracy)
        commit(root, "Result")
    record(root, 0.7)
    one, two, _ = [each["commit"] for each in home.document()["overview"]["history"]]
    for name, words in ((one, one[:12]), ("workspace", f"{two[:12]} workspace")):
        home.compare(name)
        while home.comparison.pid:
            pass
        assert home.comparison.document()["log"] == f"{words}\n"
    for name in ("HEAD", "--help"):
        with pytest.raises(PixmillError) as caught:
            home.compare(name)
        assert not isinstance(caught.value, LockedError)


def test_images_before_the_first_run(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)
    cats = [draw(tmp_path / f"data/cat/{number:02}.png", number) for number in range(20)]
    dog = draw(tmp_path / "data/wild dog/x.png", 99)
    labelled = draw(tmp_path / "data/pile/y.png", 98)
    pile = draw(tmp_path / "data/unlabelled/more/z.png", 97)
    draw(tmp_path / "data/cat/below/w.png", 96)
    (tmp_path / "data/metadata.csv").write_text("file_name,label\npile/y.png,wild dog\n")
    found, files = read_images(tmp_path)
    assert found == {
        "classes": [
            {"name": "cat", "count": 20, "images": cats[::3][:6]},
            {"name": "wild dog", "count": 2, "images": [labelled, dog]},
        ],
        "omitted": 0,
        "total": None,
    }
    assert read_pile(tmp_path) == Pile(1)
    assert files[dog] == tmp_path / "data/wild dog/x.png"
    assert read_images(tmp_path, with_files=False)[1] == {}
    (tmp_path / "decisions.csv").write_text(f"image,label,answer,split,by,why\n{pile},cat,yes,,,\n")
    found, _ = read_images(tmp_path)
    assert found["classes"][0]["count"] == 21
    assert read_pile(tmp_path) == Pile(0, is_begun=True)
    for name in ("sample-2026-11-30-1.png", "doubt-1.png", "feedback-doubt-1.png"):
        draw(tmp_path / "data/unlabelled" / name, len(name))
    asked = {"random": 1, "doubtful": 1}
    assert read_pile(tmp_path) == Pile(3, asked, is_begun=True)
    known = [{"id": name, "label": "cat", "path": ""} for name in cats]
    write_rows(tmp_path / "artifacts/scrape/manifest.parquet", known)
    with (tmp_path / "decisions.csv").open("a") as file:
        file.write(f"{cats[0]},wild dog,yes,,,\n{cats[1]},,drop,,,\n")
    found, _ = read_images(tmp_path)
    assert [each["count"] for each in found["classes"]] == [19, 3]


def test_images_with_several_labels_count_once(tmp_path):
    (tmp_path / "params.yaml").write_text(f"{PARAMS}\ntask: labels\n")
    for number in range(3):
        draw(tmp_path / f"data/images/{number}.png", number)
    table = "file_name,label,not_label\nimages/0.png,cat;dog,\nimages/1.png,,cat\n"
    (tmp_path / "data/metadata.csv").write_text(table)
    found, _ = read_images(tmp_path)
    counts = {each["name"]: each["count"] for each in found["classes"]}
    assert (found["total"], counts) == (3, {"cat": 1, "dog": 1})


def test_images_of_other_sources_are_those_that_validate_kept(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS.replace("folder", "shop"))
    draw(tmp_path / "data/cat/0.png", 0)
    rows = [("a", "cat", "keep"), ("b", "cat", "drop"), ("c", "dog", "keep"), ("d", None, "keep")]
    table = [
        dict(zip(("id", "label", "verdict"), row, strict=True), path=f"images/{row[0]}.png")
        for row in rows
    ]
    write_rows(tmp_path / "artifacts/validate/manifest.parquet", table)
    found, _ = read_images(tmp_path)
    assert {each["name"]: each["count"] for each in found["classes"]} == {"cat": 1, "dog": 1}


def test_thumbnails_before_the_first_run(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)
    name = draw(tmp_path / "data/cat/0.png", 0)
    broken = tmp_path / "data/cat/1.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    home = Home(tmp_path, Job(tmp_path, "dvc repro"), Job(tmp_path, "pixmill compare"))
    home.overview.update(1)
    with contextlib.closing(home.images):
        assert home.images.preview(name, 128).startswith(b"\xff\xd8")
        assert home.images.facts(name)["known"]
        for other in (hashlib.sha256(broken.read_bytes()).hexdigest(), "0" * 64):
            with pytest.raises(ProblemError):
                home.images.preview(other, 128)


def test_reads_again_only_after_a_change(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)
    overview = Overview(tmp_path)
    overview.update(0)
    before = overview.content
    overview.update(0)
    assert overview.content is before
    evaluate(tmp_path, [("a", "test", "cat", "cat", 0.1)])
    overview.update(0)
    assert overview.content["model"]["n"] == 1
    draw(tmp_path / "data/cat/0.png", 0)
    overview.update(1)
    assert overview.content["images"]["classes"][0]["count"] == 1
