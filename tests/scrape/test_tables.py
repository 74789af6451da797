import pyarrow as pa
import pytest

from pixmill.fetch import Refused
from pixmill.manifest import SCRAPED, SIGHTINGS, read_table, write_table
from pixmill.scrape import tables
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.pictures import Picture
from pixmill.scrape.sighting import Sighting
from pixmill.scrape.tables import ManifestTable, SightingsTable

A, B, C = Picture("aa" * 32, 10, "png"), Picture("bb" * 32, 20, None), Picture("cc" * 32, 30, "jpeg")
GONE = Refused("http_404")
SHOWN = [
    Sighting("shop", Candidate("hat", "hats", 0, "http://x.test/b", page_url="http://x.test/", price="€ 9"), B),
    Sighting("shop", Candidate("hat", "hats", 1, "data:image/png;base64,AAAA", page_url="http://x.test/"), A),
    Sighting("shop", Candidate("hat", "hats", 2, "http://x.test/a", route="click", width=9, height=8), A),
    Sighting("shop", Candidate("hat", "hats", 3, "http://x.test/c"), None, GONE),
    Sighting("bing", Candidate("coat", "coats", 0, "http://x.test/d", thumbnail_url="http://x.test/s"), C, GONE),
    Sighting("folder", Candidate("coat", None, 1, "data/test/coat/e", given_split="test"), B),
]
FIRST = [SHOWN[0], SHOWN[1], SHOWN[4]]


@pytest.fixture(params=[1, 2, 8192])
def rows(request, monkeypatch):
    """However many rows are held at a time, the tables are the same."""
    monkeypatch.setattr(tables, "_ROWS", request.param)


@pytest.fixture
def sightings(rows, tmp_path):
    with SightingsTable(tmp_path / "sightings.parquet") as table:
        for sighting in SHOWN:
            table.add(sighting)
    return read_table(tmp_path / "sightings.parquet", SIGHTINGS, stage="scrape")


@pytest.fixture
def manifest(rows):
    table = ManifestTable("2026-11-20")
    for sighting in FIRST:
        table.add(sighting)
    return table.frame({A.id: "hat", B.id: None, C.id: "coat"}.get)


def test_the_manifest_has_a_row_a_picture_in_the_order_of_ids(manifest):
    assert list(manifest["id"]) == [A.id, B.id, C.id]
    assert list(manifest["path"]) == [f"images/aa/{A.id}.png", f"images/bb/{B.id}.bin", f"images/cc/{C.id}.jpg"]
    assert list(manifest["bytes"]) == [10, 20, 30]
    assert set(manifest["snapshot"]) == {"2026-11-20"}


def test_where_a_picture_is_from(manifest):
    found = manifest.set_index("id")
    assert found.loc[B.id, "image_url"] == "http://x.test/b"
    assert found.loc[A.id, "page_url"] == "http://x.test/"
    assert found["image_url"].isna()[A.id]  # it lies within the page
    assert found.loc[C.id, "image_url"] == "http://x.test/s"  # the thumbnail is what lies here


def test_a_label_is_what_the_account_says(manifest):
    assert list(manifest["label"].fillna("")) == ["hat", "", "coat"]


def test_a_split_that_people_have_made_is_kept():
    table = ManifestTable("2026-11-20")
    table.add(SHOWN[5])
    assert list(table.frame(lambda _: "coat")["given_split"]) == ["test"]


def test_every_candidate_is_a_sighting_with_its_id_or_its_reason(sightings):
    assert list(sightings["id"].fillna("")) == [B.id, A.id, A.id, "", C.id, B.id]
    assert list(sightings["reason"].fillna("")) == ["", "", "", "http_404", "http_404", ""]
    assert list(sightings["rank"]) == [0, 1, 2, 3, 0, 1]
    assert list(sightings["source"]) == ["shop"] * 4 + ["bing", "folder"]
    assert list(sightings["thumbnail"]) == [False, False, False, False, True, False]
    assert sightings["image_url"].isna()[1]
    assert list(sightings.loc[2, ["route", "width", "height"]]) == ["click", 9, 8]


def test_the_manifest_fits_its_schema(tmp_path, manifest):
    write_table(tmp_path / "manifest.parquet", manifest, SCRAPED)
    assert len(read_table(tmp_path / "manifest.parquet", SCRAPED, stage="scrape")) == 3


def test_nothing_at_all(tmp_path):
    with SightingsTable(tmp_path / "sightings.parquet"):
        pass
    assert read_table(tmp_path / "sightings.parquet", SIGHTINGS, stage="scrape").empty
    write_table(tmp_path / "manifest.parquet", ManifestTable("2026-11-20").frame(str), SCRAPED)
    assert read_table(tmp_path / "manifest.parquet", SCRAPED, stage="scrape").empty


def test_what_breaks_off_leaves_no_table(tmp_path):
    with pytest.raises(ZeroDivisionError), SightingsTable(tmp_path / "sightings.parquet") as table:
        table.add(SHOWN[0])
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_leaves_no_table(tmp_path):
    with pytest.raises(pa.ArrowInvalid), SightingsTable(tmp_path / "sightings.parquet") as table:
        table.add(Sighting("shop", Candidate("hat", None, "first", None), None, GONE))
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_the_manifest_is_a_picture():
    with pytest.raises(ValueError, match="expected a picture"):
        ManifestTable("2026-11-20").add(SHOWN[3])
