import pytest

from pixmill.core.params import ScrapeParams
from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate, Query, Sighting, StoredImage
from pixmill.scrape.collection.searches import FailedSearch, Search
from pixmill.scrape.collection.tally import ScrapeTally, remarks, summary
from tests.scrape.invented import Invented

A = StoredImage("aa" * 32, 10, "png")
B = StoredImage("bb" * 32, 20, "png")
GONE = Refused("http_404")
SHOP = Invented({}, name="site:shop")
LIST = Invented({}, name="site:list")
HAT = Search(SHOP, Query("hat", "straw hat", "u"), "")
COAT = Search(LIST, Query("coat", None, "u"), "")
PARAMS = ScrapeParams(snapshot="2026-11-20")
SHOWN = [
    (HAT, Candidate("hat", "straw hat", 0, "http://one.test/0", route="script"), A, None),
    (HAT, Candidate("hat", "straw hat", 1, "https://two.test:8080/1", route="click"), A, None),
    (HAT, Candidate("hat", "straw hat", 2, "data:,x", page_url="http://one.test/"), B, None),
    (HAT, Candidate("hat", "straw hat", 3, "http://one.test/2", route="script"), None, GONE),
    (
        HAT,
        Candidate("hat", "straw hat", 4, None, page_url="http://one.test/"),
        None,
        Refused("no_address"),
    ),
    (COAT, Candidate("coat", None, 0, "data/coat/x.png"), B, GONE),
    (COAT, Candidate("coat", None, 1, "http://[::1"), None, Refused("bad_url")),
]


def counted(candidates, fetched, duplicates=0, thumbnails=0, **refused):
    return {
        "candidates": candidates,
        "fetched": fetched,
        "duplicates": duplicates,
        "thumbnails": thumbnails,
        "refused": refused,
    }


@pytest.fixture
def tally():
    tally = ScrapeTally(("hat", "coat"), [HAT, COAT], PARAMS)
    for search, candidate, image, refused in SHOWN:
        tally.add(search, Sighting(search.source.name, candidate, image, refused))
    return tally


def test_metrics(tally):
    tally.fail([FailedSearch(COAT, "stalled", "the page stopped")])
    assert tally.metrics() == {
        "images": 2,
        "conflicts": 1,
        **counted(7, 4, duplicates=2, thumbnails=1, http_404=1, no_address=1, bad_url=1),
        "per_class": {
            "hat": {
                "site:shop": {
                    "one.test": counted(4, 2, http_404=1, no_address=1),
                    "two.test": counted(1, 1, duplicates=1),
                }
            },
            "coat": {
                "site:list": {
                    "local": counted(1, 1, duplicates=1, thumbnails=1),
                    "": counted(1, 0, bad_url=1),
                }
            },
        },
        "per_query": {
            "hat": {
                "site:shop": {
                    "straw hat": counted(5, 3, duplicates=1, http_404=1, no_address=1)
                    | {"routes": {"script": 2, "click": 1}, "failure": None}
                }
            },
            "coat": {
                "site:list": {
                    "coat": counted(2, 1, duplicates=1, thumbnails=1, bad_url=1)
                    | {"routes": {}, "failure": "stalled"}
                }
            },
        },
    }


def test_summary(tally):
    assert summary(tally) == (
        "2 images from 7 candidates; 2 duplicates, 3 refused (bad_url 1, http_404 1, no_address "
        "1), 1 as thumbnails"
    )


def test_add_returns_whether_the_image_is_new():
    tally = ScrapeTally(("hat",), [HAT], PARAMS)
    found = [
        Sighting("site:shop", candidate, image, refused)
        for _, candidate, image, refused in SHOWN[:4]
    ]
    assert [tally.add(HAT, sighting) for sighting in found] == [True, False, True, False]


def test_conflicting_labels_are_none(tally):
    assert (tally.label(A.id), tally.label(B.id)) == ("hat", None)


def test_failed_searches_are_in_order(tally):
    tally.fail([FailedSearch(COAT, "stalled", "later")])
    tally.fail([FailedSearch(HAT, "captcha", "earlier")])
    assert [failed.message for failed in tally.failed] == ["earlier", "later"]


def test_empty_classes():
    tally = ScrapeTally(("hat", "coat", "boot"), [HAT, COAT], PARAMS)
    tally.add(HAT, Sighting("site:shop", SHOWN[0][1], A))
    tally.add(COAT, Sighting("site:list", SHOWN[6][1], None, GONE))
    assert tally.empty_classes == ["coat", "boot"]


