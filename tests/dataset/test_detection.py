"""Folders as people have them are recognised, and all of their images are counted."""

import shutil
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.errors import DataError
from pixmill.dataset.detected import Detected
from pixmill.dataset.detection import Options, recognise
from tests.dataset.test_tables import put

PNG = b"\x89PNG\r\n\x1a\n"
KINDS = ("cat", "dog")
PLANTS = ("Corn_(maize)___healthy", "Pepper,_bell___healthy")
DEEP = "/".join(letter * 90 for letter in "abc")


def names(form: str, kinds: Sequence[str] = KINDS, count: int = 6) -> list[str]:
    return [form.format(kind=kind, n=n) for kind in kinds for n in range(count)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (names("train/{kind}/{n}.png") + names("val/{kind}/{n}.png", count=2)
         + names("test/cat/{n}.png", ["?"], 3),
         {(kind, split): n for kind in KINDS for split, n in (("train", 6), ("val", 2))}
         | {("cat", "test"): 3}),
        (names("{kind}/{n}.png", PLANTS), {(kind, None): 6 for kind in PLANTS}),
        (names("{kind}/" + DEEP + "/{n}.png"), {("cat", None): 6, ("dog", None): 6}),
        ([*names("images/{kind}{n}.png"), "labels.csv"], {("cat", None): 6, ("dog", None): 6}),
    ],
    ids=["partial test", "plants", "deep", "table"],
)  # fmt: skip
@pytest.mark.parametrize("is_packed", [False, True])
def test_usual_layouts(
    files: Sequence[str],
    expected: Mapping[tuple[str | None, str | None], int],
    is_packed: bool,
    tmp_path: Path,
) -> None:
    for name in files:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(
            PNG + name.encode() if name.endswith("png") else b"cat\ndog\n"
        )
    if "labels.csv" in files:
        rows = [f"{kind}{n},{kind}" for kind in KINDS for n in range(6)]
        (tmp_path / "set" / "labels.csv").write_text("\n".join(["id,breed", *rows]))
    source = tmp_path / "set"
    if is_packed:
        source = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", source))
    found = recognise(source, tmp_path / "scratch", Options())
    assert Counter((item.facts.label, item.facts.split) for item in found.items) == expected


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (["train.zip", "cat/1.txt"], "set.tm has archives inside: train.zip"),
        (["[Content_Types].xml", "xl/workbook.xml", "xl/media/1.png"], "set.tm is a document"),
        (["cat/1.png"], "set.tm has too few classes"),
        (["C:/1.png", *names("{kind}/{n}.png")], None),
    ],
)
def test_archives_are_known_by_their_bytes_and_named(
    files: Sequence[str], named: str | None, tmp_path: Path
) -> None:
    source = tmp_path / "set.tm"
    with zipfile.ZipFile(source, "w") as packed:
        for name in files:
            packed.writestr(
                name, {".zip": b"PK\3\4", ".txt": b"-"}.get(name[-4:], PNG + name.encode())
            )
    if named is None:
        found = recognise(source, tmp_path / "scratch", Options())
        assert {item.facts.label for item in found.items} == {*KINDS}
    else:
        with pytest.raises(DataError, match=named):
            recognise(source, tmp_path / "scratch", Options())


def test_folders_are_used_beside_an_unusable_table(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "list.csv").write_text(
        "".join(f"{name},1\n" for name in names("{kind}/{n}.png"))
    )
    for name in names("{kind}/{n}.png", ["cat"]):
        (tmp_path / "set" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_bytes(PNG)
    with pytest.raises(DataError, match=r"too few classes.*\n.*\n.*list\.csv has no header"):
        recognise(tmp_path / "set", tmp_path / "scratch", Options())
    shutil.copytree(tmp_path / "set/cat", tmp_path / "set/dog")
    found = recognise(tmp_path / "set", tmp_path / "scratch", Options())
    assert Counter(item.facts.label for item in found.items) == {"cat": 6, "dog": 6}
    assert "list.csv has no header" in found.remarks[0]


@pytest.mark.parametrize(
    "options", [Options(), Options(votes=True), Options(columns={"image": "image"})]
)
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("coco.json", '{"images": [{"file_name": "1.png"}], "annot', "Unterminated string"),
        ("cvat.xml", '<annotations><image name="1.png">', "no element found"),
        ("via.csv", "filename,file_attributes\n1.png,{\n", "Expecting property name"),
        (
            "tasks.json",
            '[{"data": {"image": "1.png"}, "annotations": [{}]}]',
            "'result' is missing",
        ),
        ("labels.csv", "image,label\nx1.png,cat\n", "no column of existing image files"),
    ],
)
def test_a_folder_gives_the_reason_why_its_label_file_is_not_read(
    name: str, content: str, reason: str, options: Options, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/1.png").write_bytes(PNG)
    (tmp_path / "set" / name).write_text(content)
    with pytest.raises(DataError, match=f"labels are read from {name}: .*{reason}"):
        recognise(tmp_path / "set", tmp_path / "scratch", options)


def test_too_few_classes_are_refused_with_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for number in range(4):
        (tmp_path / f"set/{number}.png").write_bytes(PNG)
    rows = [f"{number}.png,{label}" for number in (0, 1) for label in KINDS]
    rows += [f"{number}.png,dog" for number in (2, 3)]
    (tmp_path / "set/labels.csv").write_text("\n".join(["file,label", *rows]))
    with pytest.raises(
        DataError, match=r"few classes .*: dog\n(.*\n)*.*without a majority of votes: 2"
    ):
        recognise(tmp_path / "set", tmp_path / "scratch", Options(votes=True))


def test_a_table_takes_no_label(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,label\n1.png,cat\n")
    with pytest.raises(DataError, match="is not a folder"):
        recognise(tmp_path / "labels.csv", tmp_path / "scratch", Options(label="cat"))


@pytest.mark.parametrize("pattern", [None, "(cat|dog)"])
def test_votes_need_a_table(pattern: str | None, tmp_path: Path) -> None:
    for name in names("set/{kind}/{n}.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    with pytest.raises(DataError, match="no table"):
        recognise(tmp_path / "set", tmp_path / "scratch", Options(votes=True, pattern=pattern))


@pytest.mark.parametrize("several", [None, False])
@pytest.mark.parametrize("labels", ["cat cat dog", "cat dog"])
def test_votes_are_advised_where_they_decide(
    labels: str, several: bool | None, tmp_path: Path
) -> None:
    files = ("1.png", "2.png", "3.png")
    put(tmp_path / "set", *files)
    lines = [f"{file},{label}" for file in files[:2] for label in labels.split()]
    (tmp_path / "set/a.csv").write_text("\n".join(["image,label", *lines, "3.png,dog"]))

    def read(**options: Any) -> Detected:
        return recognise(
            tmp_path / "set", tmp_path / "scratch", Options(several=several, **options)
        )

    with pytest.raises(DataError) as advice:
        read()
    decides = labels != "cat dog"
    assert ("--votes majority" in str(advice.value)) == decides
    if decides:
        assert [item.facts.label for item in read(votes=True).items] == ["cat", "cat", "dog"]
