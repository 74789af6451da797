"""Images are found by tables as people and tools write them."""

import contextlib
import csv
import io
import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.metadata import Facts, write_metadata
from pixmill.dataset import archives, table_files, tables
from pixmill.dataset.detected import Detected
from pixmill.dataset.tables import find_table

PNG = b"\x89PNG\r\n\x1a\n"
BREEDS = ("pug", "corgi", "boxer")


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG + name.encode())


def as_csv(rows: list[dict[str, str]], delimiter: str = ",") -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def labels(found: Detected | Mapping[Path, str]) -> dict[str, str | None]:
    assert isinstance(found, Detected)
    return {item.name.rpartition("/")[2]: item.facts.label for item in found.items}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    put(tmp_path / "top", *(f"images/{number}.png" for number in range(12)))
    return tmp_path / "top"


ROWS = [{"id": str(number), "breed": BREEDS[number % 3]} for number in range(12)]
WANTED: Mapping[str, str | None] = {f"{number}.png": BREEDS[number % 3] for number in range(12)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", as_csv(ROWS).encode()),
        ("labels.tsv", as_csv(ROWS, "\t").encode()),
        ("labels.csv", as_csv(ROWS, ";").encode("utf-16")),
        ("labels.csv", as_csv(ROWS, ";").encode("utf-8-sig")),
        ("labels.jsonl", "\n".join(map(json.dumps, ROWS)).encode()),
        ("labels.json", json.dumps(ROWS).encode()),
        (
            "labels.csv",
            as_csv(
                [{"file": rf"D:\dogs\{row['id']}.png", "label": row["breed"]} for row in ROWS]
            ).encode(),
        ),
        (
            "sub/labels.csv",
            as_csv(
                [{"x": f"../images/{row['id']}.png", "z": row["breed"]} for row in ROWS]
            ).encode(),
        ),
    ],
)
def test_formats(name: str, content: bytes, top: Path, scratch: Path) -> None:
    (top / name).parent.mkdir(exist_ok=True)
    (top / name).write_bytes(content)
    for source in (top, top / name) if "/" not in name else (top,):
        assert labels(found := find_table(source, scratch=scratch)) == WANTED
        assert isinstance(found, Detected)
        assert (found.remarks, len(found.options)) == ((), 1)


def test_kaggle_with_test_images(tmp_path: Path, scratch: Path) -> None:
    put(
        tmp_path / "top",
        *(f"{split}/{number}.png" for split in ("train", "test") for number in range(6)),
    )
    rows = [{"id": str(n), "label": "ab"[n % 2]} for n in range(6)]
    (tmp_path / "top/train.csv").write_text(as_csv(rows))
    (tmp_path / "top/sample_submission.csv").write_text(
        as_csv([row | {"label": "0"} for row in rows])
    )
    found = find_table(tmp_path / "top", scratch=scratch)
    assert isinstance(found, Detected)
    assert {item.name: item.facts.label for item in found.items} == {
        **{f"train/{n}.png": "ab"[n % 2] for n in range(6)},
        **{f"test/{n}.png": None for n in range(6)},
    }
    assert {item.facts.split for item in found.items} == {None}


def test_own_table_is_restored(tmp_path: Path, scratch: Path) -> None:
    facts = {
        f"{split}/{label}/{n}.png": Facts(
            label, split, f"g{n}", "CC0", f"Ann {n}", f"https://a.test/{n}"
        )
        for split in ("train", "val", "test")
        for label in ("cat / dog", "bird", "bird|cat / dog")
        for n in range(2)
    }
    put(tmp_path / "top", *facts)
    write_metadata(tmp_path / "top", facts)
    found = find_table(tmp_path / "top", scratch=scratch)
    assert isinstance(found, Detected)
    assert {item.name: item.facts for item in found.items} == facts


def test_left_out(top: Path, scratch: Path) -> None:
    rows = [*ROWS, {"id": "gone", "breed": "pug"}, ROWS[0], {"id": "1", "breed": "pug"}]
    (top / "images/2.png").write_bytes(b"")
    (top / "labels.csv").write_text(as_csv(rows))
    found = find_table(top, scratch=scratch)
    assert labels(found) == {
        name: label for name, label in WANTED.items() if name not in ("1.png", "2.png")
    }
    assert isinstance(found, Detected)
    broken, left_out = found.remarks
    assert broken.startswith("1 file: the file is empty")
    assert re.findall(r"(\d) \(([^)]+)", left_out) == [("1", "gone"), ("1", "images/1.png")]


