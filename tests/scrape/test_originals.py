"""Thumbnails in the place of originals, which no page that changed may bring without a word."""

import pytest

from pixmill.fetch import Refused
from pixmill.scrape.account import Account
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.originals import doubtful_originals
from pixmill.scrape.pictures import Picture
from pixmill.scrape.plan import Search
from pixmill.scrape.sighting import Sighting
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.sites import load_site

SMALL = "https://m.media-amazon.com/images/I/81abc._AC_UL320_.jpg"
LARGE = "https://m.media-amazon.com/images/I/81abc.jpg"


def remarks(*shown, source="amazon", text="silk saree"):
    """Return what is said of a search with these addresses of original, thumbnail, and why the original was refused."""
    search = Search(SiteSource(load_site(source, None)), Query("saree", text, "u"), "")
    account = Account(("saree",), [search])
    for rank, (image, thumbnail, refused) in enumerate(shown):
        candidate = Candidate("saree", text, rank, image, thumbnail_url=thumbnail)
        account.add(search, Sighting(source, candidate, Picture(f"{rank:064x}", 10, "jpeg"), refused))
    return doubtful_originals(account)


def test_originals_are_as_they_should_be():
    assert remarks(*[(LARGE, SMALL, None)] * 20) == []
    assert remarks(*[(LARGE, SMALL, None)] * 10, *[(None, SMALL, Refused("no_address"))] * 10) == []


def test_more_thumbnails_than_originals_are_told():
    [remark] = remarks(*[(None, SMALL, Refused("no_address"))] * 20, source="google")
    assert remark == (
        "saree (source 'google' 'silk saree'): 20 of 20 pictures are thumbnails, since their originals could not be "
        "had (scrape.thumbnails: false does without them); look at it with: pixmill scrape --probe google 'silk saree'"
    )


def test_addresses_that_no_rule_makes_originals_of_are_told():
    [remark] = remarks(*[(SMALL, None, None)] * 20)
    assert "none of 20 pictures has an address that rewrite in amazon.yaml makes an original of" in remark
    assert remark.endswith("pixmill scrape --probe amazon 'silk saree'")
    # Prints on plain garments keep theirs, beside others that are lifted.
    assert remarks(*[(SMALL, None, None)] * 20, (LARGE, SMALL, None)) == []


@pytest.mark.parametrize("source", ["bing", "shop"])
def test_a_site_without_such_rules_gives_originals(source):
    assert remarks(*[(LARGE, None, None)] * 20, source=source) == []


def test_of_a_few_nothing_is_concluded():
    assert remarks(*[(SMALL, None, None)] * 9) == []


def test_the_run_says_it(visit, invented, web, picture):
    small = web.show(*(picture(seed) for seed in range(10)))
    result = visit(invented({"hat": [{"image_url": None, "thumbnail_url": url} for url in small]}))
    assert result.remarks == [
        "hat (source 'site:invented'): 10 of 10 pictures are thumbnails, since their originals could not be had "
        "(scrape.thumbnails: false does without them)"
    ]
