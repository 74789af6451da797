import pytest

from pixmill.fetch import Refused
from pixmill.manifest import SCRAPED, SIGHTINGS, read_table, write_table
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.pictures import Picture
from pixmill.scrape.tables import manifest_table, sightings_table

A, B = Picture("aa" * 32, 10, "png"), Picture("bb" * 32, 20, None)
SIGHTED = [
    (Candidate("hat", "hats", 0, "http://x.test/b", "http://x.test/", "A hat", "€ 9"), B),
    (Candidate("hat", "hats", 1, "data:image/png;base64,AAAA", "http://x.test/"), A),
    (Candidate("hat", "hats", 2, "http://x.test/a"), A),
    (Candidate("hat", "hats", 3, "http://x.test/c"), Refused("http_404")),
    (Candidate("coat", "coats", 0, "http://x.test/b2", thumbnail=True), B),
]


def test_the_manifest_has_a_row_a_picture_in_the_order_of_ids():
    manifest = manifest_table(SIGHTED, source="shop", snapshot="2026-11-20")
    assert list(manifest["id"]) == [A.id, B.id]
    assert list(manifest["path"]) == [f"images/aa/{A.id}.png", f"images/bb/{B.id}.bin"]
    assert list(manifest["bytes"]) == [10, 20]


def test_where_a_picture_is_from_is_told_by_its_first_sighting():
    manifest = manifest_table(SIGHTED, source="shop", snapshot="2026-11-20").set_index("id")
    assert manifest.loc[B.id, "image_url"] == "http://x.test/b"
    assert manifest.loc[A.id, "page_url"] == "http://x.test/"
    assert manifest.loc[A.id, "image_url"] is None  # it lies within the page


def test_a_label_is_null_where_sightings_disagree():
    manifest = manifest_table(SIGHTED, source="shop", snapshot="2026-11-20")
    assert list(manifest["label"]) == ["hat", None]


def test_every_candidate_is_a_sighting_with_its_id_or_its_reason():
    sightings = sightings_table(SIGHTED, source="shop")
    assert list(sightings["id"]) == [B.id, A.id, A.id, None, B.id]
    assert list(sightings["reason"]) == [None, None, None, "http_404", None]
    assert list(sightings["rank"]) == [0, 1, 2, 3, 0]


@pytest.mark.parametrize("sightings", [SIGHTED, []])
def test_the_tables_fit_their_schemas(tmp_path, sightings):
    for schema, table in (
        (SIGHTINGS, sightings_table(sightings, source="shop")),
        (SCRAPED, manifest_table(sightings, source="shop", snapshot="2026-11-20")),
    ):
        write_table(tmp_path / "table.parquet", table, schema)
        assert len(read_table(tmp_path / "table.parquet", schema, stage="scrape")) == len(table)