@pytest.mark.parametrize("order", [("train", "test"), ("test", "train")])
def test_an_image_in_two_splits_stays_out_of_training(
    order: tuple[str, str], top: Path, scratch: Path
) -> None:
    rows = [row | {"split": ("train", "test")[int(row["id"]) > 8]} for row in ROWS]
    both = [ROWS[0] | {"split": split} for split in order]
    (top / "labels.csv").write_text(as_csv([*both, *rows[1:]]))
    found = find_table(top, scratch=scratch)
    assert isinstance(found, Detected)
    assert next(item.facts for item in found.items if item.name == "images/0.png").split == "test"
    assert any("second split" in remark and "images/0.png" in remark for remark in found.remarks)
    found = find_table(top, scratch=scratch, no_splits=True)
    assert isinstance(found, Detected)
    assert {item.facts.split for item in found.items} == {None}
    assert found.remarks == ()


def test_folders_label_beside_metadata(tmp_path: Path, scratch: Path) -> None:
    put(tmp_path / "top", "cat/1.png", "cat/2.png", "dog /3.png", "dog/masks/3.png", "masks/1.png")
    (tmp_path / "top/metadata.csv").write_text("file_name,label\ncat/1.png,lion\ncat/2.png,\n")
    found = find_table(tmp_path / "top", scratch=scratch)
    assert isinstance(found, Detected)
    assert {item.name: item.facts.label for item in found.items} == {
        "cat/1.png": "lion",
        "cat/2.png": "cat",
        "dog /3.png": "dog",
    }


def test_ambiguous(top: Path, scratch: Path) -> None:
    (top / "labels.csv").write_text(
        as_csv([row | {"colour": "xy"[int(row["id"]) % 2]} for row in ROWS])
    )
    rows = [
        {"id": row["id"], "kind": row["breed"], "colour": "xy"[int(row["id"]) % 2]} for row in ROWS
    ]
    assert labels(find_table(top, scratch=scratch)) == WANTED
    (top / "labels.csv").write_text(as_csv(rows))
    with pytest.raises(DataError, match="--columns image=id,label=kind"):
        find_table(top, scratch=scratch)
    assert labels(find_table(top, columns={"label": "kind"}, scratch=scratch)) == WANTED
    with pytest.raises(DataError, match="no table has the column race"):
        find_table(top, columns={"label": "race"}, scratch=scratch)


@pytest.mark.parametrize("ones", [("1", "0"), ("1.0", "0.0"), ("True", "False")])
def test_a_column_for_each_class(ones: tuple[str, str], top: Path, scratch: Path) -> None:
    rows = [
        {"image": row["id"], **{name: ones[name != row["breed"]] for name in BREEDS}}
        for row in ROWS
    ]
    several = rows[0] | dict.fromkeys(BREEDS, ones[0])
    none = rows[1] | dict.fromkeys(BREEDS, ones[1])
    for first, second, wanted in ((rows[0], rows[1], {}), (several, none, {"1.png": None})):
        (top / "a.csv").write_text(as_csv([first, second, *rows[2:]]).replace(",", ", "))
        found = find_table(top, columns={"label": "one-hot"}, scratch=scratch, several=False)
        assert found == find_table(top, scratch=scratch, several=False)
        left = {
            name: label for name, label in WANTED.items() if first is rows[0] or name != "0.png"
        }
        assert labels(found) == left | wanted
    assert isinstance(found, Detected)
    assert ["images/0.png" in remark for remark in found.remarks] == [True]


def test_the_table_overrules_folders(tmp_path: Path, scratch: Path) -> None:
    put(tmp_path / "top", *(f"{label}/{n}.png" for label in ("cat", "dog") for n in range(6)))
    rows = [
        {"id": f"{label}/{n}", "label": "dog" if n == 5 else label}
        for label in ("cat", "dog")
        for n in range(6)
    ]
    (tmp_path / "top/labels.csv").write_text(as_csv(rows))
    found = find_table(tmp_path / "top", scratch=scratch)
    assert labels(found)["5.png"] == "dog"
    assert isinstance(found, Detected)
    assert re.findall(r"(\d) image: (.*)", found.remarks[0]) == [("1", "cat/5.png")]


