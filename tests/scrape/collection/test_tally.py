import pytest

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import Candidate, Query, Sighting
from pixmill.scrape.collection.searches import FailedSearch, Search
from pixmill.scrape.collection.tally import ScrapeTally
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.site import SiteSource
from pixmill.web.fetch import Refused
from tests.scrape.invented import Invented

A, B = StoredImage("aa" * 32, 10, "png"), StoredImage("bb" * 32, 20, "png")
GONE = Refused("http_404")
SHOP, LIST = Invented({}, name="site:shop"), Invented({}, name="site:list")
HAT = Search(SHOP, Query("hat", "straw hat", "u"), "")
COAT = Search(LIST, Query("coat", None, "u"), "")
SHOWN = [
    (HAT, Candidate("hat", "straw hat", 0, "http://one.test/0", route="script"), A, None),
    (HAT, Candidate("hat", "straw hat", 1, "https://two.test:8080/1", route="click"), A, None),
    (HAT, Candidate("hat", "straw hat", 2, "data:,x", page_url="http://one.test/"), B, None),
    (HAT, Candidate("hat", "straw hat", 3, "http://one.test/2", route="script"), None, GONE),
    (HAT, Candidate("hat", "straw hat", 4, None, page_url="http://one.test/"), None, Refused("no_address")),
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
    tally = ScrapeTally(("hat", "coat"), [HAT, COAT])
    for search, candidate, image, refused in SHOWN:
        tally.add(search, Sighting(search.source.name, candidate, image, refused))
    return tally


def test_the_counts_of_a_class_a_source_and_a_host(tally):
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
            "coat": {"site:list": {"local": counted(1, 1, duplicates=1, thumbnails=1), "": counted(1, 0, bad_url=1)}},
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
                    "coat": counted(2, 1, duplicates=1, thumbnails=1, bad_url=1) | {"routes": {}, "failure": "stalled"}
                }
            },
        },
    }


def test_the_tally_as_text(tally):
    assert str(tally) == (
        "2 images from 7 candidates; 2 duplicates, 3 refused (bad_url 1, http_404 1, no_address 1), 1 as thumbnails"
    )


def test_the_first_sighting_of_an_image_is_told():
    tally = ScrapeTally(("hat",), [HAT])
    found = [Sighting("site:shop", candidate, image, refused) for _, candidate, image, refused in SHOWN[:4]]
    assert [tally.add(HAT, sighting) for sighting in found] == [True, False, True, False]


def test_a_label_is_null_where_sightings_disagree(tally):
    assert (tally.label(A.id), tally.label(B.id)) == ("hat", None)


def test_the_searches_that_failed_are_in_order(tally):
    tally.fail([FailedSearch(COAT, "stalled", "later")])
    tally.fail([FailedSearch(HAT, "captcha", "earlier")])
    assert [failed.message for failed in tally.failed] == ["earlier", "later"]


def test_a_class_for_which_nothing_came_is_empty():
    tally = ScrapeTally(("hat", "coat", "boot"), [HAT, COAT])
    tally.add(HAT, Sighting("site:shop", SHOWN[0][1], A))
    tally.add(COAT, Sighting("site:list", SHOWN[6][1], None, GONE))
    assert tally.empty_classes == ["coat", "boot"]


def test_nothing():
    tally = ScrapeTally((), [])
    assert str(tally) == "0 images from 0 candidates; 0 duplicates, 0 refused"
    assert tally.metrics()["per_query"] == {}


def test_of_many_hosts_those_with_the_most_candidates_are_told_one_by_one():
    tally = ScrapeTally(("hat",), [HAT])
    for host in range(60):
        for rank in range(2 if host < 10 else 1):
            url = f"http://host{host}.test/{rank}"
            tally.add(HAT, Sighting("site:shop", Candidate("hat", "straw hat", rank, url), None, GONE))
    told = tally.metrics()["per_class"]["hat"]["site:shop"]
    assert len(told) == 51
    assert told["others"] == counted(10, 0, http_404=10)
    assert told["host9.test"] == counted(2, 0, http_404=2)
    assert sum(counts["candidates"] for counts in told.values()) == 70


def test_advice_is_told_once_for_searches_that_fail_alike():
    tally = ScrapeTally(("hat", "coat"), [HAT, COAT])
    tally.fail(
        [FailedSearch(HAT, "captcha", "it asks", advice="go elsewhere"), FailedSearch(COAT, "captcha", "it asks too")]
    )
    assert tally.advice() == {"captcha": "go elsewhere"}


def hat(rank, image=None, refused=None, url="http://x.test/", **given):
    return Sighting("bing", Candidate("hat", "hat", rank, url, page_url="http://p.test/", **given), image, refused)


def images(count):
    return [StoredImage(f"{number:064x}", 10, "png") for number in range(count)]


