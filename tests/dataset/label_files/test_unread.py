"""Annotation files that nothing reads are named, and no others."""

from pathlib import Path

import pytest

from pixmill.dataset.label_files.unread import may_label, name_unread

LABELS = {
    "labels.xlsx": b"PK\x03\x04",
    "1.xml": b"<annotation/>",
    "1.json": b'{"flags": {"cat": true}, "shapes": []}',
    "2.json": b'{"a/1.JPG": 3}',
    "1.txt": b"0 0.5 0.5 0.25 1\n",
    "train.txt": b"images/1.jpg 4\n",
    "labels.csv": b"id,Label\n1,cat\n",
    "via.csv": b"filename,file_size,file_attributes\n1.jpg,9,{\n",
    "labels.mat": b"MATLAB",
}
OTHERS = {
    "dataset_info.json": b'{"features": {"label": {}}}',
    "package.json": b'{"name": "a", "version": "1.0"}',
    "3.json": b'{"caption": "a cat", "url": "https://a.test/1.jpg"}',
    "README.txt": b"1.jpg is a cat",
    "digits.txt": b"0" + 4 * (b" " + b"1" * 16_000) + b"x",
    "camera.txt": b"photos from my.jpg camera",
    "config.json": b'{"name": "x", "tags": ["a"]}',
    "counts.csv": b"class,count\ncat,3\n",
    "notes.txt": b"Taken in May: 1.jpg\n0 0 0 0 0",
    "history.csv": b"epoch,loss\n1,0.5\n",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    "scan.tif.aux.xml": b"<PAMDataset/>",
}


@pytest.mark.parametrize("name", [*LABELS, *OTHERS])
def test_signs_of_labels(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes({**LABELS, **OTHERS}[name])
    assert may_label(tmp_path / name) == (name in LABELS)


def test_a_line_for_each_kind(tmp_path: Path) -> None:
    for name, content in {**LABELS, **OTHERS}.items():
        (tmp_path / name).write_bytes(content)
    lines = name_unread(filter(may_label, sorted(tmp_path.iterdir())), tmp_path, {})
    assert len(lines) == len({Path(name).suffix for name in LABELS})
    assert [line for line in lines if "1.json, 2.json;" in line]
