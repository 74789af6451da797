"""Several labels an image are read from what people and tools write, with what is unknown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.cells import read_list, render_list
from pixmill.core.errors import DataError
from pixmill.core.metadata import Facts, read_metadata, write_metadata
from pixmill.core.names import is_label
from pixmill.dataset.detected import Detected
from pixmill.dataset.detection import Options, recognise
from pixmill.dataset.several import QUESTION, Unlisted, labels_of, split_lists
from tests.dataset.test_tables import put

LISTS = {"1.png": ["dark"], "2.png": ["dark", "long"], "3.png": ["long"], "4.png": []}
"""What images have; it is not said what they lack."""

YES = {name: dict.fromkeys(labels, True) for name, labels in LISTS.items()}
EVERY = {name: {label: label in has for label in ("dark", "long")} for name, has in LISTS.items()}


def cells(found: Detected) -> dict[str, dict[str, bool]]:
    return {item.name.rpartition("/")[2]: item.facts.cells for item in found.items}


def as_features(feature: Any) -> dict[bytes, bytes]:
    return {b"huggingface": json.dumps({"info": {"features": {"tags": feature}}}).encode()}


def to_parquet(path: Path, feature: Any) -> None:
    names = ["dark", "long"]
    numbers = [[names.index(label) for label in labels] for labels in LISTS.values()]
    images = [{"bytes": b"\x89PNG\r\n\x1a\n" + name.encode(), "path": name} for name in LISTS]
    table = pa.table({"image": images, "tags": pa.array(numbers, pa.list_(pa.int64()))})
    pq.write_table(table.replace_schema_metadata(as_features(feature)), path)


def to_lists(path: Path) -> None:
    pq.write_table(pa.table({"image": [*LISTS], "label": [*LISTS.values()]}), path)


def joined(sign: str) -> Callable[[Path], None]:
    lines = [f"{name}\t{sign.join(labels)}" for name, labels in LISTS.items()]
    return lambda path: path.write_text("\n".join(["image\ttags", *lines])) and None


def in_rows(path: Path) -> None:
    lines = [f"{name},{label}" for name, labels in LISTS.items() for label in labels or [""]]
    path.write_text("\n".join(["image,label", *lines]))


def as_objects(path: Path) -> None:
    rows = [{"image": name, "label": labels} for name, labels in LISTS.items()]
    path.write_text("\n".join(map(json.dumps, rows)))


def in_label_studio(path: Path) -> None:
    tasks = [
        {
            "data": {"image": name},
            "annotations": [
                {
                    "result": [
                        {"type": "choices", "from_name": "tags", "value": {"choices": labels}}
                    ]
                    * bool(labels)
                }
            ],
        }
        for name, labels in LISTS.items()
    ]
    path.write_text(json.dumps(tasks))


def in_label_studio_csv(path: Path) -> None:
    quoted = {
        name: json.dumps({"choices": labels}).replace('"', '""') for name, labels in LISTS.items()
    }
    path.write_text("\n".join(["image,choice", *(f'{name},"{quoted[name]}"' for name in LISTS)]))


CLASS_LABEL = {"_type": "ClassLabel", "names": ["dark", "long"]}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.tsv", joined(";")),
        ("a.tsv", joined("|")),
        ("a.tsv", joined(", ")),
        ("a.csv", in_rows),
        ("a.jsonl", as_objects),
        ("a.parquet", to_lists),
        ("a.parquet", lambda path: to_parquet(path, {"_type": "List", "feature": CLASS_LABEL})),
        ("a.parquet", lambda path: to_parquet(path, {"_type": "Sequence", "feature": CLASS_LABEL})),
        ("a.parquet", lambda path: to_parquet(path, [CLASS_LABEL])),
        ("a.json", in_label_studio),
        ("a.csv", in_label_studio_csv),
    ],
)
def test_lists_of_labels(name: str, write: Callable[[Path], None], tmp_path: Path) -> None:
    source = tmp_path / "source" / name
    put(source.parent, *LISTS)
    write(source)
    assert cells(recognise(source, tmp_path / "scratch", Options(unlisted="no"))) == EVERY


def test_what_is_not_listed_is_asked(tmp_path: Path) -> None:
    source = tmp_path / "source/a.csv"
    put(source.parent, *LISTS)
    in_rows(source)
    with pytest.raises(DataError, match=r"--unlisted no .*--unlisted unknown"):
        recognise(source, tmp_path / "scratch", Options())
    one = recognise(source, tmp_path / "scratch", Options(several=False))
    assert [item.facts for item in one.items] == [Facts("dark"), Facts("long"), Facts()]
    assert any("2.png" in remark and "--task labels" in remark for remark in one.remarks)
    asked: list[str] = []

    def ask(question: str) -> Unlisted:
        asked.append(question)
        return "unknown"

    found = recognise(source, tmp_path / "scratch", Options(ask=ask))
    assert cells(found) == YES
    assert QUESTION in asked[0]
    assert any("no image has a no for dark, long" in remark for remark in found.remarks)


def test_folders_that_list_labels(tmp_path: Path) -> None:
    put(tmp_path / "top", "dark/1.png", "dark,long/2.png", "long/3.png", "unlabelled/4.png")
    found = recognise(tmp_path / "top", tmp_path / "scratch", Options(unlisted="no"))
    assert cells(found) == EVERY | {"4.png": {}}
    one = recognise(tmp_path / "top", tmp_path / "scratch", Options(several=False))
    assert {item.facts.label for item in one.items} == {"dark", "dark,long", "long", None}


@pytest.mark.parametrize("several", [None, True])
def test_classes_are_labels_where_folders_list_them(several: bool | None, tmp_path: Path) -> None:
    put(tmp_path / "top", "dark,long/1.png", "dark/2.png", "red/3.png", "no,long way/4.png")
    options = Options(classes=("dark", "long"), unlisted="no", several=several)
    found = recognise(tmp_path / "top", tmp_path / "scratch", options)
    assert cells(found) == {
        "1.png": {"dark": True, "long": True},
        "2.png": {"dark": True, "long": False},
    }


def test_columns_of_labels_are_offered_where_they_help(tmp_path: Path) -> None:
    put(tmp_path / "top", *LISTS)
    rows = ["1.png,s,1,0", "2.png,m,1,1", "3.png,s,0,0", "4.png,m,0,0"]
    (tmp_path / "top/a.csv").write_text("\n".join(["image,fit,dark,long", *rows]))
    for several, offers in ((None, True), (False, False)):
        with pytest.raises(DataError) as refusal:
            recognise(tmp_path / "top", tmp_path / "scratch", Options(several=several))
        assert ("one-hot" in (refusal.value.next or "")) is offers
    options = Options(columns={"image": "image", "label": "one-hot"})
    found = recognise(tmp_path / "top", tmp_path / "scratch", options)
    assert cells(found)["3.png"] == {"dark": False, "long": False}
    assert "one-hot" not in found.recognised


@pytest.mark.parametrize("answers", [("1", "0"), ("yes", "no"), ("TRUE", "FALSE")])
def test_a_column_a_label_with_blanks(answers: tuple[str, str], tmp_path: Path) -> None:
    rows = ["1.png,y,", "2.png,y,n", "3.png,n,y", "4.png,,"]
    text = "\n".join(["image,dark,a;b", *rows])
    put(tmp_path / "top", *LISTS)
    (tmp_path / "top/a.csv").write_text(
        text.replace("y", answers[0]).replace(",n", f",{answers[1]}")
    )
    found = recognise(tmp_path / "top", tmp_path / "scratch", Options())
    assert cells(found) == {
        "1.png": {"dark": True},
        "2.png": {"dark": True, "a;b": False},
        "3.png": {"dark": False, "a;b": True},
        "4.png": {},
    }
    assert "--task one_label" not in found.options  # the columns hold no class
    chosen = recognise(tmp_path / "top", tmp_path / "scratch", Options(classes=("dark",)))
    assert cells(chosen)["3.png"] == {"dark": False}


def test_one_class_in_columns_is_one_label_unless_chosen(tmp_path: Path) -> None:
    put(tmp_path / "top", *LISTS)
    (tmp_path / "top/a.csv").write_text("image,cat,dog\n1.png,1,0\n2.png,0,1\n")
    found = recognise(tmp_path / "top", tmp_path / "scratch", Options())
    assert [item.facts for item in found.items] == [Facts("cat"), Facts("dog")]
    found = recognise(tmp_path / "top", tmp_path / "scratch", Options(several=True))
    assert cells(found)["1.png"] == {"cat": True, "dog": False}


def test_own_table_is_restored(tmp_path: Path) -> None:
    facts = {
        "images/1.png": Facts('"a;b";dark', "test", not_label="long"),
        "images/2.png": Facts(None, "train", not_label="dark"),
        "images/3.png": Facts("long", "train"),
        "unlabelled/4.png": Facts(),
    }
    put(tmp_path / "top", *facts)
    write_metadata(tmp_path / "top", facts)
    found = recognise(tmp_path / "top", tmp_path / "scratch", Options())
    assert {item.name: item.facts for item in found.items} == facts


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "image,dark,long\n1.png,1,0\n2.png,0,1\n3.png,1,1\n4.png,0,0\n1.png,1,0\n"
            "2.png,maybe,1\n",
            r"a.csv, row 7: dark is 'maybe'",
        ),
        ("image,dark,long\n1.png,1,\n2.png,,0\n1.png,0,\n", r"a.csv, row 4: 1.png .*dark"),
        ("image,label,value\n1.png,dark,1\n1.png,long,1\n2.png,long,0\n", "a.csv: value has"),
        ("image,label,not_label\n1.png,dark;long,long\n", r"a.csv, row 2: 1.png .*long"),
    ],
)
def test_wrong_cells_are_refused_with_their_row(text: str, problem: str, tmp_path: Path) -> None:
    put(tmp_path / "top", *LISTS)
    (tmp_path / "top/a.csv").write_text(text)
    with pytest.raises(DataError, match=problem) as refusal:
        recognise(tmp_path / "top", tmp_path / "scratch", Options())
    assert refusal.value.next


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_null_is_unknown_and_an_empty_list_is_none(ending: str, tmp_path: Path) -> None:
    source = tmp_path / f"source/a.{ending}"
    put(source.parent, *LISTS, "5.png")
    rows = [{"image": name, "label": labels} for name, labels in [*LISTS.items(), ("5.png", None)]]
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), source)
    else:
        source.write_text("\n".join(map(json.dumps, rows)))
    found = recognise(source, tmp_path / "scratch", Options(unlisted="no"))
    assert cells(found) == EVERY | {"5.png": {}}


def test_unanswered_tasks_lack_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source/a.json"
    put(source.parent, *LISTS)
    in_label_studio(source)
    tasks = json.loads(source.read_text())
    tasks[0]["annotations"] = []
    tasks[2]["annotations"][0]["was_cancelled"] = True
    source.write_text(json.dumps(tasks))
    found = recognise(source, tmp_path / "scratch", Options(unlisted="no"))
    assert cells(found) == EVERY | {"1.png": {}, "3.png": {}}


@pytest.mark.parametrize(
    ("wanted", "cell"), [(["Pepper,_bell"], "Pepper,_bell"), (["a", "d"], "a;d"), (["a b"], "a b")]
)
def test_signs_in_names_separate_nothing(wanted: list[str], cell: str) -> None:
    others = ["a", "b", "Pepper,_spots", *["corn"] * 4]
    assert split_lists([cell, *others])[0].split("\n") == wanted
    assert split_lists([cell, *others], several=False)[0] == cell


_SIGNS = st.one_of(st.sampled_from('|;, "a'), st.characters(exclude_categories=("C",)))
IMAGES = st.lists(st.lists(st.text(_SIGNS, min_size=1, max_size=5).filter(is_label)))
"""Labels of images, often with signs that separate or quote others."""


@given(IMAGES)
def test_what_is_written_is_what_is_read(tmp_path_factory: Any, images: list[list[str]]) -> None:
    images = [*images, ["one", "two"]]
    texts = [render_list(labels) for labels in images]
    assert [read_list(text) for text in texts] == images
    assert [labels_of(cell) for cell in split_lists(texts, several=True)] == images
    folder = tmp_path_factory.mktemp("data")
    write_metadata(folder, {f"{number}": Facts(text or None) for number, text in enumerate(texts)})
    found = read_metadata(folder)
    assert [[*found[f"{number}"].cells] for number in range(len(images))] == [
        [*dict.fromkeys(labels)] for labels in images
    ]


@pytest.mark.parametrize("several", [None, True])
def test_a_sign_in_one_label_separates_no_others(several: bool | None) -> None:
    cells = ["front|back; worn", "worn; new", "new; front|back", "new; torn", "torn"]
    expected = [["front|back", "worn"], ["worn", "new"], ["new", "front|back"], ["new", "torn"]]
    assert [*map(labels_of, split_lists(cells, several=several))] == [*expected, ["torn"]]