def test_the_first_different_images_of_a_class():
    tally, found = ScrapeTally((), [HAT]), images(9)
    for image in (found[0], *found):
        tally.add(HAT, hat(0, image, title="A hat", price="€ 1", licence="by", author="Ann"))
    examples = tally.examples["hat"]
    assert list(examples) == found[:7]
    assert (examples[found[0]].title, examples[found[0]].author) == ("A hat", "Ann")


def test_the_first_addresses_of_each_reason():
    tally = ScrapeTally((), [HAT])
    for rank in range(5):
        tally.add(HAT, hat(rank, refused=Refused("http_404"), url=f"http://x.test/{rank}"))
    tally.add(HAT, hat(0, *images(1), Refused("html"), url="http://x.test/page"))
    assert tally.refused_examples == {
        "http_404": ["http://x.test/0", "http://x.test/1", "http://x.test/2"],
        "html": ["http://x.test/page"],
    }
    assert tally.refused == {"http_404": 5, "html": 1}


def test_an_address_that_is_none_is_told_by_its_page():
    tally = ScrapeTally((), [HAT])
    tally.add(HAT, hat(0, refused=Refused("bad_data_uri"), url="data:,x"))
    tally.add(HAT, hat(1, refused=Refused("no_address"), url=None))
    assert tally.refused_examples == {
        "bad_data_uri": ["inlined in http://p.test/"],
        "no_address": ["on http://p.test/"],
    }


SMALL = "https://m.media-amazon.com/images/I/81abc._AC_UL320_.jpg"
LARGE = "https://m.media-amazon.com/images/I/81abc.jpg"


def remarks(*shown, source="amazon", text="silk saree", routes=(), thumbnails=True):
    """Return what is said of a search with these addresses of original, thumbnail, and why the original was refused."""
    search = Search(SiteSource(load_site(source, None)), Query("saree", text, "u"), "")
    tally = ScrapeTally(("saree",), [search])
    for rank, (image, thumbnail, refused) in enumerate(shown):
        route = routes[rank] if routes else None
        candidate = Candidate("saree", text, rank, image, thumbnail_url=thumbnail, route=route)
        taken = StoredImage(f"{rank:064x}", 10, "jpeg") if thumbnails or refused is None else None
        tally.add(search, Sighting(source, candidate, taken, refused))
    return tally.remarks()


def test_originals_are_as_they_should_be():
    assert remarks(*[(LARGE, SMALL, None)] * 20) == []
    assert remarks(*[(LARGE, SMALL, None)] * 10, *[(None, SMALL, Refused("no_address"))] * 10) == []


def test_more_thumbnails_than_originals_are_told():
    [remark] = remarks(*[(None, SMALL, Refused("no_address"))] * 20, source="google")
    assert remark == (
        "saree (source 'google' 'silk saree'): 20 of 20 images are thumbnails, because their originals were "
        "refused (to drop them: scrape.thumbnails: false); check it with: pixmill scrape --probe google 'silk saree'"
    )


def test_addresses_that_no_rule_makes_originals_of_are_told():
    [remark] = remarks(*[(SMALL, None, None)] * 20)
    assert "the rewrite rules of amazon.yaml matched none of 20 image URLs" in remark
    assert remark.endswith("pixmill scrape --probe amazon 'silk saree'")
    # Prints on plain garments keep theirs, beside others that are lifted.
    assert remarks(*[(SMALL, None, None)] * 20, (LARGE, SMALL, None)) == []


ONLY = (SMALL, SMALL, Refused("only_thumbnail"))


def test_small_images_of_results_pages_are_told_with_the_way_to_larger_ones():
    [remark] = remarks(*[ONLY] * 11, *[(LARGE, None, None)] * 9, source="shop")
    assert remark == (
        "saree (source 'shop' 'silk saree'): 11 of 20 images are thumbnails: they are small, or smaller than the "
        "results page says; to take larger ones from srcset or from product pages, set 'addresses: [srcset, src]' or "
        "'detail' in sites/shop.yaml; check it with: pixmill scrape --probe shop 'silk saree'"
    )
    assert remarks(*[ONLY] * 10, *[(LARGE, None, None)] * 10, source="shop") == []
    assert "the rewrite rules of amazon.yaml matched none of 20" in remarks(*[ONLY] * 20)[0]


@pytest.mark.parametrize(("small", "large", "of"), [(12, 10, "12 of 22"), (20, 0, "20 of 20")])
def test_small_images_that_were_left_out_are_counted_as_images(small, large, of):
    gone = (SMALL, None, Refused("http_404"))
    shown = [*[ONLY] * small, *[(LARGE, None, None)] * large, *[gone] * 9]
    [remark] = remarks(*shown, source="shop", thumbnails=False)
    assert f"{of} images are thumbnails and were left out: " in remark


def test_product_pages_that_were_not_visited_are_counted_apart():
    routes = ["no detail (not shown)"] * 10 + ["no detail (not visited)"] * 5
    [remark] = remarks(*[(None, SMALL, Refused("no_address"))] * 15, source="shop", routes=routes)
    assert "10 of 15 product pages gave no image for 'detail' (not shown 10) and 5 were not visited, so" in remark


