"""Sorting predicted images into folders, and sidecars beside them."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.core.files import writing
from pixmill.core.files.writing import file_digest
from pixmill.heads import head_of
from pixmill.metrics.prior_shift import PriorShift
from pixmill.serve.predict.delivery import Delivery, answers_of
from pixmill.serve.predict.inputs import find_images

OUT = Path("out")


def row(name, predicted="coat", *, sure=True, unlike=False, **more):
    path = Path(name)
    known = {"path": name, "id": file_digest(path), "predicted": predicted, "confidence": 0.9}
    return known | {"sure": sure, "unlike": unlike, "reason": None} | more


def deliver(model, words, rows, folder=OUT, *, sidecars=False):
    """Deliver the images whose rows are given by path; return the lines."""
    images = find_images(words)
    pairs = [(each, rows[each.name]) for each in images if each.name in rows]
    delivery = Delivery(images, model, folder, sidecars)
    delivery.deliver(pairs)
    return delivery.lines()


def tree(folder=OUT):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "pixmill" not in path.parent.name
    )


def states(folder=OUT):
    return {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture
def rows(photos):
    photos = [
        row("photos/00.jpeg"),
        row("photos/01.png", "T-shirt & top"),
        row("photos/02.webp", sure=False),
        row("photos/04.png", unlike=True, sure=False),
        row("photos/notes.txt", None, sure=None, unlike=None, reason="unknown"),
        row("photos/new/03.jpeg", sure=None),  # by a model without a threshold
    ]
    return {each["path"]: each for each in photos}


def test_sorts_by_answer_and_mirrors_folders(model, rows):
    lines = deliver(model, ["photos"], rows)
    assert tree() == [
        "T-shirt & top/01.png",
        "coat/00.jpeg",
        "coat/new/03.jpeg",
        "unlike/04.png",
        "unreadable/notes.txt",
        "unsure/02.webp",
    ]
    assert Path("photos/00.jpeg").samefile("out/coat/00.jpeg")
    assert "Sorted 6 files into out: 2 coat" in lines[0]


def test_further_runs_add_only_what_is_new(model, rows):
    deliver(model, ["photos"], rows, sidecars=True)
    before = states()
    deliver(model, ["photos"], rows, sidecars=True)
    assert states() == before
    Path("out/coat/00.jpeg").rename("out/unsure/00.jpeg")  # by hand
    Path("out/unlike/04.png").unlink()
    sorted_by_hand = tree()
    other = replace(model, digest="f" * 64)
    again = {name: each | {"predicted": "kurtā", "sure": True} for name, each in rows.items()}
    new = row("photos/05.webp", "kurtā")
    lines = deliver(other, ["photos"], again | {"photos/05.webp": new})
    assert tree() == sorted([*sorted_by_hand, "kurtā/05.webp"])
    assert lines[1:] == ["Sorted before by another model, or with other classes or shares: 6"]


def test_other_shares_are_another_model(model, rows):
    deliver(model, ["photos"], rows)
    shifted = replace(model, shift=PriorShift((1.0, 2.0, 1.0), 0.9, None))
    lines = deliver(shifted, ["photos"], rows, sidecars=True)
    assert "other classes or shares: 6" in lines[1]
    assert not [name for name in tree() if name.endswith(".xmp")]  # They are of other folders.


def test_sidecars_and_sorted_images_stay_out_of_the_data(model, photos, tmp_path):
    photos.rename(tmp_path / "data")
    images = find_images(["data/new"])
    with pytest.raises(DataError, match="data"):
        Delivery(images, model, None, sidecars=True, root=tmp_path)
    with pytest.raises(DataError, match="data"):
        Delivery(images, model, tmp_path / "data/sorted", sidecars=False, root=tmp_path)
    assert Delivery(images, model, OUT, sidecars=True, root=tmp_path)
    assert Delivery(images, model, None, sidecars=True)  # It is no project.


def test_nothing_is_written_outside_of_the_folder(model, rows, tmp_path):
    """A branch of others may contain the folder, with its journal."""
    deliver(model, ["photos"], rows)
    (journal,) = OUT.glob(".pixmill-sorted/*.jsonl")
    journal.write_text(journal.read_text().replace("coat/00.jpeg", "../photos/05.webp"))
    shutil.rmtree("out/unlike")
    Path("elsewhere").mkdir()
    Path("out/kurtā").symlink_to(tmp_path / "elsewhere")
    new = row("photos/05.webp", "kurtā")
    lines = deliver(model, ["photos"], rows | {"photos/05.webp": new}, sidecars=True)
    assert "'out/../photos/05.webp' leads out of out" in lines[-1]
    assert "'out/kurtā/05.webp' leads out of out" in lines[-1]
    assert [*Path("elsewhere").iterdir(), *Path("photos").glob("*.xmp")] == []
    assert Path("out/coat/new/03.jpeg.xmp").exists()
    shutil.move("out/.pixmill-sorted", "elsewhere")
    Path("out/.pixmill-sorted").symlink_to(tmp_path / "elsewhere/.pixmill-sorted")
    with pytest.raises(DataError, match="leads out"):
        deliver(model, ["photos"], rows)


def test_leaves_out_pipes(model, photos):
    os.mkfifo(photos / "pipe.jpg")
    found = row("photos/00.jpeg", None, reason="unreadable") | {"path": "photos/pipe.jpg"}
    lines = deliver(model, ["photos"], {"photos/pipe.jpg": found})
    assert lines[-1] == "Left out: photos/pipe.jpg (is no regular file in what was named)"
    assert tree() == []


def test_other_images_of_the_same_name_stay(model, rows, photos):
    shutil.copytree(photos, "b/photos")
    shutil.copy("photos/05.webp", "b/photos/00.jpeg")
    other = row("b/photos/00.jpeg")
    both = rows | {"b/photos/00.jpeg": other, "b/photos/01.png": row("b/photos/01.png")}
    deliver(model, ["photos", "b/photos"], both)
    name = f"out/coat/00-{other['id'][:8]}.jpeg"
    assert Path(name).read_bytes() == Path("b/photos/00.jpeg").read_bytes()
    assert len(tree()) == len(rows) + 1  # The same image has the same place.


def test_keeps_what_others_put_there(model, rows):
    OUT.joinpath("coat").mkdir(parents=True)
    for name in ("00.jpeg", f"00-{rows['photos/00.jpeg']['id'][:8]}.jpeg"):
        (OUT / "coat" / name).write_text("mine")
    (OUT / "unlike").write_text("a file")
    (line,) = deliver(model, ["photos"], rows)[1:]
    assert "photos/00.jpeg" in line
    assert "photos/04.png" in line
    assert {path.read_text() for path in (OUT / "coat").glob("00*")} == {"mine"}


def test_leaves_out_what_is_no_file_or_leads_elsewhere(model, rows, tmp_path):
    (tmp_path / "secret").write_text("secret")
    links = {"away.jpg": "../secret", "new.jpg": "new", "inside.jpg": "00.jpeg"}
    for name, target in links.items():
        (tmp_path / "photos" / name).symlink_to(target)
    failed = {"predicted": None, "sure": None, "unlike": None}
    known = {
        "photos/away.jpg": row("secret", **failed, reason="symlink"),
        "photos/new.jpg": row("secret", **failed, reason="unreadable"),
        "photos/inside.jpg": row("photos/inside.jpg"),
    }
    lines = deliver(model, ["photos"], known)
    assert tree() == ["coat/inside.jpg"]
    assert not Path("out/coat/inside.jpg").is_symlink()
    assert "away.jpg" in lines[-1]
    assert "new.jpg" in lines[-1]


def test_one_image_never_ends_the_pass(model, rows, tmp_path):
    name = f"photos/{'x' * 250}.jpg"  # too long for a sidecar
    shutil.copy("photos/00.jpeg", name)
    Path("out/coat/00.jpeg.xmp").mkdir(parents=True)
    (tmp_path / "out" / "unlike").touch()
    lines = deliver(model, ["photos"], rows | {name: row(name)}, sidecars=True)
    assert [name in tree() for name in (f"coat/{Path(name).name}", "coat/00.jpeg")] == [True, True]
    assert [word in lines[-1] for word in (name, "photos/00.jpeg", "photos/04.png")] == [True] * 3
    assert "T-shirt & top/01.png.xmp" in tree()


def test_urls_are_named_and_left(model, rows):
    url = f"https://example.org/{'x' * 300}.jpg"
    known = rows | {url: row("photos/00.jpeg", path=url)}
    lines = deliver(model, ["photos", url], known, sidecars=True)
    assert url in lines[-1]
    assert not Path("https:").exists()


def test_copies_where_links_are_refused(model, rows, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(writing.os, "link", refuse)
    deliver(model, ["photos"], rows)
    assert not Path("photos/00.jpeg").samefile("out/coat/00.jpeg")
    assert file_digest(Path("out/coat/00.jpeg")) == rows["photos/00.jpeg"]["id"]


def test_removes_partial_files_of_a_killed_run(model, rows):
    parts = [Path("out/coat/.part-1-x.jpg"), Path("photos/new/.part-1-a.jpg.xmp")]
    for part in parts:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    deliver(model, ["photos"], rows, sidecars=True)
    assert not any(part.exists() for part in parts)


def test_refuses_a_file_as_folder(model, photos):
    with pytest.raises(DataError, match="is not a folder"):
        deliver(model, ["photos"], {}, photos / "00.jpeg")


def test_hostile_classes_stay_inside(model, rows):
    names = ("../../x", "/etc", "..", "a/b", "CON", "x" * 300, "a\0b")
    for number, name in enumerate(names):
        path = f"photos/hostile-{number}.jpg"
        shutil.copy("photos/00.jpeg", path)
        rows[path] = row(path, name)
    deliver(model, ["photos"], rows, sidecars=True)
    found = [path for path in tree() if "hostile" in path and not path.endswith(".xmp")]
    assert len(found) == len(names)
    assert {path.count("/") for path in found} == {1}


def test_classes_named_like_the_other_folders(model):
    answer = {"predicted": "Unsure", "sure": True, "unlike": False}
    assert answers_of(answer, head_of("one_label")) == ["Unsure (class)"]


@pytest.mark.parametrize(
    ("predicted", "sure", "expected"),
    [
        ("dark;long", {"dark": True, "long": True}, ["dark", "long"]),
        ("dark;long", {"dark": True, "long": False}, ["dark", "unsure"]),
        ("dark;long", {"dark": None, "long": True}, ["dark", "long"]),
        ("", {"dark": True, "long": True}, ["none of these"]),
        ("", {"dark": False, "long": True}, ["unsure"]),
    ],
)
def test_several_labels_have_several_places(predicted, sure, expected):
    flags = {f"sure_{label}": each for label, each in sure.items()}
    found = {"predicted": predicted, "sure": False not in sure.values(), "unlike": False} | flags
    assert answers_of(found, head_of("labels")) == expected


def test_sidecars_are_beside_originals_or_sorted_images(model, rows):
    deliver(model, ["photos"], rows, folder=None, sidecars=True)
    sidecars = sorted(path.name for path in Path("photos").rglob("*.xmp"))
    assert sidecars == sorted(
        f"{Path(name).name}.xmp" for name, each in rows.items() if each["predicted"]
    )
    original = Path("photos/00.jpeg")
    before = original.stat().st_mtime_ns
    deliver(model, ["photos"], rows, sidecars=True)
    assert Path("out/coat/00.jpeg.xmp").read_bytes() == Path("photos/00.jpeg.xmp").read_bytes()
    assert "unreadable/notes.txt.xmp" not in tree()
    assert original.stat().st_mtime_ns == before


def test_sidecars_of_other_programs_stay(model, rows):
    Path("photos/00.jpeg.xmp").write_text("<x:xmpmeta/>")
    lines = deliver(model, ["photos"], rows, folder=None, sidecars=True)
    assert Path("photos/00.jpeg.xmp").read_text() == "<x:xmpmeta/>"
    assert "Sidecars up to date: 4" in lines
    assert "photos/00.jpeg.xmp" in lines[-1]
