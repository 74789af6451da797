"""The table of images in data/."""

import pytest

from pixmill.core.errors import DataError
from pixmill.core.metadata import FILE, Facts, read_metadata, write_metadata


def read(folder, *lines):
    (folder / FILE).write_text("\n".join(lines), encoding="utf-8-sig")
    return read_metadata(folder)


def test_reads_what_it_writes(tmp_path):
    rows = {
        "b/2.png": Facts(
            label='Pepper, "bell"', split="test", group="7", licence="CC0", author="É", page_url="u"
        ),
        "a/1.png": Facts(),
    }
    write_metadata(tmp_path, rows)
    assert read_metadata(tmp_path) == rows
    assert read_metadata(tmp_path / "nowhere") == {}


def test_several_labels_an_image(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "params.yaml").write_text(
        "{task: labels, classes: [a, b], scrape: {snapshot: '2026-11-20'}}", encoding="utf-8"
    )
    found = read(
        data,
        "file_name,label,not_label,split",
        '1.png,dark; "a;b",,',
        "1.png,dark;long,worn,test",
        "2.png,,dark,",
    )
    assert found["1.png"].split == "test"
    assert found["1.png"].cells == {"dark": True, "a;b": True, "long": True, "worn": False}
    assert found["2.png"].cells == {"dark": False}
    write_metadata(data, found)
    assert read_metadata(data) == found
    write_metadata(data, {"1.png": Facts("dark")})
    assert (data / FILE).read_text().startswith("file_name,label,split,")
    with pytest.raises(DataError, match=r"line 3: 1\.png has another split"):
        read(data, "file_name,label,split", "1.png,dark,test", "1.png,long,train")
    with pytest.raises(DataError, match=r"line 3: 1\.png has and has not the label dark"):
        read(data, "file_name,label,not_label", "1.png,dark,", "1.png,,dark")


def test_tables_of_people(tmp_path):
    found = read(tmp_path, "author,file_name,eyes", "Ada,cat\\1.png,2", ",./dog//2.png", ",,", "Bo")
    assert found == {"cat/1.png": Facts(author="Ada"), "dog/2.png": Facts()}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file;label"], "no column file_name"),
        (["file_name,split", "1.png,", "2.png,dev"], "line 3: split: .*'dev'"),
        (
            ["file_name", "1.png", "2.png", "./1.png"],
            r"line 4: a second row for 1\.png.*task: labels",
        ),
        (["file_name", "../1.png"], "line 2: ../1.png is not below data/"),
        (["file_name", "/etc/1.png"], "line 2"),
        (["file_name,label", '1.png,"cat" or dog'], "cannot be read"),
    ],
)
def test_names_the_wrong_line(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, *lines)