def test_only_hosts_that_are_not_public_are_remembered(tally):
    tally.add(HAT, Sighting("site:shop", SHOWN[0][1], None, Refused("private_address", "10.0.0.1 is not public")))
    assert dict(tally.not_public) == {"10.0.0.1 is not public": 1}


def test_each_product_page_without_an_image_is_told_with_its_reason():
    routes = ["detail", "no detail (robots)", "no detail (not shown)", "no detail (not shown)"]
    missed = (None, SMALL, Refused("no_address"))
    [remark] = remarks((LARGE, SMALL, None), *[missed] * 3, source="shop", routes=routes)
    assert remark.startswith(
        "saree (source 'shop' 'silk saree'): 3 of 4 product pages gave no image for 'detail' (robots 1, not shown 2), "
        "so the results page's smaller one counts as a thumbnail; check it with: "
    )


def shortfalls(came, *, total=None, failed=False, site="shop", source="site:hats", **limits):
    """Return what is said of a search that brought so many candidates, where its page promises a total."""
    params = ScrapeParams(snapshot="2026-11-20", **limits)
    search = Search(SiteSource(load_site(site, None), name=source), Query("hat", "straw hat", "u"), "")
    tally = ScrapeTally(("hat",), [search], params)
    for rank, image in enumerate(images(came)):
        candidate = Candidate("hat", "straw hat", rank, f"http://x.test/{rank}", total=total)
        tally.add(search, Sighting(source, candidate, image))
    tally.fail([FailedSearch(search, "stalled", "the page stopped")] if failed else [])
    return tally.remarks()


def test_a_site_that_promises_more_than_it_gives_is_told():
    assert shortfalls(20, total=290) == [
        "hat (source 'site:hats' 'straw hat'): ended after 20 of the 290 results that the site says it has; if the "
        "site shows more, correct 'next', 'more' or 'offset' in sites/shop.yaml and change scrape.snapshot; check it "
        "with: pixmill scrape --probe site:hats 'straw hat'"
    ]
    [remark] = shortfalls(20, total=290, per_query=100, per_class=300)
    assert "ended after 20 of the 100 results that scrape.per_query allows; if" in remark
    [remark] = shortfalls(20, site="bing", per_query=100)
    assert "ended after 20 of the 100 results that scrape.per_query allows; if" in remark


@pytest.mark.parametrize(
    ("came", "given"),
    [
        (20, {}),
        (20, {"total": 21}),
        (20, {"per_query": 100}),  # The shop shows that these are all.
        (20, {"total": 20, "per_query": 100}),
        (20, {"total": 290, "per_query": 20}),
        (20, {"total": 290, "per_class": 20}),
        (20, {"total": 290, "failed": True}),
        (20, {"per_class": 100, "failed": True}),
        (0, {"per_query": 100}),
    ],
)
def test_what_came_as_it_should_or_is_explained_is_not_short(came, given):
    assert shortfalls(came, **given) == []


def test_a_class_with_fewer_images_than_it_may_have_is_told():
    said = "hat: 20 images, where scrape.per_class allows 100: for more, add queries or sources"
    assert shortfalls(20, per_class=100) == [said]
    assert shortfalls(95, per_class=100) == []


def licences_of_a_wiki(*licences, **params):
    search = Search(Invented({}, name="wikimedia"), Query("hat", "hat", "u"), "")
    tally = ScrapeTally(("hat",), [search], ScrapeParams(snapshot="2026-11-20", **params))
    for rank, licence in enumerate(licences):
        tally.add(search, Sighting("wikimedia", Candidate("hat", "hat", rank, "http://x.test/", licence=licence), A))
    return tally.remarks()


def test_a_wiki_without_licences_is_told():
    [remark] = licences_of_a_wiki(None, None)
    assert remark.startswith("the wiki reports no licence for any of 2 files: it lacks the extension CommonsMetadata")
    assert "2 files, so scrape.licences refuses them all: it" in licences_of_a_wiki(None, None, licences=("by",))[0]
    assert licences_of_a_wiki(None, "by") == licences_of_a_wiki() == []


@pytest.mark.parametrize("source", ["bing", "shop"])
def test_a_site_without_such_rules_gives_originals(source):
    assert remarks(*[(LARGE, None, None)] * 20, source=source) == []


def test_of_a_few_nothing_is_concluded():
    assert remarks(*[(SMALL, None, None)] * 9) == []


def test_the_run_says_it(visit, invented, web, image):
    small = web.show(*(image(seed) for seed in range(10)))
    result = visit(invented({"hat": [{"image_url": None, "thumbnail_url": url} for url in small]}))
    assert result.remarks == [
        "hat (source 'site:invented'): 10 of 10 images are thumbnails, because their originals were refused "
        "(to drop them: scrape.thumbnails: false)"
    ]
