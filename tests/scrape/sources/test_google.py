"""Google's tiles, panels and routes, on its replica in a real browser."""

from collections import Counter

import pytest

from tests.scrape.sources.engines import compare

pytestmark = pytest.mark.browser

TILE = """<div data-docid="D1" data-lpage="https://site.test/cats"><a role="button">
<img alt="Tabby cat" width="320" data-src="https://encrypted-tbn0.gstatic.com/images?q=tbn:T1&s"
src="data:image/gif;base64,R0"></a><div class="OSrXXb">A tabby cat</div></div>"""
CHIPS = """<div role="list"><a href="/search?q=red"><img alt="Red" width="120" src="https://x.test/1.jpg"></a></div>
<div class="ivg-i my5z3d" data-docid="R"><img alt="Related" width="120" src="https://x.test/2.jpg"></div>
<div data-docid="ICON"><img alt="" width="320" src="https://x.test/3.jpg"><img alt="star" width="18" src="x"></div>"""
LINK = "/imgres?imgurl=https%3A%2F%2Fcdn.test%2Fcat.jpg&imgrefurl=https%3A%2F%2Fsite.test%2Fp&tbnid=T1&w=1920&h=1080"


@pytest.fixture(scope="module")
def found(searches):
    return searches.all("google")


def test_a_click_finds_what_no_script_holds(searches, found):
    results = searches.results("google")
    compare(found, results, share=1)
    assert Counter(one.route for one in found).keys() == {"click", "script", "thumbnail"}
    assert [one.rank for one in found if one.image_url is None] == [one.rank for one in results if not one.revealed]


def test_a_thumbnail_may_be_in_the_page_itself(found):
    assert all(one.thumbnail_url.startswith("data:image/jpeg;base64,") for one in found[:4])
    assert all(one.thumbnail_url.startswith("https://encrypted-tbn") for one in found[4:])


def test_what_a_tile_says(searches):
    assert searches.tiles("google", f"<div id=rso>{CHIPS}{TILE}</div>") == [
        {
            "key": "D1",
            "page": "https://site.test/cats",
            "title": "A tabby cat",
            "thumbnail": "https://encrypted-tbn0.gstatic.com/images?q=tbn:T1&s",
        }
    ]


def test_a_tile_that_links_to_its_original_needs_no_click(searches):
    [tile] = searches.tiles("google", f"<div id=rso>{TILE.replace('<a ', f'<a href={LINK} ')}</div>")
    assert (tile["image"], tile["page"], tile["route"]) == ("https://cdn.test/cat.jpg", "https://site.test/p", "link")
    assert (tile["width"], tile["height"]) == (1920, 1080)


@pytest.mark.parametrize(
    ("marks", "key"),
    [
        ('data-lpage="https://site.test/cats"', "T1"),
        ('class="ivg-i"', "T1"),
        ('jsname="dTDiAc"', "T1"),
        ('class="isv-r" data-id="old"', "old"),
    ],
)
def test_a_tile_is_known_by_any_of_its_marks(searches, marks, key):
    tile = TILE.replace('data-docid="D1" data-lpage="https://site.test/cats"', marks)
    assert [found["key"] for found in searches.tiles("google", f"<div id=rso>{tile}</div>")] == [key]


def test_without_any_mark_a_thumbnail_is_known_by_its_address_and_its_words(searches):
    bare = '<p><img alt="Cat" width="300" src="https://encrypted-tbn0.gstatic.com/images?q=tbn:T1">'
    [tile] = searches.tiles("google", bare + bare.replace("Cat", ""))
    assert (tile["key"], tile["title"]) == ("T1", "Cat")
