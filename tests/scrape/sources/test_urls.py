import base64
import contextlib
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.errors import DataError
from pixmill.core.params import UrlsParams
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.sources.failure import SearchError
from pixmill.scrape.sources.url_lists import hexadecimal_md5, kind_of
from pixmill.scrape.sources.urls import UrlsSource

MD5 = "900150983cd24fb0d6963f7d28e17f72"
BASE64 = base64.b64encode(bytes.fromhex(MD5)).decode()

IMAGES = f"""\
ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title,OriginalSize,OriginalMD5,\
Thumbnail300KURL,Rotation
00000000000000aa,train,http://files.test/aa_o.jpg,http://page.test/aa,https://creativecommons.org/licenses/by/2.0/,\
http://page.test/u1,"Doe, J.","A ""red"" cat",211079,{BASE64},http://files.test/aa_z.jpg,0
00000000000000ab,train,http://files.test/ab_o.jpg,http://page.test/ab,https://creativecommons.org/licenses/by/2.0/,\
http://page.test/u2,Roe,"Two
lines",,,,90
ffffffffffffffff,train,http://files.test/ff_o.jpg,http://page.test/ff,,,,,1,{BASE64},,
00000000000000ac,train,http://files.test/ac_o.jpg,http://page.test/ac,,,,,1,{BASE64},,
"""
LABELS = """\
ImageID,Source,LabelName,Confidence
00000000000000aa,verification,/m/01yrx,1
00000000000000ab,crowdsource-verification,/m/01yrx,1.0
00000000000000ab,verification,/m/0bt9lr,1
ffffffffffffffff,machine,/m/01yrx,0.9
ffffffffffffffff,verification,/m/0bt9lr,1
00000000000000ac,verification,/m/01yrx,0
00000000000000ac,machine,/m/0bt9lr,0
"""
BOXES = """\
ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside
00000000000000ac,xclick,/m/0bt9lr,1,0.1,0.2,0.1,0.2,0,0,0,0,0
00000000000000ac,xclick,/m/01yrx,1,0.1,0.2,0.1,0.2,0,0,0,0,0
"""
NAMES = "/m/01yrx,Cat\n/m/0bt9lr,Dog\n/m/0c0ab,Crane\n/m/0c0ac,Crane\n"


def urls_source(paths, classes, format="auto", called=()):  # noqa: A002
    params = UrlsParams(files=tuple(map(str, paths)), format=format, classes=dict(called))
    return UrlsSource(params, classes, root=Path("/"))


