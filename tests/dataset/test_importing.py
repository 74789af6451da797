"""Data sets of other tools are taken into a project: images, facts, lists and params."""

import hashlib
import os
import shutil
import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.decisions import Row, read_rows, render_rows
from pixmill.core.errors import DataError, LockedError, ParamsError
from pixmill.core.metadata import Facts, read_metadata, write_metadata
from pixmill.core.names import fold
from pixmill.core.params import load_params
from pixmill.core.repository.dvc import RunningDvc
from pixmill.dataset import importing
from pixmill.dataset.detected import Detected, Item
from pixmill.dataset.detection import Options, recognise
from pixmill.dataset.import_plan import free_path
from pixmill.dataset.importing import import_into, scratch_of
from pixmill.split.grouping import group_names
from tests.command import run_pixmill
from tests.split.conftest import ids, table
from tests.version_control import dvc

PNG = b"\x89PNG\r\n\x1a\n"
PARAMS = "classes: [cat, dog]  # ours\nscrape: {source: folder, snapshot: '2026-11-20'}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one image of a cat and one of a dog."""
    monkeypatch.setattr(importing, "dvc", lambda *_: None)
    root = tmp_path / "project"
    put(root, {"data/cat/1.png": "cat 1", "data/dog/1.png": "dog 1"})
    (root / "params.yaml").write_text(PARAMS)
    return root


def put(folder: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG + content.encode())
    return folder


def take(root: Path, source: Path, options: Options | None = None) -> list[str]:
    with scratch_of(root) as scratch:
        found = recognise(source, scratch, options or Options(least=1))
        return import_into(root, found, scratch, "list")


def images(root: Path) -> dict[str, str]:
    files = {
        path.relative_to(root / "data").as_posix(): path
        for path in (root / "data").rglob("*")
        if path.is_file()
    }
    return {
        name: path.read_bytes().removeprefix(PNG).decode()
        for name, path in files.items()
        if path.suffix != ".csv"
    }


def test_images_are_added_beside_others_once(root: Path, tmp_path: Path) -> None:
    there = put(
        tmp_path / "there",
        {
            "train/cat/1.png": "new 1",
            "train/cat/again.png": "cat 1",
            "train/a|b/x/1.PNG": "new 2",
            "test/cat/9.png": "new 3",
            "test/a|b/9.png": "dog 1",
        },
    )
    before = images(root)
    copied, left_out, skipped, completed = take(root, there)
    assert copied.startswith("Copied 3 images: test: 1 of cat; train: ")
    assert skipped.startswith("Skipped 1 image ")
    assert completed.endswith(" to 1 image in data/: cat/1.png")
    assert "9.png (a|b) is dog/1.png" in left_out
    slug = next(name.split("/")[0] for name in images(root) if name.startswith("a-b"))
    new = {"cat/1-2.png": "new 1", f"{slug}/x-1.PNG": "new 2", "cat/9.png": "new 3"}
    assert images(root) == before | new
    assert read_metadata(root / "data") == {
        "cat/1.png": Facts(split="train"),
        "cat/1-2.png": Facts("cat", "train"),
        f"{slug}/x-1.PNG": Facts("a|b", "train"),
        "cat/9.png": Facts("cat", "test"),
    }
    assert load_params(root).classes == ("cat", "dog", "a|b")
    assert "# ours" in (root / "params.yaml").read_text()
    assert not (root / ".pixmill" / "import").exists()
    assert take(root, there)[0] == "Copied no images"
    assert images(root) == before | new


