"""Issues are reported before a run."""

import base64
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixmill.core.metadata import Facts, write_metadata
from pixmill.core.params import Params
from pixmill.images.decode import decodable
from pixmill.images.png import png_bytes
from pixmill.project.recipes.preflight import Issue, find_issues, temporary_copies

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNgYGAAAAAEAAEnNCcKAAAAAElFTkSuQmCC"
)
"""One black pixel; appended bytes make another file of the same image."""


ANY_SIZE = {"min_per_class": {"count": 1}, "image_size": {"min_width": 1, "min_height": 1}}


def params(
    classes: tuple[str, ...] = ("coat", "hat"),
    unlabelled: str | None = None,
    validate: dict[str, Any] = ANY_SIZE,
    **scrape: Any,
) -> Params:
    given = {"source": "folder", "snapshot": "2026-11-20", **scrape}
    sections = {"scrape": given, "validate": validate, "evaluate": {"unlabelled": unlabelled}}
    return Params.model_validate({"classes": classes, **sections})


def fill(folder: Path, count: int, content: bytes = PNG) -> None:
    folder.mkdir(parents=True)
    for place in range(count):
        (folder / f"{place}.png").write_bytes(content + f"{folder.name} {place}".encode())


def messages(root: Path, given: Params) -> list[tuple[str, bool]]:
    return [(issue.message, issue.stops) for issue in find_issues(root, given)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for label in ("coat", "hat"):
        fill(tmp_path / "data" / label, 3)
    return tmp_path


def test_matching_folders_have_no_issues(root: Path) -> None:
    assert list(find_issues(root, params())) == []


@pytest.mark.parametrize(
    ("validate", "named"),
    [
        ({"min_per_class": {"count": 4}}, "coat (3), hat (3)"),
        ({"image_size": {"min_width": 2, "min_height": 1}}, "6 of 6"),
        ({"max_pixels": 1}, "0.png (1 x 2)"),
    ],
)
def test_images_that_validate_will_drop_are_named(
    validate: dict[str, Any], named: str, root: Path
) -> None:
    (root / "data/coat/0.png").write_bytes(png_bytes(np.zeros((2, 1, 3), np.uint8)))
    (issue,) = find_issues(root, params(validate=ANY_SIZE | validate))
    assert (named in issue.message, issue.stops) == (True, False)


def test_an_image_of_several_labels_is_looked_at_once(root: Path) -> None:
    names = [path.relative_to(root / "data").as_posix() for path in root.glob("data/*/*.png")]
    write_metadata(root / "data", dict.fromkeys(names, Facts("coat;hat")))
    small = {"image_size": {"min_width": 2, "min_height": 1}}
    given = params(validate=ANY_SIZE | small).model_dump(exclude_unset=True, by_alias=True)
    issues = find_issues(root, Params.model_validate(given | {"task": "labels"}))
    assert any("6 of 6" in issue.message for issue in issues)


def test_a_label_needs_images_with_yes_and_with_no(root: Path) -> None:
    names = [path.relative_to(root / "data").as_posix() for path in root.glob("data/*/*.png")]
    facts = [Facts("coat;hat"), Facts("coat", not_label="hat")]
    write_metadata(root / "data", {name: facts[place % 2] for place, name in enumerate(names)})
    few = ANY_SIZE | {"min_per_class": {"count": 3}}
    given = params(validate=few).model_dump(exclude_unset=True, by_alias=True)
    (issue,) = find_issues(root, Params.model_validate(given | {"task": "labels"}))
    assert issue.message.endswith(": coat (0)")


def test_missing_images_and_unknown_folders_stop(root: Path) -> None:
    fill(root / "data" / "texts", 2, b"a text")
    (root / "data" / "empty").mkdir()
    (root / "data" / "caps").mkdir()
    (root / "data" / "caps" / "1.png").write_bytes(PNG)
    found = list(find_issues(root, params(("coat", "hat", "empty", "texts", "none"))))
    advice = "put images there, or set classes to the folders with images: caps, coat, hat"
    assert found == [
        Issue(
            (
                "data/ has folders, or labels in metadata.csv, that are not among the classes of "
                "params.yaml: caps"
            ),
            "add them to classes or scrape.folder.classes, or move them out of data/: validate "
            "stops at unknown "
            "labels. Images without a label belong in data/unlabelled, with evaluate.unlabelled: "
            "data/unlabelled in "
            "params.yaml",
            stops=True,
        ),
        Issue(
            "data/empty is empty, data/texts has no image among 2 entries, data/none is missing",
            advice,
            stops=True,
        ),
    ]


def test_images_without_a_label_wait_for_review(tmp_path: Path) -> None:
    fill(tmp_path / "data" / "unlabelled", 2, PNG)
    [*_, last] = find_issues(tmp_path, params())
    assert (last.next, last.stops) == ("pixmill review", True)


def test_other_sources_may_have_the_images(root: Path) -> None:
    mixed = {"source_by_class": {"cap": ["folder", "bing"]}}
    assert messages(root, params(("coat", "cap"), **mixed))[-1] == ("data/cap is missing", True)
    assert messages(root, params(("coat", "cap"), **mixed, tolerate=0.5))[-1] == (
        "data/cap is missing",
        False,
    )
    assert messages(root, params(("coat", "hat", "cap"), source_by_class={"cap": ["bing"]})) == []


def test_fixed_layout(root: Path) -> None:
    fixed = params(folder={"layout": "fixed"})
    [(message, stops)] = messages(root, fixed)
    assert message.startswith(str(root / "data" / "test"))
    assert stops
    for part, label in (("train", "coat"), ("train", "hat"), ("test", "coat")):
        fill(root / "data" / part / label, 3)
    assert [
        stops for message, stops in messages(root, fixed) if message.startswith("data/test/hat: ")
    ] == [False]
    shutil.rmtree(root / "data" / "train" / "hat")
    fill(root / "data" / "test" / "hat", 3)
    assert [
        stops for message, stops in messages(root, fixed) if message.startswith("data/train/hat: ")
    ] == [True]


def test_unused_unlabelled_images(root: Path) -> None:
    fill(root / "data" / "unlabelled", 2)
    assert messages(root, params()) == [("data/unlabelled exists, but no stage uses it", False)]
    assert messages(root, params(unlabelled="data/unlabelled")) == []
    for part in ("train", "test"):
        for label in ("coat", "hat"):
            fill(root / "data" / part / label, 3)
    [(message, _)] = messages(
        root, params(folder={"layout": "fixed"}, unlabelled="data/unlabelled")
    )
    assert message.startswith(
        "data has other entries than the splits train, val and test, ignored: coat, hat; if"
    )


def test_missing_data(tmp_path: Path) -> None:
    keras = params(source="keras")
    assert [issue.next for issue in find_issues(tmp_path, keras)] == ["pixmill demo"]
    (tmp_path / "data.dvc").write_text(
        "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: data\n"
    )
    assert [issue.next for issue in find_issues(tmp_path, keras)] == ["dvc pull data.dvc"]
    assert [(issue.next, issue.stops) for issue in find_issues(tmp_path, params())] == [
        ("dvc pull data.dvc", False)
    ]
    (tmp_path / "data").mkdir()
    assert list(find_issues(tmp_path, keras)) == []


def test_missing_lists_and_unlabelled_folder(root: Path) -> None:
    assert messages(root, params(source="urls"))[0] == (
        "scrape.urls.files is empty; the source 'urls' reads its URLs from there",
        True,
    )
    listed = params(source="urls", urls={"files": ["lists/a.csv"]}, unlabelled="data/new")
    (first, _), second = messages(root, listed)
    assert first == f"{root / 'lists/a.csv'} of scrape.urls.files is missing"
    assert second == ("data/new is missing, so evaluate will predict no unlabelled images", False)
    (root / "lists").mkdir()
    (root / "lists" / "a.csv").write_text("url,label\nhttps://a.test/1.jpg,coat\n")
    (root / "data" / "new").mkdir()
    assert messages(root, listed) == []


def test_files_of_other_kinds_are_named_with_the_next_step(root: Path) -> None:
    for place in range(3):
        (root / "data/coat" / f"{place}.jpg").write_bytes(
            b"version https://git-lfs.github.com/spec/v1"
        )
    (root / "data/hat/1.JPG").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    pointers, *photos = find_issues(root, params())
    assert (pointers.message[:16], pointers.stops) == ("data/ has 3 file", False)
    assert "git lfs pull" in str(pointers.next)
    assert ["[heic]" in str(issue.next) for issue in photos] == (
        [] if decodable("heic") else [True]
    )


def test_a_cache_that_dvc_cannot_name_in_a_copy(tmp_path):
    root = tmp_path / "schön, it's"
    cache = tmp_path / "cache"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    (issue,) = temporary_copies(root)
    assert str(root / ".dvc" / "cache") in issue.message
    assert not issue.stops
    assert str(root / ".dvc" / "cache") in shlex.split(issue.next)
    (root / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache}\n")  # as advised
    assert list(temporary_copies(root)) == []


@pytest.mark.parametrize(
    ("listed", "task", "trained", "named"),
    [
        ("classes", None, None, []),
        ("classes, task", "labels", "labels", []),
        ("classes", "labels", None, ["DVC overlooks task"]),
        ("classes, task", None, None, ["dvc.yaml lists task"]),
        ("classes, task", "labels", "one_label", ["task is now labels"]),
        ("classes, task", "one_label", "labels", ["task is now one_label"]),
    ],
)
def test_a_changed_task(root, listed, task, trained, named):
    (root / "dvc.yaml").write_text(f"stages: {{scrape: {{params: [{listed}, scrape]}}}}")
    if trained is not None:
        (root / "artifacts" / "train").mkdir(parents=True)
        kept = {} if trained == "one_label" else {"task": trained}
        (root / "artifacts" / "train" / "labels.json").write_text(json.dumps(kept))
    given = params()
    if task is not None:
        given = Params.model_validate(
            given.model_dump(exclude_unset=True, by_alias=True) | {"task": task}
        )
    found = [message for message, _ in messages(root, given) if "task" in message]
    assert [any(text.startswith(start) for text in found) for start in named] == [True] * len(named)
    assert len(found) == len(named)
