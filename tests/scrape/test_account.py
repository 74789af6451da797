from pixmill.fetch import Refused
from pixmill.scrape.account import take_account
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.pictures import Picture

A, B = Picture("aa" * 32, 10, "png"), Picture("bb" * 32, 20, "png")
SIGHTED = [
    (Candidate("hat", "hat", 0, "http://one.test/0"), A),
    (Candidate("hat", "hat", 1, "https://two.test:8080/1"), A),
    (Candidate("hat", "hat", 2, "data:,x", "http://one.test/"), B),
    (Candidate("hat", "hat", 3, "http://one.test/2"), Refused("http_404")),
    (Candidate("hat", "hat", 4, None, "http://one.test/"), Refused("no_address")),
    (Candidate("coat", "coat", 0, "data/coat/x.png"), B),
    (Candidate("coat", "coat", 1, "http://[::1"), Refused("bad_url")),
]


def test_the_counts_of_a_class_a_source_and_a_host():
    assert take_account(SIGHTED, source="shop").metrics() == {
        "pictures": 2,
        "conflicts": 1,
        "candidates": 7,
        "fetched": 4,
        "duplicates": 2,
        "refused": {"http_404": 1, "no_address": 1, "bad_url": 1},
        "per_class": {
            "hat": {
                "shop": {
                    "one.test": {
                        "candidates": 4,
                        "fetched": 2,
                        "duplicates": 0,
                        "refused": {"http_404": 1, "no_address": 1},
                    },
                    "two.test": {"candidates": 1, "fetched": 1, "duplicates": 1, "refused": {}},
                }
            },
            "coat": {
                "shop": {
                    "local": {"candidates": 1, "fetched": 1, "duplicates": 1, "refused": {}},
                    "": {"candidates": 1, "fetched": 0, "duplicates": 0, "refused": {"bad_url": 1}},
                }
            },
        },
    }


def test_the_account_in_words():
    assert str(take_account(SIGHTED, source="shop")) == (
        "2 pictures from 7 candidates; 2 seen before, 3 refused (bad_url 1, http_404 1, no_address 1)"
    )


def test_nothing():
    assert str(take_account([], source="shop")) == "0 pictures from 0 candidates; 0 seen before, 0 refused"