def test_equal_images_have_the_groups_and_splits_of_all_rows(root: Path, tmp_path: Path) -> None:
    rows = [
        "a.png,cat,,",
        "b.png,cat,p1,test",
        "same.png,cat,p2,train",
        "c.png,cat,p1,train",
        "{c}.png,dog,,",
    ]
    rows += ["d.png,dog,p3,", "e.png,dog,p4,", "f.png,dog,,", "g.png,dog,p5,"]
    there = put(
        tmp_path / "there",
        {"a.png": "cat 1", "b.png": "cat 2", "same.png": "cat 1", "c.png": "cat 3"},
    )
    put(
        there,
        {
            "{c}.png": "cat 3",
            "d.png": "dog 2",
            "e.png": "dog 2",
            "f.png": "dog 3",
            "g.png": "dog 3",
        },
    )
    (there / "labels.csv").write_text("\n".join(["image,label,group,split", *rows]))
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(f"{text}split: {{group_by: product}}\n")
    lines = take(root, there)
    assert read_metadata(root / "data") == {
        "cat/1.png": Facts(None, "train", "p2"),
        "cat/b.png": Facts("cat", "test", "p1"),
        "dog/f.png": Facts("dog", None, "p5"),
    }
    assert [line for line in lines if "several" in line] == [
        "Left out 2 images with several labels: c.png (cat), {c}.png (dog)",
        "Left out 2 images with several groups: d.png (p3), e.png (p4)",
    ]
    assert any(line.endswith("set it to data/metadata.csv:group") for line in lines)
    (root / "data/cat/b.png").unlink()  # as if the copy had been interrupted
    before = read_metadata(root / "data")
    take(root, there)
    assert (read_metadata(root / "data"), images(root)["cat/b.png"]) == (before, "cat 2")
    (there / "labels.csv").write_text("image,label,group,split\nb.png,cat,p9,test\n")
    assert "Kept the split and group of 1 image that have others here: cat/b.png (b.png)" in take(
        root, there
    )


def test_forgotten_images_do_not_return(root: Path, tmp_path: Path) -> None:
    there = put(
        tmp_path / "there", {f"{n}.png": f"cat {'by id' if n == 2 else n * 'x'}" for n in range(6)}
    )
    rows = [
        "0.png,,",
        "1.png,Ann,",
        "2.png,,",
        "3.png,Bob,https://img.example.org/3",
        "4.png,Bob,https://example.com/4",
        "5.png,,",
    ]
    (there / "labels.csv").write_text(
        "\n".join(["image,author,page_url,label", *(f"{row},cat" for row in rows)])
    )
    digest = hashlib.sha256(PNG + b"cat by id").hexdigest()[:16]
    lists = f"exclude_ids: ['{digest}'], exclude_authors: [Ann], opt_out: [example.org]"
    reviewed = hashlib.sha256((there / "5.png").read_bytes()).hexdigest()
    forgotten = Row(reviewed, answer="drop", why="forgotten")
    (root / "decisions.csv").write_text(render_rows([forgotten]))
    (root / "params.yaml").write_text(PARAMS.replace("folder,", f"folder, {lists},"))
    columns = {each: each for each in ("image", "label", "author", "page_url")}
    lines = take(root, there, Options(least=1, columns=columns))
    assert any(
        line.startswith("Left out 4 ") and line.endswith(": 1.png, 2.png, 3.png, 5.png")
        for line in lines
    )
    assert images(root).keys() == {"cat/1.png", "dog/1.png", "cat/0.png", "cat/4.png"}


def test_labels_of_images_without_one_become_decisions(root: Path, tmp_path: Path) -> None:
    pile = {f"{n}.png": f"pile {n}" for n in range(4)}
    put(root / "data/unlabelled", pile)
    digests = [hashlib.sha256(PNG + text.encode()).hexdigest() for text in pile.values()]
    refused = Row(digests[3], "cat", "no", by="bo")
    (root / "decisions.csv").write_text(render_rows([refused]))
    there = put(tmp_path / "there", pile | {"4.png": "new"})
    rows = ["0.png,cat,test,p1", "1.png,bird,train,", "3.png,cat,train,", "4.png,dog,train,"]
    (there / "labels.csv").write_text("\n".join(["image,label,split,group", *rows]))
    before = images(root)
    lines = take(root, there)
    assert images(root) == before | {"dog/4.png": "new"}
    given = [Row(digests[0], "cat", "yes", "test"), Row(digests[1], "bird", "yes", "train")]
    found = [replace(row, by="", why="") for row in read_rows(root / "decisions.csv")]
    assert {*found} == {*given, replace(refused, by="")}
    assert load_params(root).classes == ("cat", "dog", "bird")
    assert read_metadata(root / "data").keys() == {"unlabelled/0.png", "dog/4.png"}
    assert any(line.startswith("Labelled 2 images") for line in lines)
    written = (root / "decisions.csv").read_bytes()
    assert any(line.startswith("Skipped 3 images") for line in take(root, there))
    assert (root / "decisions.csv").read_bytes() == written