def test_merges_minor_hosts():
    tally = ScrapeTally(("hat",), [HAT], PARAMS)
    for host in range(60):
        for rank in range(2 if host < 10 else 1):
            url = f"http://host{host}.test/{rank}"
            tally.add(
                HAT, Sighting("site:shop", Candidate("hat", "straw hat", rank, url), None, GONE)
            )
    counts_by_host = tally.metrics()["per_class"]["hat"]["site:shop"]
    assert len(counts_by_host) == 51
    assert counts_by_host["others"] == counted(10, 0, http_404=10)
    assert counts_by_host["host9.test"] == counted(2, 0, http_404=2)
    assert sum(counts["candidates"] for counts in counts_by_host.values()) == 70


def test_advice_is_given_once_per_kind_of_failure():
    tally = ScrapeTally(("hat", "coat"), [HAT, COAT], PARAMS)
    tally.fail(
        [
            FailedSearch(HAT, "captcha", "it asks", advice="go elsewhere"),
            FailedSearch(COAT, "captcha", "it asks too"),
        ]
    )
    assert tally.advice() == {"captcha": "go elsewhere"}


def hat(rank, image=None, refused=None, url="http://x.test/", **given):
    return Sighting(
        "bing",
        Candidate("hat", "hat", rank, url, page_url="http://p.test/", **given),
        image,
        refused,
    )


def images(count):
    return [StoredImage(f"{number:064x}", 10, "png") for number in range(count)]


def test_examples_are_the_first_distinct_images():
    tally = ScrapeTally((), [HAT], PARAMS)
    found = images(9)
    for image in (found[0], *found):
        tally.add(HAT, hat(0, image, title="A hat", price="€ 1", licence="by", author="Ann"))
    examples = tally.examples["hat"]
    assert list(examples) == found[:7]
    assert (examples[found[0]].title, examples[found[0]].author) == ("A hat", "Ann")


def test_refused_examples():
    tally = ScrapeTally((), [HAT], PARAMS)
    for rank in range(5):
        tally.add(HAT, hat(rank, refused=Refused("http_404"), url=f"http://x.test/{rank}"))
    tally.add(HAT, hat(0, *images(1), Refused("html"), url="http://x.test/page"))
    assert tally.refused_examples == {
        "http_404": ["http://x.test/0", "http://x.test/1", "http://x.test/2"],
        "html": ["http://x.test/page"],
    }
    assert tally.refused == {"http_404": 5, "html": 1}


def searched(*sightings, total=None, failed=False, source=SHOP, **limits):
    search = Search(source, Query("hat", "hat", "u"), "")
    tally = ScrapeTally(("hat",), [search], ScrapeParams(snapshot="2026-11-20", **limits))
    for rank, (image, refused) in enumerate(sightings):
        tally.add(search, hat(rank, image, refused, total=total))
    tally.fail([FailedSearch(search, "stalled", "the page stopped")] if failed else [])
    return list(remarks(tally))


def test_remarks():
    small = Refused("only_thumbnail")
    private = Refused("private_address", "10.0.0.1 is not public")
    shown = [(image, small if n < 11 else None) for n, image in enumerate(images(20))]
    *others, thumbnails = searched(*shown, (None, private), total=290)
    refused, ended = others
    assert refused == "1 images refused: 10.0.0.1 is not public"
    assert "ended after 21 of the 290 results" in ended
    assert "settings.patience" in ended
    assert "11 of 20 images" in thumbnails
    assert "pixmill scrape --probe site:shop hat. " in thumbnails
    drawn = Refused("svg")
    for refused in (small, drawn):
        (remark,) = searched(*[(None, refused)] * 12, *shown[11:], (A, None))
        assert "12 of 22 images" in remark


@pytest.mark.parametrize("name", ["bing", "openverse", "urls", "folder"])
def test_only_a_described_site_is_to_be_probed(name):
    (remark,) = searched(*[(None, Refused("svg"))] * 12, source=Invented({}, name=name))
    assert remark.endswith(
        "12 of 12 images are thumbnails or drawings (left out): the originals were refused"
    )


LIMITS = ({"per_query": 20}, {"per_class": 20}, {"failed": True})


@pytest.mark.parametrize(
    "given", [{}, {"total": 21}, *({"total": 290, **limit} for limit in LIMITS)]
)
def test_no_remarks_on_a_complete_search(given):
    assert searched(*[(image, None) for image in images(20)], **given) == []
