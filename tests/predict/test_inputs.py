"""Everything that a person can name becomes a stream of images; what does not exist is refused before any work."""

import hashlib
import io
import os
from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.learn.classifier import Prediction
from pixmill.learn.inference import Located
from pixmill.predict.inputs import Url, find_images


def found(*words, stdin=b"", ours=()):
    return list(find_images(words, io.BytesIO(stdin), ours))


def names(*words, **options):
    return [each.name for each in found(*words, **options)]


EVERY = [
    "photos/00.jpeg",
    "photos/01.png",
    "photos/02.webp",
    "photos/04.png",
    "photos/05.webp",
    "photos/06.jpeg",
    "photos/08.webp",
    "photos/09.jpeg",
    "photos/10.png",
    "photos/cut.jpg",
    "photos/empty.png",
    "photos/new/03.jpeg",
    "photos/new/07.png",
    "photos/new/11.webp",
    "photos/new/again.jpg",
    "photos/notes.txt",
]


def test_a_folder_stands_for_its_files_and_those_of_its_subfolders(photos):
    (photos / ".hidden.jpg").touch()
    assert names("photos") == names("photos/") == names("./photos") == EVERY
    assert names(str(photos)) == [str(photos.parent / name) for name in EVERY]
    assert found("photos")[0].source == Located(Path("photos/00.jpeg"), Path("photos"))
    os.chdir(photos)
    assert names(".") == [name.removeprefix("photos/") for name in EVERY]


def test_words_keep_their_order_and_patterns_are_expanded(photos):
    assert names("photos/new/*.jp*g", "photos/01.png") == [
        "photos/new/03.jpeg",
        "photos/new/again.jpg",
        "photos/01.png",
    ]
    assert names("photos/**/*.png") == [name for name in EVERY if name.endswith(".png")]
    assert sorted(names("photos/**")) == EVERY
    assert names("photos/ne?") == [name for name in EVERY if "new" in name]


def test_a_name_that_looks_like_a_pattern_is_a_file_first(photos):
    (photos / "[1].png").touch()
    assert names("photos/[1].png") == ["photos/[1].png"]


@pytest.mark.parametrize("word", ["gone.jpg", "photos/*.gif", "", "ftp://example.org/a.jpg"])
def test_what_does_not_exist_is_refused(photos, word):
    with pytest.raises(DataError, match=r"does not exist|no file matches"):
        find_images(["photos", word], io.BytesIO())


def test_a_url_is_not_looked_for_among_the_files(photos):
    (each,) = found("HTTPS://example.org/a.jpg?b=1")
    assert (each.name, each.state) == ("HTTPS://example.org/a.jpg?b=1", ())
    assert isinstance(each.source, Url)


def test_standard_input_may_be_an_image(photos):
    content = (photos / "00.jpeg").read_bytes()
    (each,) = found("-", stdin=content)
    assert (each.name, each.source, each.state) == ("-", content, (hashlib.sha256(content).hexdigest(),))
    (each,) = found("-", stdin=b"\0\1\2")
    assert each.source == b"\0\1\2"


def test_standard_input_may_be_lines_of_paths_and_urls(photos):
    lines = "photos/00.jpeg\nhttps://example.org/ü.jpg\r\n\n  photos/gone.jpg\nphotos/new\n" + "photos/01.png\n" * 1000
    rows = found("-", stdin=lines.encode())
    first = ["photos/00.jpeg", "https://example.org/ü.jpg", "photos/gone.jpg", "photos/new"]
    assert [each.name for each in rows] == first + ["photos/01.png"] * 1000
    assert rows[0].source == Path("photos/00.jpeg")
    assert isinstance(rows[1].source, Url)
    assert rows[2].source == Prediction(reason="missing_file")
    assert found("-", stdin=b"") == []
    assert names("-", stdin=b"photos/00.jpeg") == ["photos/00.jpeg"]


def test_names_with_line_ends_come_with_null_bytes(photos):
    (photos / "new\nline.png").touch()
    lines = b"photos/new\nline.png\0photos/gone.png \0https://example.org/a.jpg\0"
    assert names("-", stdin=lines) == ["photos/new\nline.png", "photos/gone.png ", "https://example.org/a.jpg"]


def test_a_list_may_begin_with_a_byte_order_mark(photos):
    assert names("-", stdin=b"\xef\xbb\xbfphotos/00.jpeg\r\nphotos/01.png") == ["photos/00.jpeg", "photos/01.png"]


def test_a_folder_without_files_is_refused(photos):
    Path("empty/.hidden").mkdir(parents=True)
    with pytest.raises(DataError, match="no files in empty"):
        find_images(["photos", "empty"], None)


def test_standard_input_that_is_closed_is_refused_only_where_it_is_named(photos):
    assert len(list(find_images(["photos"], None))) == len(EVERY)
    with pytest.raises(DataError, match="standard input is closed"):
        find_images(["-"], None)


def test_standard_input_is_read_once_and_as_a_stream(photos):
    with pytest.raises(DataError, match="only once"):
        find_images(["-", "-"], io.BytesIO())
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb") as lines:
        stream = iter(find_images(["-"], stdin))
        lines.write(b"photos/00.jpeg\n" * 500)
        lines.flush()
        assert next(stream).name == "photos/00.jpeg"
        assert find_images(["-"], stdin).count() is None


def test_the_number_is_known_but_for_standard_input(photos):
    words = ["photos", "photos/*.png", "https://example.org/a.jpg"]
    assert find_images(words, io.BytesIO()).count() == len(found(*words)) == len(EVERY) + 5


def test_size_and_time_tell_whether_a_file_is_the_same(photos):
    path = photos / "00.jpeg"
    (before,) = found("photos/00.jpeg")
    assert before.state == (path.stat().st_size, path.stat().st_mtime_ns)
    os.utime(path, ns=(1, 1))
    (after,) = found("photos/00.jpeg")
    assert after.state != before.state


def test_the_outputs_are_no_inputs(photos):
    (photos / "answers.csv").touch()
    (photos / "new" / "answers.csv").touch()
    ours = [Path("photos/answers.csv"), Path("photos/answers.csv.partial")]
    assert names("photos", ours=ours) == sorted([*EVERY, "photos/new/answers.csv"])
    assert names("photos/a*", "photos/answers.csv", "photos/notes.txt", ours=ours) == ["photos/notes.txt"]


def test_a_name_is_no_formula(photos):
    os.chdir(photos)
    for name in ("=1+1.png", "@x.png", "+1.png", "\n=1.png"):
        Path(name).touch()
    assert names("=1+1.png", "@x.png", "+1.png", "\n=1.png") == ["./=1+1.png", "./@x.png", "./+1.png", "./\n=1.png"]
    assert not [name for name in names(".") if name[0] in "=+-@"]


@pytest.mark.linux
def test_names_that_are_no_utf_8_are_escaped(photos):
    (photos / os.fsdecode(b"\xff.png")).touch()
    assert "photos/\\udcff.png" in names("photos")
    assert names("-", stdin=b"photos/\xff.png\nhttp://x/\xff\n") == ["photos/\\udcff.png", "http://x/\\udcff"]


def test_a_broken_link_is_left_to_the_worker(photos):
    (photos / "link.png").symlink_to(photos / "gone.png")
    for each in (*found("photos/link.png"), next(each for each in found("photos") if "link" in each.name)):
        assert not isinstance(each.source, Prediction)
        assert each.state == ()