def test_an_interrupted_import_is_completed(root: Path, tmp_path: Path) -> None:
    new = {f"test/{label}/{n}.png": f"{label} new {n}" for label in ("cat", "dog") for n in (1, 2)}
    new |= {
        unicodedata.normalize("NFD", f"train/{label}/é.png"): f"{label} é"
        for label in ("cat", "dog")
    }
    there = put(tmp_path / "there", new)
    rename = Path.rename
    left = [1]

    def interrupt(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return rename(path, target)

    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", interrupt)
        take(root, there)
    there_now = images(root)
    assert len(there_now) == 2 + 1
    facts = read_metadata(root / "data")
    assert all(name in facts for name in there_now.keys() - {"cat/1.png", "dog/1.png"})
    take(root, there)
    assert sorted(images(root).values()) == sorted(["cat 1", "dog 1", *new.values()])
    assert read_metadata(root / "data").keys() == images(root).keys() - {"cat/1.png", "dog/1.png"}


def test_a_table_in_an_archive_gives_groups_and_unlabelled_images(
    root: Path, tmp_path: Path
) -> None:
    rows = [f"{n}.png,{'bird' if n % 2 else 'cat'},p{n // 4},cc0" for n in range(12)]
    with zipfile.ZipFile(tmp_path / "birds.zip", "w") as packed:
        packed.writestr("labels.csv", "\n".join(["file,label,group,licence", *rows, "12.png,,,"]))
        for n in range(13):
            packed.writestr(f"images/{n}.png", PNG + f"bird {n}".encode())
    lines = take(root, tmp_path / "birds.zip", Options(columns={"image": "file", "group": "group"}))
    assert lines[0].startswith("Copied 13 images: ")
    facts = read_metadata(root / "data")
    assert Facts("bird", None, "p1", "cc0") in facts.values()
    assert [name.split("/")[0] for name, each in facts.items() if each.label is None] == [
        "unlabelled"
    ]
    params = load_params(root)
    assert params.classes == ("cat", "dog", "bird")
    assert (params.split.group_by, params.evaluate.unlabelled) == (
        "data/metadata.csv:group",
        "data/unlabelled",
    )


def test_urls_become_a_list_and_a_source_of_their_classes(root: Path) -> None:
    urls = {
        "https://example.org/1.jpg": Facts("cat", group="g", licence="by", author="Ann"),
        "https://example.org/2.jpg": Facts("owl", "test"),
    }
    with scratch_of(root) as scratch:
        *_, remark = import_into(root, Detected([], "a table", urls), scratch, "birds")
    shutil.copy(root / "lists" / "birds.csv", root / "data")
    seen = table(ids(1), image_url=["https://example.org/1.jpg"], source=["urls"])
    assert [*group_names(seen, remark.rpartition(" ")[2], root)] == ["group g"]
    assert (root / "lists" / "birds.csv").read_text().splitlines() == [
        "url,label,split,group,licence,author,page_url",
        "https://example.org/1.jpg,cat,,g,by,Ann,",
        "https://example.org/2.jpg,owl,test,,,,",
    ]
    scrape = load_params(root).scrape
    assert scrape.urls.files == ("lists/birds.csv",)
    assert {label: scrape.sources_of(label) for label in ("cat", "dog", "owl")} == {
        "cat": ("folder", "urls"), "dog": ("folder",), "owl": ("urls",),
    }  # fmt: skip
    with scratch_of(root) as scratch, pytest.raises(DataError, match="exists and differs"):
        import_into(
            root,
            Detected([], "a table", {"https://example.org/3.jpg": Facts("cat")}),
            scratch,
            "birds",
        )


@pytest.mark.parametrize("label", ["Cat", "unlabelled", "x" * 201])
def test_labels_that_cannot_be_classes_change_nothing(
    label: str, root: Path, tmp_path: Path
) -> None:
    item = Item(str(put(tmp_path, {"1.png": "one"}) / "1.png"), "1.png", Facts(label))
    before = images(root)
    with scratch_of(root) as scratch, pytest.raises(ParamsError) as refused:
        import_into(root, Detected([item], "files"), scratch, "list")
    assert "--classes" in str(refused.value)
    assert (images(root), (root / "params.yaml").read_text()) == (before, PARAMS)


def test_no_image_is_imported_to_a_fixed_split(root: Path, tmp_path: Path) -> None:
    (root / "params.yaml").write_text(PARAMS.replace("folder,", "folder, folder: {layout: fixed},"))
    item = Item(str(put(tmp_path, {"2.png": "cat 2"}) / "2.png"), "2.png", Facts("cat"))
    found = Detected([item], "a table", {"https://example.org/1.jpg": Facts("cat")})
    with scratch_of(root) as scratch, pytest.raises(DataError, match="fixed split"):
        import_into(root, found, scratch, "list")
    assert not (root / "lists").exists()


def test_data_in_use_and_missing_data_are_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = put(tmp_path / "there", {"cat/2.png": "cat 2"})
    monkeypatch.setattr(
        importing, "running_dvc", lambda _: [RunningDvc(1, "dvc repro", (), ("data",))]
    )
    with pytest.raises(LockedError, match="dvc repro"):
        take(root, there)
    (root / "data").rename(tmp_path / "elsewhere")
    (root / "data.dvc").write_text("outs: [{md5: 0.dir, path: data}]\n")
    with pytest.raises(DataError, match="data/ is missing") as refused:
        take(root, there)
    assert "dvc pull" in str(refused.value)


def test_commands_import_into_new_and_existing_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importing, "dvc", dvc)
    monkeypatch.setattr("pixmill.project.new.creating.dvc", dvc)
    monkeypatch.chdir(tmp_path)
    labels = ("Corn_(maize)___healthy", "a/b", "x" * 79)
    rows = [f"{n}.png,{labels[n % 3]},{'test' if n > 5 else 'train'}" for n in range(9)]
    put(tmp_path / "there", {f"{n}.png": str(n) for n in range(9)})
    (tmp_path / "there" / "labels.csv").write_text("\n".join(["image,label,split", *rows]))
    assert run_pixmill("new", "plants", "--from", "there", "--dry-run") == 0
    assert "Would take 9 images: test: 1 of" in capsys.readouterr().out
    assert not (tmp_path / "plants").exists()
    assert run_pixmill("new", "plants", "--from", "there") == 0
    root = tmp_path / "plants"
    assert load_params(root).classes == tuple(sorted(labels))
    assert sorted(read_metadata(root / "data")) == sorted(images(root))
    assert yaml.safe_load((root / "data.dvc").read_text())["outs"][0]["nfiles"] == 10
    monkeypatch.chdir(root)
    source = str(put(tmp_path / "more", {"weed/1.png": "weed", "a/1.png": "1"}))
    assert run_pixmill("import", source, "--classes", "weed") == 0
    assert (
        "Copied 1 image: 1 of weed\nweed has 1 of the 30 images that a class needs: add more\n"
        "Next:\n  pixmill doctor --quick && dvc repro\n" in capsys.readouterr().out
    )
    assert yaml.safe_load((root / "data.dvc").read_text())["outs"][0]["nfiles"] == 11
    assert (
        run_pixmill("import", str(put(tmp_path / "new", {"3.png": "3"})), "--label", "unlabelled")
        == 0
    )
    assert "Next:\n  pixmill review --grid  " in capsys.readouterr().out
    assert run_pixmill("import", source, "--dry-run", "--classes", "weed") == 0
    printed = capsys.readouterr().out
    assert "Would take no images\nSkipped 1 image " in printed
    assert printed.endswith("\nNext: give other images\n")


