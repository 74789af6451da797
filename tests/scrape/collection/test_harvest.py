import pytest

from pixmill.core.manifest import SIGHTINGS, read_table, table_writer
from pixmill.core.metadata import Facts, write_metadata
from pixmill.core.params import ScrapeParams
from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate, Sighting, StoredImage
from pixmill.scrape.collection.collector import Judge, address_of
from pixmill.scrape.collection.run import Harvest, manifest_frame, manifest_row, sighting_row
from pixmill.scrape.collection.searches import plan_searches
from pixmill.scrape.journal import ImageStore, Journal, SearchResults
from pixmill.scrape.sources.folder import FolderSource


@pytest.fixture
def journal(tmp_path):
    with Journal(
        tmp_path / "journal", ScrapeParams(snapshot="2026-11-20", max_bytes=10_000)
    ) as journal:
        yield journal


@pytest.fixture
def images(tmp_path):
    """The output folder of images."""
    return ImageStore(tmp_path / "output")


@pytest.fixture
def harvest(journal, images):
    """Harvest stored results of sources."""

    def harvest(*sources, classes=("hat", "boot"), **params):
        names = {source.name: source for source in sources}
        given = {"source": tuple(names), "snapshot": "2026-11-20", "max_bytes": 10_000} | params
        params = ScrapeParams(**given)
        return Harvest(
            plan_searches(classes, params, names), journal, Judge(journal, params), images, params
        )

    return harvest


@pytest.fixture
def answered(journal, invented, image):
    """A source with ten stored results for hats and boots each; the first boot is the last hat."""
    source = invented({})
    for label, first in (("hat", 0), ("boot", 9)):
        (query,) = source.queries(label, [label])
        (search,) = plan_searches(
            [label], ScrapeParams(source=source.name, snapshot="2026-11-20"), {source.name: source}
        )
        urls = [f"http://x.test/{first + rank}" for rank in range(10)]
        candidates = [Candidate(label, query.text, rank, url) for rank, url in enumerate(urls)]
        journal.save_results(search.name, SearchResults(candidates, None, complete=True))
        for rank, url in enumerate(urls):
            content = image(first + rank)
            journal.images.add(StoredImage.of(content), content)
            journal.save_outcome(address_of("", url), StoredImage.of(content))
    return source


def labels(harvest):
    return [sighting.candidate.label for _, sighting in harvest]


def test_iterates_in_the_order_of_the_searches(harvest, answered, images):
    found = list(harvest(answered))
    assert [search.query.label for search, _ in found] == ["hat"] * 10 + ["boot"] * 10
    assert [sighting.candidate.rank for _, sighting in found] == [*range(10), *range(10)]
    assert all(images.path(sighting.image).is_file() for _, sighting in found)
    assert answered.asked == []


def test_is_lazy(harvest, answered, images):
    found = iter(harvest(answered))
    next(found)
    assert len([path for path in images.folder.rglob("*") if path.is_file()]) == 1


def test_stops_at_per_class(harvest, answered):
    assert labels(harvest(answered, per_class=4)) == ["hat"] * 4 + ["boot"] * 4


def test_reads_local_files(harvest, data, images):
    (data / "hat" / "999.txt").write_text("no image")
    (data / "hat" / "large.png").write_bytes(bytes(10_001))
    found = [sighting for _, sighting in harvest(FolderSource(data))]
    assert len(found) == 62
    assert found[30].image.format is None
    assert images.path(found[30].image).read_text() == "no image"
    assert found[31].refused.reason == "too_large"


def test_takes_local_files_whose_row_has_the_licence(harvest, data, images):
    write_metadata(
        data, {"hat/000.png": Facts(licence="CC0 1.0"), "hat/001.png": Facts(licence="CC BY 4.0")}
    )
    found = [
        sighting for _, sighting in harvest(FolderSource(data), licences=("cc0",)) if sighting.image
    ]
    assert [sighting.candidate.image_url for sighting in found] == ["data/hat/000.png"]


def test_reads_lists_again(harvest, answered, invented, journal):
    listed = invented({"hat": [f"http://x.test/{rank}" for rank in (3, 1)]}, kind="list")
    assert [sighting.candidate.image_url for _, sighting in harvest(listed)] == [
        "http://x.test/3",
        "http://x.test/1",
    ]


A = StoredImage("aa" * 32, 10, "png")
B = StoredImage("bb" * 32, 20, None)
C = StoredImage("cc" * 32, 30, "jpeg")
GONE = Refused("http_404")
SHOWN = [
    Sighting(
        "shop",
        Candidate("hat", "hats", 0, "http://x.test/b", page_url="http://x.test/", price="€ 9"),
        B,
    ),
    Sighting(
        "shop",
        Candidate("hat", "hats", 1, "data:image/png;base64,AAAA", page_url="http://x.test/"),
        A,
    ),
    Sighting(
        "shop", Candidate("hat", "hats", 2, "http://x.test/a", route="click", width=9, height=8), A
    ),
    Sighting("shop", Candidate("hat", "hats", 3, "http://x.test/c"), None, GONE),
    Sighting(
        "bing",
        Candidate("coat", "coats", 0, "http://x.test/d", thumbnail_url="http://x.test/s"),
        C,
        GONE,
    ),
    Sighting("folder", Candidate("coat", None, 1, "data/test/coat/e", given_split="test"), B),
]
FIRST = [SHOWN[0], SHOWN[1], SHOWN[4]]


@pytest.fixture
def written_sightings(tmp_path):
    with table_writer(tmp_path / "sightings.parquet", SIGHTINGS) as write:
        write([sighting_row(sighting) for sighting in SHOWN])
    return read_table(tmp_path / "sightings.parquet", SIGHTINGS, stage="scrape")


def frame(sightings, label):
    return manifest_frame([manifest_row(sighting, "2026-11-20") for sighting in sightings], label)


@pytest.fixture
def manifest():
    return frame(FIRST, {A.id: "hat", B.id: None, C.id: "coat"}.get)


def test_manifest_has_a_row_per_image_sorted_by_id(manifest):
    assert list(manifest["id"]) == [A.id, B.id, C.id]
    assert list(manifest["path"]) == [
        f"images/aa/{A.id}.png",
        f"images/bb/{B.id}.bin",
        f"images/cc/{C.id}.jpg",
    ]
    assert list(manifest["bytes"]) == [10, 20, 30]
    assert set(manifest["snapshot"]) == {"2026-11-20"}


def test_manifest_has_provenance(manifest):
    found = manifest.set_index("id")
    assert found.loc[B.id, "image_url"] == "http://x.test/b"
    assert found.loc[A.id, "page_url"] == "http://x.test/"
    assert found["image_url"].isna()[A.id]  # a data: URI
    assert found.loc[C.id, "image_url"] == "http://x.test/s"  # the thumbnail was stored


def test_sightings_have_ids_or_reasons(written_sightings):
    assert list(written_sightings["id"].fillna("")) == [B.id, A.id, A.id, "", C.id, B.id]
    assert list(written_sightings["reason"].fillna("")) == ["", "", "", "http_404", "http_404", ""]
    assert list(written_sightings["rank"]) == [0, 1, 2, 3, 0, 1]
    assert list(written_sightings["source"]) == ["shop"] * 4 + ["bing", "folder"]
    assert list(written_sightings["thumbnail"]) == [False, False, False, False, True, False]
    assert written_sightings["image_url"].isna()[1]
    assert list(written_sightings.loc[2, ["route", "width", "height"]]) == ["click", 9, 8]
