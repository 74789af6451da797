import hashlib
import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pixmill.compute import Limits
from pixmill.errors import DataError, ManifestError
from pixmill.evaluate.unlabelled import Preprocessing, predict_unlabelled, unlabelled_folder, unlabelled_schema
from pixmill.files import write_json
from pixmill.images import fit
from pixmill.metrics import tempered
from tests.evaluate.conftest import LABELS, by_brightness

HOW = Preprocessing(8, "pad", "bicubic")


def picture(shade, size=(20, 12), kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Four pictures, two of them alike, in folders of folders, and things that are no pictures."""
    folder = tmp_path / "data" / "unlabelled"
    (folder / "spring" / "may").mkdir(parents=True)
    (folder / "b.png").write_bytes(picture(30))
    (folder / "a.jpg").write_bytes(picture(220, kind="JPEG"))
    (folder / "spring" / "c.png").write_bytes(picture(140))
    (folder / "spring" / "may" / "again.png").write_bytes(picture(30))
    (folder / "notes.txt").write_text("not a picture")
    (folder / "short.png").write_bytes(picture(90)[:-20])
    (folder / ".hidden.png").write_bytes(picture(10))
    return folder


def predicted(folder, **options):
    return predict_unlabelled(by_brightness, folder, LABELS, HOW, **{"workers": 1, **options})


def test_every_file_has_one_row_sorted_by_path(folder):
    table = predicted(folder)
    assert list(table["path"]) == ["a.jpg", "b.png", "notes.txt", "short.png", "spring/c.png", "spring/may/again.png"]
    rows = table.set_index("path")
    assert rows.loc["a.jpg", "predicted"] == "light"
    assert rows.loc["b.png", "predicted"] == "dark"
    for path in folder.rglob("*.png"):
        if path.name[0] != ".":
            expected = hashlib.sha256(path.read_bytes()).hexdigest()
            assert rows.loc[path.relative_to(folder).as_posix(), "id"] == expected


def test_what_is_no_picture_is_a_row_with_a_reason(folder):
    table = predicted(folder).set_index("path")
    assert table["reason"].dropna().to_dict() == {"notes.txt": "unknown", "short.png": "truncated"}
    unread = table.loc[["notes.txt", "short.png"]]
    assert unread[["predicted", "confidence", "sure", "p_dark", "p_light"]].isna().all(axis=None)
    assert table.drop(["notes.txt", "short.png"])["predicted"].notna().all()


def test_the_model_sees_what_it_saw_in_training(folder):
    seen = []

    def predict(batch):
        seen.append(batch)
        return by_brightness(batch)

    predict_unlabelled(predict, folder, LABELS, Preprocessing(8, "crop", "box"), workers=1)
    pixels = np.asarray(Image.open(folder / "b.png"))
    assert seen[0].dtype == np.float32
    assert np.array_equal(seen[0][1], fit(pixels, 8, "crop", "box"))


def test_confidence_is_calibrated_and_what_is_not_sure_is_told(folder):
    table = predicted(folder, temperature=2.0, threshold=0.65).dropna(subset=["predicted"])
    given = table[["p_dark", "p_light"]].to_numpy(np.float32)
    assert table["confidence"].to_numpy() == pytest.approx(tempered(given, 2.0).max(axis=1))
    assert list(table["sure"]) == list(table["confidence"] >= 0.65)
    assert set(table["sure"]) == {True, False}
    assert not predicted(folder, threshold=None)["sure"].any()
    assert predicted(folder)["sure"].dropna().all()


def test_more_pictures_than_a_batch_keep_their_places(tmp_path):
    for number in range(150):
        shade = 250 if number % 3 == 0 else 5
        (tmp_path / f"{number:03}.png").write_bytes(picture(shade, size=(4, 4)) if number % 7 else b"nothing")
    table = predicted(tmp_path, workers=2)
    for number, row in enumerate(table.itertuples()):
        expected = None if number % 7 == 0 else ("light" if number % 3 == 0 else "dark")
        assert row.path == f"{number:03}.png"
        assert (expected is None and row.reason == "unknown") or row.predicted == expected


def test_a_picture_that_takes_too_much_memory_costs_itself_alone(folder):
    (folder / "large.png").write_bytes(picture(200, size=(6900, 6900)))
    table = predicted(folder, limits=Limits(seconds=20, memory=64 << 20)).set_index("path")
    assert table.loc["large.png", "reason"] == "memory"
    assert table.loc["a.jpg", "predicted"] == "light"


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    outside = tmp_path / "outside.png"
    outside.write_bytes(picture(30))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "d.png").write_bytes(picture(30))
    (folder / "link.png").symlink_to(outside)
    (folder / "more").symlink_to(tmp_path / "more")
    (folder / "within.png").symlink_to(folder / "b.png")
    (folder / "broken.png").symlink_to(folder / "gone.png")
    table = predicted(folder).set_index("path")
    assert table.loc["link.png", "reason"] == "symlink"
    assert table.loc["more", "reason"] == "symlink"
    assert table.loc["broken.png", "reason"] == "unreadable"
    assert table.loc["within.png", "predicted"] == "dark"


def test_an_empty_folder_gives_an_empty_table(tmp_path):
    table = predicted(tmp_path)
    assert list(table.columns) == unlabelled_schema(LABELS).names
    assert table.empty


def test_the_table_fits_its_schema(folder):
    table = pa.Table.from_pandas(predicted(folder), unlabelled_schema(LABELS), preserve_index=False, safe=True)
    assert table.num_rows == 6


@pytest.mark.parametrize("name", ["pictures", "data", "../elsewhere", "/tmp", "data/../pictures"])
def test_only_folders_below_data_are_taken(folder, tmp_path, name):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError, match="expected a folder below data/"):
        unlabelled_folder(tmp_path, name)


def test_the_folder_must_be_there(folder, tmp_path):
    assert unlabelled_folder(tmp_path, "data/unlabelled") == folder
    with pytest.raises(DataError, match="data/new is missing"):
        unlabelled_folder(tmp_path, "data/new")


def test_preprocessing_comes_from_the_classifier(tmp_path):
    write_json(tmp_path / "labels.json", {"labels": ["a", "b"], "image_size": 56, "aspect": "pad", "resize": "box"})
    assert Preprocessing.of(tmp_path) == Preprocessing(56, "pad", "box")
    write_json(tmp_path / "labels.json", {"labels": ["a", "b"], "image_size": 56, "aspect": "twist", "resize": "box"})
    with pytest.raises(ManifestError, match="expected image_size, aspect and resize"):
        Preprocessing.of(tmp_path)