def test_labels_are_joined_by_content_unless_they_contradict(root: Path, tmp_path: Path) -> None:
    (root / "params.yaml").write_text(f"task: labels\n{PARAMS}")
    put(root, {"data/unlabelled/new.png": "new", "data/cat/1.png": "cat 1"})
    facts = {"cat/1.png": Facts("cat"), "dog/1.png": Facts("dog", not_label="cat")}
    write_metadata(root / "data", facts)
    there = {"1.png": "cat 1", "2.png": "dog 1", "3.png": "new", "4.png": "b", "5.png": "b"}
    put(tmp_path / "there", there | {"6.png": "open"})
    table = "image,cat,dog\n1.png,,0\n2.png,1,1\n3.png,0,1\n4.png,0,\n5.png,,0\n6.png,,\n"
    (tmp_path / "there/labels.csv").write_text(table)
    said = take(root, tmp_path / "there", Options(several=True))
    assert any("2.png (cat)" in line for line in said)
    assert read_metadata(root / "data") == {
        "cat/1.png": Facts("cat", not_label="dog"),
        "dog/1.png": facts["dog/1.png"],
        "images/4.png": Facts(not_label="cat;dog"),
        "unlabelled/6.png": Facts(),
        "unlabelled/new.png": Facts("dog", not_label="cat"),
    }
    assert load_params(root).split.salt == "pixmill"  # data/ had images
    before = (root / "params.yaml").read_text()
    (tmp_path / "there/labels.csv").write_text("image,cat,bird\n4.png,0,1\n5.png,0,0\n")
    with pytest.raises(DataError, match=r"labels\.csv, row 2: 'bird' .* cat, dog"):
        take(root, tmp_path / "there", Options(several=True))
    assert (root / "params.yaml").read_text() == before


