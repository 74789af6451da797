import base64
import contextlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.errors import DataError
from pixmill.core.params import UrlsParams
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.sources.source import SearchError
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


def urls_source(paths, classes, labels=()):
    params = UrlsParams(files=tuple(map(str, paths)), classes=dict(labels))
    return UrlsSource(params, classes, root=Path("/"))


@pytest.fixture
def find(tmp_path):
    """Write lists; return the candidates of each class."""

    def find(*files, classes=("cat", "dog"), **labels):
        paths = []
        for number, content in enumerate(files):
            name, content = (
                content if isinstance(content, tuple) else (f"list{number}.csv", content)
            )
            path = tmp_path / name
            if isinstance(content, pa.Table):
                pq.write_table(content, path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            paths.append(path)
        source = urls_source(paths, classes, labels)
        return {label: list(answer(source, label)) for label in classes}

    return find


def answer(source, label):
    (query,) = source.queries(label, [label])
    with contextlib.suppress(SearchError):
        yield from source.search(query, access=None)


def addresses(found):
    return {
        label: [candidate.image_url for candidate in candidates]
        for label, candidates in found.items()
    }


# Tables.


def test_yields_the_rows_of_each_class(find):
    found = find(
        "url,label\nhttp://x.test/1,dog\nhttp://x.test/2,cat\nhttp://x.test/3,dog\nhttp://x.test/4,bird\n"
    )
    assert addresses(found) == {
        "cat": ["http://x.test/2"],
        "dog": ["http://x.test/1", "http://x.test/3"],
    }
    assert [candidate.rank for candidate in found["dog"]] == [0, 1]


def test_reads_all_columns(find):
    (cat,) = find(
        "split,md5,bytes,author,LICENSE,title,page_url,label,url,more\n"
        f'validation,{MD5.upper()},12,Ann,CC0,"a, b",http://x.test/p,cat,http://x.test/1,x\n'
    )["cat"]
    assert cat == Candidate(
        "cat", None, 0, "http://x.test/1", None, "http://x.test/p", "a, b", licence="CC0", author="Ann", bytes=12,
        md5=MD5, given_split="val",
    )  # fmt: skip


def test_reads_tabs_bom_and_quotes(find):
    assert addresses(find(b"\xef\xbb\xbf" + b'"url"\t"label"\nhttp://x.test/,1\tcat\n'))["cat"] == [
        "http://x.test/,1"
    ]


def test_reads_parquet(find):
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


def test_normalizes_unicode_labels(find):
    rows = "url,label\nu1,cafe\u0301\nu2,café\nu3,the\u0301\n"
    found = addresses(find(rows, classes=("café", "tea"), tea=("thé",)))
    assert found == {"café": ["u1", "u2"], "tea": ["u3"]}
    assert addresses(find(rows, classes=("tea",), tea=("the\u0301",))) == {"tea": ["u3"]}


def test_labels_of_a_class(find):
    found = find("url,label\nu1,tabby\nu2,cat\nu3,lynx\n", cat=("tabby", "lynx"))
    assert addresses(found) == {"cat": ["u1", "u3"], "dog": []}


def test_remarks_on_unlabelled_rows(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("url,label\nu1,\nu2,cat\nu3,\n\n")
    source = urls_source([path], ["cat"])
    assert len(list(answer(source, "cat"))) == 1
    assert source.remarks() == ["list.csv has 2 rows without a label, ignored"]


def test_names_a_class_without_urls(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("url,label\nu,Kitten\n")
    source = urls_source([path], ["cat"])
    with pytest.raises(SearchError) as caught:
        list(source.search(source.queries("cat", ["cat"])[0], None))
    assert caught.value.failure == "no_results"
    assert caught.value.message.startswith(
        "list.csv has no URL with the label 'cat'; it has Kitten; set scrape."
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("url,class\nu,cat\n", "no column 'label'"),
        ("url,label\nu,cat,more\n", "first row has more fields"),
        ("url,label\nu,cat\nu,cat,more\n", "Expected 2 fields in line 3, saw 3"),
        (
            "url,label,bytes\nu,cat,1\nu,cat,few\n",
            "row 2: bytes: expected a whole number, received 'few'",
        ),
        (
            "url,label,md5\nu,cat,abc\n",
            "row 1: md5: expected 32 hexadecimal digits, received 'abc'",
        ),
        (
            "url,label,split\nu,cat,dev\n",
            "row 1: split: expected one of train, val, test, received 'dev'",
        ),
        ('url,label\n"' + "x" * 200_000, "EOF inside string"),
        ("", "No columns to parse"),
        ("one,two\n1,2\n", "no column 'url', only one, two"),
        (IMAGES, "no column 'label'"),
        (("list.parquet", b"PAR1 or not"), "cannot be read as Parquet"),
    ],
)
def test_rejects_invalid_lists(find, content, words):
    with pytest.raises(DataError, match=words) as caught:
        find(content)
    assert caught.value.next


def test_rejects_missing_lists(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv of scrape\.urls\.files is missing"):
        urls_source([tmp_path / "gone.csv"], ["cat"])
    with pytest.raises(DataError, match=r"scrape\.urls\.files is empty"):
        urls_source([], ["cat"])


OPEN = {"cat": ("/m/01yrx",), "dog": ("/m/0bt9lr",)}


def test_open_images_needs_confidence_1(find):
    found = find(IMAGES, LABELS, **OPEN)
    assert addresses(found) == {
        "cat": ["http://files.test/aa_o.jpg", "http://files.test/ab_o.jpg"],
        "dog": ["http://files.test/ab_o.jpg", "http://files.test/ff_o.jpg"],
    }


def test_reads_the_columns_of_open_images(find):
    first, second = find(LABELS, IMAGES, **OPEN)["cat"]
    assert first == Candidate(
        "cat", None, 0, "http://files.test/aa_o.jpg", "http://files.test/aa_z.jpg", "http://page.test/aa",
        'A "red" cat', licence="https://creativecommons.org/licenses/by/2.0/", author="Doe, J.", bytes=211079, md5=MD5,
    )  # fmt: skip
    assert (second.title, second.thumbnail_url, second.bytes, second.md5) == (
        "Two lines",
        None,
        None,
        None,
    )


def test_excludes_labels_verified_as_absent(find):
    found = find(IMAGES, LABELS, BOXES, **OPEN)
    assert (
        "http://files.test/ac_o.jpg" not in addresses(found)["cat"]
    )  # verified as absent, but boxed
    assert (
        "http://files.test/ac_o.jpg" in addresses(found)["dog"]
    )  # absent according to a model, but boxed


def test_an_image_with_two_labels_of_a_class_is_yielded_once(find):
    found = find(IMAGES, LABELS, classes=["pet"], pet=("/m/01yrx", "/m/0bt9lr"))
    assert [address[-8:-6] for address in addresses(found)["pet"]] == ["aa", "ab", "ff"]


def test_reads_imagenet_lists(find):
    lines = (
        b"n02084071_1\thttp://x.test/caf\xe9 1.jpg\r\nn02084071_2 http://x.test/2\nn00000001_1\tu\n"
    )
    found = find(("fall11_urls.txt", lines), dog=("n02084071",))
    assert addresses(found) == {
        "cat": [],
        "dog": ["http://x.test/caf%E9%201.jpg", "http://x.test/2"],
    }
    assert found["dog"][0].title == "n02084071_1"


BEGINNINGS = ["", "url,label\n", "url\tlabel\n", "http://"]


@given(
    st.sampled_from(BEGINNINGS),
    st.binary(max_size=100) | st.text(',\t\r\n"aé', max_size=50).map(str.encode),
)
def test_reads_or_rejects_any_file(tmp_path_factory, beginning, content):
    path = tmp_path_factory.mktemp("odd") / "cat.csv"
    path.write_bytes(beginning.encode() + content)
    with contextlib.suppress(DataError):
        source = urls_source([path], ["cat"])
        assert all(
            isinstance(candidate.image_url, str | None) for candidate in answer(source, "cat")
        )


def test_searches_may_interleave(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(
        "url,label\n"
        + "".join(f"u{number},{'cat' if number % 2 else 'dog'}\n" for number in range(30_000))
    )
    source = urls_source([path], ["cat", "dog"])
    cats, dogs = (
        source.search(source.queries(label, [label])[0], None) for label in ("cat", "dog")
    )
    for number, (cat, dog) in enumerate(zip(cats, dogs, strict=True)):
        assert (cat.image_url, dog.image_url) == (f"u{2 * number + 1}", f"u{2 * number}")
