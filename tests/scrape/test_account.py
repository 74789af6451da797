import pytest

from pixmill.fetch import Refused
from pixmill.scrape.account import Account
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.crawl import Failing
from pixmill.scrape.pictures import Picture
from pixmill.scrape.plan import Search
from pixmill.scrape.sighting import Sighting
from tests.scrape.invented import Invented

A, B = Picture("aa" * 32, 10, "png"), Picture("bb" * 32, 20, "png")
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
def account():
    account = Account(("hat", "coat"), [HAT, COAT])
    for search, candidate, picture, refused in SHOWN:
        account.add(search, Sighting(search.source.name, candidate, picture, refused))
    return account


def test_the_counts_of_a_class_a_source_and_a_host(account):
    account.fail([Failing(COAT, "stalled", "the page stopped")])
    assert account.metrics() == {
        "pictures": 2,
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


def test_the_account_in_words(account):
    assert str(account) == (
        "2 pictures from 7 candidates; 2 seen before, 3 refused (bad_url 1, http_404 1, no_address 1), "
        "1 only as thumbnails"
    )


def test_the_first_sighting_of_a_picture_is_told():
    account = Account(("hat",), [HAT])
    found = [Sighting("site:shop", candidate, picture, refused) for _, candidate, picture, refused in SHOWN[:4]]
    assert [account.add(HAT, sighting) for sighting in found] == [True, False, True, False]


def test_a_label_is_null_where_sightings_disagree(account):
    assert (account.label(A.id), account.label(B.id)) == ("hat", None)


def test_the_searches_that_failed_are_in_order(account):
    account.fail([Failing(COAT, "stalled", "later")])
    account.fail([Failing(HAT, "captcha", "earlier")])
    assert [failing.message for failing in account.failing] == ["earlier", "later"]


def test_a_class_for_which_nothing_came_is_fruitless():
    account = Account(("hat", "coat", "boot"), [HAT, COAT])
    account.add(HAT, Sighting("site:shop", SHOWN[0][1], A))
    account.add(COAT, Sighting("site:list", SHOWN[6][1], None, GONE))
    assert account.fruitless == ["coat", "boot"]


def test_nothing():
    account = Account((), [])
    assert str(account) == "0 pictures from 0 candidates; 0 seen before, 0 refused"
    assert account.metrics()["per_query"] == {}


def test_of_many_hosts_those_with_the_most_candidates_are_told_one_by_one():
    account = Account(("hat",), [HAT])
    for host in range(60):
        for rank in range(2 if host < 10 else 1):
            url = f"http://host{host}.test/{rank}"
            account.add(HAT, Sighting("site:shop", Candidate("hat", "straw hat", rank, url), None, GONE))
    told = account.metrics()["per_class"]["hat"]["site:shop"]
    assert len(told) == 51
    assert told["others"] == counted(10, 0, http_404=10)
    assert told["host9.test"] == counted(2, 0, http_404=2)
    assert sum(counts["candidates"] for counts in told.values()) == 70


def test_advice_is_told_once_for_searches_that_fail_alike():
    account = Account(("hat", "coat"), [HAT, COAT])
    account.fail([Failing(HAT, "captcha", "it asks", advice="go elsewhere"), Failing(COAT, "captcha", "it asks too")])
    assert account.advice() == {"captcha": "go elsewhere"}