@pytest.mark.parametrize("first", ["0.png", "images/0.png", "0", "https://a.test/0.jpg"])
def test_a_table_without_a_header_is_refused(first: str, top: Path, scratch: Path) -> None:
    lines = [f"{first.replace('0', str(n))},{BREEDS[n % 3]}" for n in range(12)]
    (top / "labels.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="no header"):
        find_table(top, scratch=scratch)
    (top / "labels.csv").write_text("\n".join(["image,label", *lines]))
    found = find_table(top, scratch=scratch)
    assert isinstance(found, Detected)
    assert len(found.items) + len(found.urls) == 12


def test_urls(tmp_path: Path, scratch: Path) -> None:
    rows = [
        {"image_url": f"https://a.test/{n}.jpg", "name": "ab"[n % 2], "License": "CC0"}
        for n in range(6)
    ]
    (tmp_path / "list.csv").write_text(as_csv(rows))
    found = find_table(tmp_path / "list.csv", scratch=scratch)
    assert isinstance(found, Detected)
    assert found.items == []
    assert found.urls == {row["image_url"]: Facts(row["name"], licence="CC0") for row in rows}


def test_class_folders_without_a_table(tmp_path: Path, scratch: Path) -> None:
    put(tmp_path / "top", "cat/1.png", "dog/2.png")
    (tmp_path / "top/classes.csv").write_text("number,name\n0,cat\n1,dog\n")
    (tmp_path / "top/coco.json").write_text('{"images": []}')
    (tmp_path / "top/deep.json").write_text("[" * 100_000)
    found = find_table(tmp_path / "top", scratch=scratch)
    assert not isinstance(found, Detected)
    assert {path.name for path in found} == {"classes.csv", "coco.json", "deep.json"}


@pytest.mark.parametrize("is_struct", [True, False])
def test_embedded_images(is_struct: bool, tmp_path: Path, scratch: Path) -> None:
    contents = [PNG + bytes([n]) for n in range(6)]
    images: Any = [{"bytes": content, "path": f"a/{n}.png"} for n, content in enumerate(contents)]
    table = pa.table({"image": images if is_struct else contents, "label": [0, 1, 0, 1, -1, 1]})
    feature = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat ", "dog"]}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(feature)})
    for split in ("train", "test"):
        for part in (0, 1):
            path = tmp_path / f"top/data/{split}-0000{part}-of-00002.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
    found = find_table(tmp_path / "top", scratch=scratch)
    assert isinstance(found, Detected)
    assert [item.path.read_bytes() for item in found.items] == contents * 4
    assert [item.facts.label for item in found.items] == [
        "cat",
        "dog",
        "cat",
        "dog",
        None,
        "dog",
    ] * 4
    assert {item.facts.split for item in found.items if item.facts.label} == {"train", "test"}
    if is_struct:
        assert found.items[1].name == "1.png"


def test_embedded_images_have_the_limits_of_archives(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 2**20)
    table = pa.table({"image": [PNG + bytes(2**16)] * 32, "label": ["cat", "dog"] * 16})
    pq.write_table(table, tmp_path / "images.parquet")
    with pytest.raises(DataError, match="bomb"):
        find_table(tmp_path / "images.parquet", scratch=scratch)
    assert sum(path.stat().st_size for path in scratch.rglob("*.png")) <= 2**20


def test_small_files_that_stand_for_large_tables_are_refused(top: Path, scratch: Path) -> None:
    (top / "a.json").write_text(
        json.dumps([{"file": "0", str(number): 1} for number in range(5_000)])
    )
    with pytest.raises(DataError, match=r"a\.json has too many cells"):
        find_table(top, scratch=scratch)
    (top / "labels.csv").write_text(as_csv(ROWS))
    assert labels(found := find_table(top, scratch=scratch)) == WANTED
    assert isinstance(found, Detected)
    assert ["a.json" in remark for remark in found.remarks] == [True]
    (top / "a.json").unlink()
    pq.write_table(pa.table({"file": pa.nulls(21_000_000, pa.string())}), top / "a.parquet")
    assert (top / "a.parquet").stat().st_size < 100_000
    with pytest.raises(DataError, match="too many cells"):
        find_table(top / "a.parquet", scratch=scratch)


@pytest.mark.linux
@pytest.mark.parametrize("column", ["label", "image"])
def test_cells_that_fill_the_memory_are_refused(
    column: str, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "_MEMORY", 100 << 20)
    large: Any = ["x" * 2**23] * 20 if column == "label" else [PNG + bytes(2**23)] * 20
    rows = pa.table({"image": [PNG] * 20, "label": ["cat", "dog"] * 10} | {column: large})
    pq.write_table(rows, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 2**23
    with pytest.raises(DataError, match=r"a\.parquet cannot be read in .* memory"):
        find_table(tmp_path, scratch=scratch)


def test_label_studio(tmp_path: Path, scratch: Path) -> None:
    put(tmp_path / "top", *(f"{n}.png" for n in range(6)))

    def answer(choice: str, **more: Any) -> dict[str, Any]:
        return {
            "result": [{"type": "choices", "from_name": "kind", "value": {"choices": [choice]}}],
            **more,
        }

    tasks = [
        {
            "data": {"image": f"/data/upload/1/0123abcd-{n}.png"},
            "annotations": [answer("ab"[n % 2])],
        }
        for n in range(5)
    ]
    tasks[0]["annotations"] = [answer("b", was_cancelled=True)]
    tasks[1]["annotations"] = [answer("a"), answer("b")]
    tasks.append(
        {"data": {"image": "/data/local-files/?d=root%2Ftop/5.png"}, "annotations": [answer("a")]}
    )
    (tmp_path / "top/export.json").write_text(json.dumps(tasks))
    found = find_table(tmp_path / "top", scratch=scratch)
    assert labels(found) == {"0.png": None, "2.png": "a", "3.png": "b", "4.png": "a", "5.png": "a"}


@pytest.mark.parametrize(
    ("tool", "classes"), [("datasets-5.2.0", ["cat", "dog"]), ("pandas-3.1.1", ["pug", "corgi"])]
)
def test_tables_of_tools(tool: str, classes: list[str], scratch: Path) -> None:
    found = find_table(Path(__file__).parent / "fixtures" / tool, scratch=scratch)
    assert isinstance(found, Detected)
    assert [item.facts.label for item in found.items] == classes * 3


@pytest.mark.parametrize("name", ["json.json", "json_min.json", "csv.csv"])
def test_exports_of_label_studio(name: str, scratch: Path) -> None:
    export = Path(__file__).parent / "fixtures/label-studio-sdk-2.1.2" / name
    assert labels(find_table(export, scratch=scratch)) == {
        f"{n}.png": ("pug", "corgi")[n % 2] for n in range(6)
    }


@pytest.mark.parametrize("page", ["url", "link", "source_url"])
def test_pages_and_columns_that_are_not_used(page: str, top: Path, scratch: Path) -> None:
    rows = [
        row | {page: f"https://a.test/{row['id']}", "terms": "CC0", "Weight": f"{row['id']}.5"}
        for row in ROWS
    ]
    (top / "labels.csv").write_text(as_csv(rows))
    found = find_table(top, columns={"label": "breed", "license": "terms"}, scratch=scratch)
    assert isinstance(found, Detected)
    assert {(item.facts.page_url, item.facts.licence) for item in found.items} == {
        (row[page], "CC0") for row in rows
    }
    assert found.remarks == ("not used: Weight",)


def test_label_files_of_tools(top: Path, scratch: Path) -> None:
    images = [{"id": n, "file_name": f"images/{n}.png"} for n in range(12)]
    annotations = [{"image_id": n, "category_id": n % 3} for n in range(12)]
    categories = [{"id": number, "name": breed} for number, breed in enumerate(BREEDS)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (top / "coco.json").write_bytes(json.dumps(coco).encode("utf-8-sig"))
    assert labels(found := find_table(top, scratch=scratch)) == WANTED
    assert isinstance(found, Detected)
    assert found.remarks == ()
    tags = "".join(
        f'<image name="D:\\dogs\\{n}.png" subset="{("Train", "Test")[n % 2]}"><tag label="{breed}"/></image>'
        for n, breed in zip(range(12), BREEDS * 4, strict=True)
    )
    (top / "coco.json").rename(top / "submission.json")  # shows how to hand in results
    (top / "annotations.xml").write_text(f"<annotations>{tags}<image name='no.png'/></annotations>")
    assert labels(found := find_table(top, scratch=scratch)) == WANTED
    assert isinstance(found, Detected)
    assert {item.facts.split for item in found.items} == {"train", "test"}
    assert len(found.remarks) == 1  # no.png is absent.


def test_numbers_that_lost_their_zeros(tmp_path: Path, scratch: Path) -> None:
    put(
        tmp_path / "top",
        *(f"images/{n:05}.png" for n in range(12)),
        "images/007.png",
        "sub/000.png",
    )
    (tmp_path / "top/labels.csv").write_text(as_csv(ROWS))
    found = find_table(tmp_path / "top", scratch=scratch)
    assert labels(found) == {
        f"{n:05}.png": BREEDS[n % 3] for n in range(12) if n not in (0, 7)
    }  # 0 and 7 may be two files each.
    assert isinstance(found, Detected)
    assert [("leading zeros" in line, "(0, 7)" in line) for line in found.remarks] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize("votes", [False, True])
def test_majority_of_votes(votes: bool, top: Path, scratch: Path) -> None:
    rows = [row for row in ROWS for _ in range(2)]
    rows += [{"id": "0", "breed": "corgi"}, {"id": "1", "breed": ""}]
    rows += [{"id": "2", "breed": "pug"}, {"id": "2", "breed": "corgi"}]
    (top / "labels.csv").write_text(as_csv(rows))
    found = find_table(top, scratch=scratch, votes=votes)
    lost = ["2.png"] if votes else ["0.png", "2.png"]
    assert labels(found) == {name: label for name, label in WANTED.items() if name not in lost}
    assert isinstance(found, Detected)
    assert ("--votes majority" in found.options) == (not votes)
    (line,) = (line for line in found.remarks if f"{len(lost)} (images/{lost[0]}" in line)
    assert ("--votes majority" in line) == (not votes)


def test_several_labels_in_a_row_are_no_votes(top: Path, scratch: Path) -> None:
    rows = [ROWS[0] | {"breed": "pug|corgi"}, *ROWS[1:]]
    (top / "labels.csv").write_text(as_csv(rows))
    found = find_table(top, scratch=scratch, several=False)
    assert isinstance(found, Detected)
    (line,) = found.remarks
    assert "with several labels" in line
    assert "--votes" not in line


def test_counts_name_no_numbered_files(tmp_path: Path, scratch: Path) -> None:
    put(tmp_path / "top", *(f"{n:05}.png" for n in range(12)))
    rows = [{"photo": f"x{n}.jpeg", "age": f"{n}", "breed": BREEDS[n % 3]} for n in range(12)]
    (tmp_path / "top/labels.csv").write_text(as_csv(rows))
    assert not isinstance(find_table(tmp_path / "top", scratch=scratch), Detected)


def test_label_files_without_labels_of_images(top: Path, scratch: Path) -> None:
    image = '<image name="images/1.png"><box label="pug"/></image>'
    (top / "boxes.xml").write_text(f"<annotations>{image}</annotations>")
    assert not isinstance(find_table(top, scratch=scratch), Detected)
    with pytest.raises(DataError, match="CVAT") as caught:
        find_table(top / "boxes.xml", scratch=scratch)
    assert "COCO" in str(caught.value.next)


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return content with a few flipped bits, or a piece that is gone."""
    copy = bytearray(content)
    for _ in range(draw.choice((1, 2, 8))):
        copy[draw.randrange(len(copy))] ^= 1 << draw.randrange(8)
    place = draw.randrange(len(copy))
    del copy[place : place + draw.choice((0, 0, 0, 9))]
    return bytes(copy)


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


FILES = [row | {"id": f"images/{row['id']}.png"} for row in ROWS]
IMAGES = [row | {"id": {"bytes": PNG * 40, "path": row["id"]}} for row in ROWS]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", as_parquet(FILES)),
        ("a.parquet", as_parquet(IMAGES)),
        ("a.csv", as_csv(FILES).encode()),
        ("a.csv", as_csv(FILES).encode("utf-16")),
        ("a.jsonl", "\n".join(map(json.dumps, FILES)).encode()),
        ("a.json", json.dumps(FILES).encode()),
    ],
)
def test_a_damaged_table_is_read_or_refused(
    name: str, content: bytes, top: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (tables, table_files):
        monkeypatch.setattr(module, "within_limits", lambda act, _: act())  # quicker
    draw = random.Random(7)
    for _ in range(100):
        (top / name).write_bytes(damaged(content, draw))
        with contextlib.suppress(PixmillError):
            assert isinstance(find_table(top / name, scratch=scratch), Detected)


def test_a_label_of_megabytes_is_refused_in_one_line(tmp_path: Path, scratch: Path) -> None:
    put(tmp_path, "1.png", "2.png", "3.png")
    long = ["cat", "cat", "x" * 50_000_000]
    pq.write_table(pa.table({"image": ["1", "2", "3"], "breed": long}), tmp_path / "a.parquet")
    with pytest.raises(DataError) as refused:
        find_table(tmp_path / "a.parquet", scratch=scratch)
    assert "a.parquet, row 3, column breed" in refused.value.message
    assert len(str(refused.value)) < 500
