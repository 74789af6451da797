"""The source ``shop``."""

import pytest

from pixmill.core.errors import DataError
from pixmill.fetch import Network
from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.shop import ShopSource
from pixmill.scrape.sources.source import SearchError
from tests.browsing import open_confined
from tests.scrape.sources.access import OneBrowser


@pytest.fixture
def shop(data):
    with ShopSource(load_site("shop", None), data) as shop:
        yield shop


def test_queries(shop):
    queries = shop.queries("boot", ["boot", "rain boots"])
    assert [(query.label, query.text) for query in queries] == [
        ("boot", "boot"),
        ("boot", "rain boots"),
    ]
    assert queries[1].address == "http://shop.pixmill.test/search?q=rain+boots"


def test_rejects_links_out_of_the_folder(data, tmp_path):
    (tmp_path / "away.png").write_bytes(b"")
    (data / "boot" / "a.png").symlink_to(tmp_path / "away.png")
    with pytest.raises(DataError, match=r"boot/a\.png is a link out of") as caught:
        ShopSource(load_site("shop", None), data)
    assert "scrape.source: folder" in caught.value.next


def test_rejects_an_empty_shop(tmp_path):
    with pytest.raises(DataError):
        ShopSource(load_site("shop", None), tmp_path / "data")


@pytest.mark.slow
@pytest.mark.browser
def test_finds_every_product_in_order(shop, tmp_path):
    (origin,) = shop.served
    assert origin == "shop.pixmill.test:80"
    with open_confined(Network(served=shop.served), tmp_path / "profile") as driver:
        access = OneBrowser(driver, tmp_path / "evidence")
        boots, rain = shop.queries("boot", ["boot", "umbrella"])
        candidates = list(shop.search(boots, access))
        assert len(candidates) >= 30
        assert [one.rank for one in candidates] == list(range(len(candidates)))
        assert len({one.page_url for one in candidates}) == len(candidates)
        assert all(
            one.page_url.startswith("http://shop.pixmill.test/product/") for one in candidates
        )
        assert all(
            one.image_url.startswith(("http://shop.pixmill.test/media/", "data:image/"))
            for one in candidates
        )
        assert all(
            one.title and one.price.startswith("€ ") and one.thumbnail_url is None
            for one in candidates
        )
        with pytest.raises(SearchError) as error:
            list(shop.search(rain, access))
        assert error.value.failure == "no_results"
        assert "the bundled shop shows the images of data/" in error.value.advice