@pytest.fixture
def find(tmp_path):
    """Write some lists and return the candidates of each class."""

    def find(*files, classes=("cat", "dog"), format="auto", **called):  # noqa: A002
        paths = []
        for number, content in enumerate(files):
            name, content = content if isinstance(content, tuple) else (f"list{number}.csv", content)
            path = tmp_path / name
            if isinstance(content, pa.Table):
                pq.write_table(content, path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            paths.append(path)
        with urls_source(paths, classes, format, called) as source:
            return {label: list(answer(source, label)) for label in classes}

    return find


def answer(source, label):
    (query,) = source.queries(label, [label])
    with contextlib.suppress(SearchError):
        yield from source.search(query, access=None)


def addresses(found):
    return {label: [candidate.image_url for candidate in candidates] for label, candidates in found.items()}


# Tables of one's own.


def test_each_class_gets_its_rows_in_order(find):
    found = find("url,label\nhttp://x.test/1,dog\nhttp://x.test/2,cat\nhttp://x.test/3,dog\nhttp://x.test/4,bird\n")
    assert addresses(found) == {"cat": ["http://x.test/2"], "dog": ["http://x.test/1", "http://x.test/3"]}
    assert [candidate.rank for candidate in found["dog"]] == [0, 1]


def test_all_that_a_row_says_is_kept(find):
    (cat,) = find(
        "split,md5,bytes,author,LICENSE,title,page_url,label,url,more\n"
        f'validation,{MD5.upper()},12,Ann,CC0,"a, b",http://x.test/p,cat,http://x.test/1,x\n'
    )["cat"]
    assert cat == Candidate(
        "cat", None, 0, "http://x.test/1", None, "http://x.test/p", "a, b", licence="CC0", author="Ann", bytes=12,
        md5=MD5, given_split="val",
    )  # fmt: skip


def test_columns_without_a_meaning_are_left_out_and_the_last_of_two_counts(find):
    [one] = find("url,image_url,label,license,licence\nhttp://a.test/1,http://b.test/1,cat,by,cc0\n")["cat"]
    assert (one.image_url, one.licence) == ("http://a.test/1", "cc0")


def test_a_table_may_have_tabs_a_mark_and_words_in_quotes(find):
    assert addresses(find(b"\xef\xbb\xbf" + b'"url"\t"label"\nhttp://x.test/,1\tcat\n'))["cat"] == ["http://x.test/,1"]


def test_a_parquet_file_says_the_same(find):
    table = pa.table(
        {
            "label": ["cat", "dog", None],
            "url": ["http://x.test/1", None, "http://x.test/3"],
            "bytes": [7.0, float("nan"), None],
            "other": [1, 2, 3],
        }
    )
    found = find(("list.parquet", table))
    assert [(cat.image_url, cat.bytes) for cat in found["cat"]] == [("http://x.test/1", 7)]
    assert [(dog.image_url, dog.bytes) for dog in found["dog"]] == [(None, None)]


def test_a_label_is_the_same_however_its_accents_are_written(find):
    rows = "url,label\nu1,cafe\u0301\nu2,café\nu3,the\u0301\n"
    found = addresses(find(rows, classes=("café", "tea"), tea=("thé",)))
    assert found == {"café": ["u1", "u2"], "tea": ["u3"]}
    assert addresses(find(rows, classes=("tea",), tea=("the\u0301",))) == {"tea": ["u3"]}


def test_lists_may_call_a_class_otherwise(find):
    found = find("url,label\nu1,tabby\nu2,cat\nu3,lynx\n", cat=("tabby", "lynx"))
    assert addresses(found) == {"cat": ["u1", "u3"], "dog": []}


def test_a_label_may_stand_for_two_classes(find):
    assert addresses(find("url,label\nu,pet\n", cat=("pet",), dog=("pet",))) == {"cat": ["u"], "dog": ["u"]}


def test_rows_without_a_label_are_remarked_on(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("url,label\nu1,\nu2,cat\nu3,\n\n")
    with urls_source([path], ["cat"]) as source:
        assert len(list(answer(source, "cat"))) == 1
        assert source.remarks() == ["list.csv has 2 rows without a label, ignored"]


def test_a_class_that_no_list_has_is_named(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("url,label\nu,Kitten\n")
    with urls_source([path], ["cat"]) as source, pytest.raises(SearchError) as caught:
        list(source.search(source.queries("cat", ["cat"])[0], None))
    assert caught.value.failure == "no_results"
    assert caught.value.message.startswith("list.csv has no URL with the label 'cat'; it has Kitten; set scrape.")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("url,class\nu,cat\n", "no column 'label', only url, class"),
        ("url,label\nu,cat,more\n", "first row has more fields"),
        ("url,label\nu,cat\nu,cat,more\n", "Expected 2 fields in line 3, saw 3"),
        ("url,label,bytes\nu,cat,1\nu,cat,few\n", "row 2: bytes: expected a whole number, received 'few'"),
        ("url,label,md5\nu,cat,abc\n", "row 1: md5: expected 32 hexadecimal digits, received 'abc'"),
        ("url,label,split\nu,cat,dev\n", "row 1: split: expected one of train, val, test, received 'dev'"),
        ('url,label\n"' + "x" * 200_000, "EOF inside string"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("one,two\n1,2\n", "is not a known list of URLs: it begins with 'one,two'"),
        (IMAGES, "its list of labels is missing"),
        (LABELS, "its list of images is missing"),
        (("list.parquet", b"PAR1 or not"), "cannot be read as Parquet"),
    ],
)
def test_a_list_that_is_wrong_is_named(find, content, words):
    with pytest.raises(DataError, match=words) as caught:
        find(content)
    assert caught.value.next


def test_a_list_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv of scrape\.urls\.files cannot be read"):
        urls_source([tmp_path / "gone.csv"], ["cat"])
    with pytest.raises(DataError, match=r"scrape\.urls\.files is empty"):
        urls_source([], ["cat"])


def test_a_format_is_held_to(find):
    with pytest.raises(DataError, match="not a list in the format 'imagenet'"):
        find("url,label\nu,cat\n", format="imagenet")
    with pytest.raises(DataError, match="not a list in the format 'table'"):
        find("address,label\nu,cat\n", format="table")


# Open Images.


def test_the_images_of_open_images_that_surely_show_a_class(find):
    found = find(IMAGES, LABELS, NAMES)
    assert addresses(found) == {
        "cat": ["http://files.test/aa_o.jpg", "http://files.test/ab_o.jpg"],
        "dog": ["http://files.test/ab_o.jpg", "http://files.test/ff_o.jpg"],
    }


def test_what_open_images_says_is_kept(find):
    first, second = find(NAMES, LABELS, IMAGES)["cat"]
    assert first == Candidate(
        "cat", None, 0, "http://files.test/aa_o.jpg", "http://files.test/aa_z.jpg", "http://page.test/aa",
        'A "red" cat', licence="https://creativecommons.org/licenses/by/2.0/", author="Doe, J.", bytes=211079, md5=MD5,
    )  # fmt: skip
    assert (second.title, second.thumbnail_url, second.bytes, second.md5) == ("Two lines", None, None, None)


def test_what_people_did_not_find_is_never_taken(find):
    found = find(IMAGES, LABELS, BOXES, NAMES)
    assert "http://files.test/ac_o.jpg" not in addresses(found)["cat"]  # people said no, a box says yes
    assert "http://files.test/ac_o.jpg" in addresses(found)["dog"]  # a machine said no, a box says yes


def test_a_label_may_be_given_by_its_id_or_its_name(find):
    expected = ["http://files.test/aa_o.jpg", "http://files.test/ab_o.jpg"]
    assert addresses(find(IMAGES, LABELS, classes=["pet"], pet=("/m/01yrx",)))["pet"] == expected
    assert addresses(find(IMAGES, LABELS, NAMES, classes=["pet"], pet=("CAT",)))["pet"] == expected
    assert addresses(find(IMAGES, LABELS, "LabelName,DisplayName\n" + NAMES, classes=["cat"]))["cat"] == expected


def test_an_image_with_two_labels_of_a_class_comes_once(find):
    found = find(IMAGES, LABELS, classes=["pet"], pet=("/m/01yrx", "/m/0bt9lr"))
    assert [address[-8:-6] for address in addresses(found)["pet"]] == ["aa", "ab", "ff"]


def test_a_name_of_two_labels_is_asked_about(find):
    with pytest.raises(DataError, match=r"several labels for 'crane': /m/0c0ab, /m/0c0ac\nNext: .*classes\.crane"):
        find(IMAGES, LABELS, NAMES, classes=["crane"])


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (IMAGES, LABELS.replace("Confidence", "confidence"), "it has no column 'Confidence'"),
        (IMAGES, LABELS.replace("0.9", "high"), "cannot be read"),
    ],
)
def test_a_damaged_list_of_open_images_is_named(find, images, labels, words):
    with pytest.raises(DataError, match=words):
        find(images, labels, NAMES)