def test_a_label_called_images_is_no_folder_of_all(root: Path, tmp_path: Path) -> None:
    params = PARAMS.replace("cat", "images")
    (root / "params.yaml").write_text(f"task: labels\n{params}")
    put(tmp_path / "there", {"1.png": "1"})
    (tmp_path / "there/labels.csv").write_text("image,label\n1.png,dog\n")
    take(root, tmp_path / "there", Options(several=True, unlisted="unknown"))
    assert read_metadata(root / "data") == {"images-all/1.png": Facts("dog")}


def test_several_labels_make_a_project_and_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importing, "dvc", dvc)
    monkeypatch.setattr("pixmill.project.new.creating.dvc", dvc)
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "there", {f"{n}.png": str(n) for n in range(9)})
    rows = [f"{n}.png,{('dark;long', 'dark', '')[n % 3]}" for n in range(8)]
    (tmp_path / "there/labels.csv").write_text("\n".join(["image,labels", *rows]))
    assert run_pixmill("new", "clothes", "--from", "there") == 1
    assert "--unlisted" in capsys.readouterr().err
    assert run_pixmill("new", "clothes", "--from", "there", "--unlisted", "no") == 0
    root = tmp_path / "clothes"
    params = load_params(root)
    assert (params.task, params.classes) == ("labels", ("dark", "long"))
    assert params.split.salt != "pixmill"
    assert read_metadata(root / "data") == {
        f"images/{n}.png": (
            Facts("dark;long"),
            Facts("dark", not_label="long"),
            Facts(not_label="dark;long"),
        )[n % 3]
        for n in range(8)
    }
    pipeline = yaml.safe_load((root / "dvc.yaml").read_text())
    stages = pipeline["stages"]
    assert {name for name in stages if "task" in stages[name]["params"]} == {*stages} - {"evaluate"}
    assert "Confusion matrix" not in {name for plot in pipeline["plots"] for name in plot}
    monkeypatch.chdir(root)
    source = str(put(tmp_path / "more", {"dark/1.png": "more"}))
    assert run_pixmill("import", source, "--unlisted", "unknown") == 0
    assert read_metadata(root / "data")["images/1-2.png"] == Facts("dark")


@given(
    st.lists(st.text(min_size=1, max_size=300).filter(lambda name: name.strip("/")), max_size=20)
)
def test_flat_names_are_short_unique_and_portable(names: list[str]) -> None:
    taken: set[str] = set()
    paths = [free_path("cat", name, taken) for name in [*names, *names]]
    flat = [path.removeprefix("cat/") for path in paths]
    assert len({fold(name) for name in flat}) == len(flat)
    assert all(
        0 < len(os.fsencode(name)) <= 255 and not set(name) & set('/\\:*?"<>|\n\0') for name in flat
    )
    assert all(not name.startswith(".") and name == name.strip() for name in flat)
    assert all(fold(unicodedata.normalize("NFD", path)) in taken for path in paths)


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_linked_class_takes_nothing_in(root: Path, tmp_path: Path) -> None:
    there = put(tmp_path / "there", {"1.png": "new"})
    (tmp_path / "home").mkdir()
    (root / "data/cat").rename(tmp_path / "elsewhere")
    (root / "data/cat").symlink_to(tmp_path / "home")
    before = everything(tmp_path)
    with pytest.raises(DataError, match="leads out of"):
        take(root, there, Options(least=1, label="cat"))
    assert everything(tmp_path) == before
