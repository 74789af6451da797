"""Groups by page and product, and clusters."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.core.errors import DataError
from pixmill.core.manifest import SIGHTINGS, table_writer
from pixmill.split.grouping import clusters, group_names, page_of, product_of
from tests.split.conftest import ids, table


def groups(by, **columns):
    count = len(next(iter(columns.values())))
    names = sorted(ids(count))
    found = group_names(table(names, **columns), by)
    assert len(found) == count
    return [None if pd.isna(name) else name for name in found]


def test_page_ignores_fragment():
    pages = ["http://a.test/p?x=1#top", "http://a.test/p?x=1", "http://a.test/p?x=2", None]
    one, same, other, none = groups("page", page_url=pages)
    assert one == same != other
    assert none is None


CLIPS = [
    f"data/{name}"
    for name in ("cat/clip07_a1.jp2", "cat/clip07_a2.jp2", "dog/clip07_a1.jp2", "cat/clip8_1.png")
]


@pytest.mark.parametrize(
    ("by", "numbers"),
    [
        (r"(clip\d+)_", [0, 0, 0, 1]),
        (r"(\w+/clip\d+)_", [0, 0, 1, 2]),
        (r"clip(07)_|(\d)$", [0, 0, 0, 1]),
        (r"([^/]*?)\d+[^\d/]*$", [0, 0, 0, 1]),
        ("folder", [0, 0, 1, 0]),
    ],
)
def test_pattern_on_the_path(by, numbers):
    assert pd.factorize(np.array(groups(by, image_url=CLIPS), object))[0].tolist() == numbers


def test_table_of_groups(tmp_path):
    (tmp_path / "data").mkdir()
    rows = [
        "file_name,patient",
        "cat/clip07_a1.jp2,A",
        "clip07_a2,A",
        "dog/clip07_a1.jp2,B",
        "clip8_1.png,B",
    ]
    (tmp_path / "data/groups.csv").write_text("\n".join(rows), encoding="utf-8-sig")
    manifest = table(sorted(ids(4)), image_url=CLIPS)
    found = group_names(manifest, "data/groups.csv:patient", tmp_path)
    assert pd.factorize(found)[0].tolist() == [0, 0, 1, 1]
    with pytest.raises(DataError, match="doctor"):
        group_names(manifest, "data/groups.csv:doctor", tmp_path)
    with pytest.raises(DataError, match=r"other\.csv"):
        group_names(manifest, "data/other.csv:patient", tmp_path)


def test_groups_of_metadata(tmp_path):
    (tmp_path / "data").mkdir()
    rows = [
        "file_name,label,group",
        "cat/clip07_a1.jp2,,A",
        r"cat\clip07_a2.jp2,,A",
        "dog/clip07_a1.jp2,,",
    ]
    (tmp_path / "data/metadata.csv").write_text("\n".join(rows), encoding="utf-8")
    manifest = table(sorted(ids(4)), image_url=CLIPS, source=["folder"] * 4)
    found = group_names(manifest, "data/metadata.csv:group", tmp_path)
    assert found.where(found.notna(), None).tolist() == ["group A", "group A", None, None]
    (tmp_path / "data/metadata.csv").write_text(
        "\n".join(row.rstrip("A") for row in rows), encoding="utf-8"
    )
    with pytest.raises(DataError, match="no groups"):
        group_names(manifest, "data/metadata.csv:group", tmp_path)


def test_groups_of_files_with_the_same_bytes_are_joined(tmp_path):
    names = sorted(ids(3))
    files = ["data/cat/1.png", "data/cat/2.png", "data/cat/3.png"]
    (tmp_path / "data").mkdir()
    rows = ["file_name,group", "cat/1.png,A", "cat/copy.png,B", "cat/2.png,B", "cat/3.png,C"]
    for file in ("metadata", "groups"):
        (tmp_path / f"data/{file}.csv").write_text("\n".join(rows), encoding="utf-8")
    seen = {"id": names[0], "label": "cat", "source": "folder", "rank": 0, "thumbnail": False}
    (tmp_path / "artifacts/scrape").mkdir(parents=True)
    with table_writer(tmp_path / "artifacts/scrape/sightings.parquet", SIGHTINGS) as write:
        write([{**seen, "image_url": file} for file in ("data/cat/1.png", "data/cat/copy.png")])
    for file in ("metadata", "groups"):
        found = group_names(table(names, image_url=files), f"data/{file}.csv:group", tmp_path)
        assert found.tolist() == ["group A", "group A", "group C"]


def test_each_kept_image_needs_a_group_except_corrections():
    names = [*CLIPS, "data/cat/photo.jpg", "data/cat/feedback-2026-11-20-0123456789abcdef.jpg"]
    manifest = table(sorted(ids(6)), image_url=names)
    with pytest.raises(DataError, match=r"1 of 6 images, such as data/cat/photo\.jpg"):
        group_names(manifest, r"(clip\d+)_")
    manifest.loc[4, "verdict"] = "drop"
    assert group_names(manifest, r"(clip\d+)_").isna().tolist() == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://shop.test/product/12", "http://shop.test/product/12?colour=red"),
        ("http://shop.test/product/12", "HTTP://Shop.test/product/12/#reviews"),
        (
            "https://www.amazon.in/Saree/dp/B01/ref=sr_1_3?qid=17",
            "https://www.amazon.in/Saree/dp/B01/ref=sr_1_9?qid=18",
        ),
        (
            "https://www.flipkart.com/saree/p/itm1?pid=A&q=saree",
            "https://www.flipkart.com/saree/p/itm1?pid=B",
        ),
        ("http://[broken", "http://[broken"),
    ],
)
def test_product_ignores_query_and_referral(one, other):
    assert product_of(one) == product_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://shop.test/product/12", "http://shop.test/product/13"),
        ("http://shop.test/product.php?id=12", "http://shop.test/product.php?id=13"),
        ("http://shop.test/?product=12", "http://shop.test/?product=13"),
        ("http://shop.test/12", "http://store.test/12"),
    ],
)
def test_different_products(one, other):
    assert product_of(one) != product_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("data/coat/A17_1.jpg", "data/coat/A17_2.png"),
        ("data/coat/A17-01.jpg", "data/coat/A17 (3).jpg"),
        ("data/coat/A17.jpg", "data/coat/A17_12.jpg"),
        ("data/train/coat/A17_1.jpg", "data/test/coat/A17_2.jpg"),
    ],
)
def test_numbered_files_are_one_product(one, other):
    first, second = groups("product", image_url=[one, other])
    assert first == second is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("data/coat/IMG_0001.jpg", "data/coat/IMG_0002.jpg"),
        ("data/coat/0001.jpg", "data/coat/0002.jpg"),
        ("data/coat/A1.jpg", "data/coat/A2.jpg"),
        ("data/coat/A17_1.jpg", "data/dress/A17_2.jpg"),
        ("data/coat/_1.jpg", "data/coat/_2.jpg"),
    ],
)
def test_files_of_different_products(one, other):
    first, second = groups("product", image_url=[one, other])
    assert first != second


def test_image_without_page_has_no_group():
    assert groups("product", image_url=["http://cdn.test/A_1.jpg"], source=["urls"]) == [None]
    assert groups("page", image_url=["data/coat/A_1.jpg"]) == [None]


@settings(max_examples=25)
@given(st.text(max_size=40))
def test_accepts_malformed_urls(text):
    assert product_of(text).startswith("product ")
    assert page_of(text).startswith("page ")


@pytest.mark.parametrize("by", ["page", "product"])
def test_group_name_depends_on_its_row_only(by):
    pages = ["http://a.test/1", "http://a.test/2", None, "http://a.test/1", "http://b.test/1?x"]
    assert groups(by, page_url=pages) == [groups(by, page_url=[page])[0] for page in pages]


MEMBERS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([None, *"uvwxyz"])),
    min_size=1,
    max_size=20,
)


def joined(members):
    """Return the clusters by joining members repeatedly until nothing changes."""
    found = [group for group, _ in members]
    while True:
        before = list(found)
        for place, (group, name) in enumerate(members):
            kin = [
                n
                for n, (g, m) in enumerate(members)
                if g == group or (name is not None and m == name)
            ]
            found[place] = min(before[n] for n in kin)
        if found == before:
            return found


@settings(max_examples=25)
@given(MEMBERS)
def test_clusters_are_connected_components(members):
    groups, names = (np.array([member[place] for member in members], object) for place in (0, 1))
    assert clusters(groups, names).tolist() == joined(members)


def test_clusters_without_groups_are_near_duplicates():
    groups = np.array(["a", "a", "b"], object)
    assert clusters(groups).tolist() == ["a", "a", "b"]
    assert clusters(groups, np.array([None, pd.NA, np.nan], object)).tolist() == ["a", "a", "b"]