def test_lists_with_a_header_alone_have_nothing(find):
    assert addresses(find(IMAGES.splitlines()[0], LABELS.splitlines()[0], NAMES)) == {"cat": [], "dog": []}


# One address a line.


def test_the_lists_of_imagenet(find):
    found = find(
        (
            "fall11_urls.txt",
            b"n02084071_1\thttp://x.test/caf\xe9 1.jpg\r\nn02084071_2 http://x.test/2\nn00000001_1\tu\n",
        ),
        ("n02121808.txt", "http://x.test/caf\u00e9\r\n\r\nhttp://x.test/4\r\n"),
        cat=("n02121808",),
        dog=("n02084071",),
    )
    assert addresses(found) == {
        "cat": ["http://x.test/caf%C3%A9", "http://x.test/4"],
        "dog": ["http://x.test/caf%E9%201.jpg", "http://x.test/2"],
    }
    assert found["dog"][0].title == "n02084071_1"


def test_the_names_of_synsets(find):
    names = ("LOC_synset_mapping.txt", "n02084071 dog, domestic dog\nn02121808 domestic cat, Felis catus\nn1\n")
    lists = ("urls.txt", "n02084071_1\thttp://x.test/1\nn02121808_1\thttp://x.test/2\n")
    assert addresses(find(names, lists, cat=("Felis Catus",))) == {
        "cat": ["http://x.test/2"],
        "dog": ["http://x.test/1"],
    }


def test_lists_of_the_storage_transfer_service(find):
    found = find(("cat.tsv", f"TsvHttpData-1.0\nhttp://x.test/1\t12\t{BASE64}\nhttp://x.test/2\n"))
    assert [(cat.image_url, cat.bytes, cat.md5) for cat in found["cat"]] == [
        ("http://x.test/1", 12, MD5),
        ("http://x.test/2", None, None),
    ]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", "label,url\n", "table"),
        ("a.csv", "LABEL\tURL\n", "table"),
        ("a.csv", IMAGES, "images"),
        ("a.csv", BOXES, "labels"),
        ("a.csv", NAMES, "names"),
        ("a.txt", "\n\nhttps://x.test/a?url,label\n", "addresses"),
        ("a.txt", "n02084071_17 http://x.test\n", "synset_addresses"),
        ("words.txt", "n00001740\tentity\n", "synset_names"),
        ("a.tsv", "TsvHttpData-1.0\r\n", "tsv"),
    ],
)
def test_a_list_tells_its_kind(tmp_path, name, content, kind):
    (tmp_path / name).write_text(content)
    assert kind_of(tmp_path / name) == kind


BEGINNINGS = ["", "url,label\n", "n02084071_1 ", "n02084071 ", "http://", "TsvHttpData-1.0\n", "/m/01yrx,"]


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=100) | st.text(',\t\r\n"aé', max_size=50).map(str.encode))
def test_no_file_is_too_odd(tmp_path_factory, beginning, content):
    path = tmp_path_factory.mktemp("odd") / "cat.csv"
    path.write_bytes(beginning.encode() + content)
    with contextlib.suppress(DataError), urls_source([path], ["cat"]) as source:
        assert all(isinstance(candidate.image_url, str | None) for candidate in answer(source, "cat"))


@given(st.binary(min_size=16, max_size=16))
def test_an_md5_is_read_however_it_is_written(digest):
    assert hexadecimal_md5(base64.b64encode(digest).decode()) == hexadecimal_md5(digest.hex().upper()) == digest.hex()


@pytest.mark.parametrize("text", ["", "abc", "ABCD", "é" * 24, "=" * 24])
def test_what_is_no_md5(text):
    assert hexadecimal_md5(text) is None


def test_searches_may_run_side_by_side(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(
        "url,label\n" + "".join(f"u{number},{'cat' if number % 2 else 'dog'}\n" for number in range(30_000))
    )
    with urls_source([path], ["cat", "dog"]) as source:
        cats, dogs = (source.search(source.queries(label, [label])[0], None) for label in ("cat", "dog"))
        for number, (cat, dog) in enumerate(zip(cats, dogs, strict=True)):
            assert (cat.image_url, dog.image_url) == (f"u{2 * number + 1}", f"u{2 * number}")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_list(tmp_path, monkeypatch):
    monkeypatch.setattr("pixmill.scrape.sources.url_lists._ROWS", 5_000)

    def peak(count):
        path = tmp_path / f"{count}.csv"
        path.write_text("url,label\n" + "".join(f"https://files.test/{number}.jpg,cat\n" for number in range(count)))
        with urls_source([path], ["cat"]) as source:
            tracemalloc.start()
            assert sum(1 for _ in source.search(source.queries("cat", ["cat"])[0], None)) == count
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak

    assert peak(60_000) < 1.2 * peak(20_000)
