"""Google's tiles, panels and routes, on its replica in a real browser."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.scrape.replicas.google import Google
from tests.scrape.sources.engines import compare, searching

pytestmark = pytest.mark.browser

TILE = """<div data-docid="D1" data-lpage="https://site.test/cats"><a role="button">
<img alt="Tabby cat" width="320" data-src="https://encrypted-tbn0.gstatic.com/images?q=tbn:T1&s"
src="data:image/gif;base64,R0"></a><div class="OSrXXb">A tabby cat</div></div>"""
CHIPS = """<div role="list"><a href="/search?q=red"><img alt="Red" width="120" src="https://x.test/1.jpg"></a></div>
<div class="ivg-i my5z3d" data-docid="R"><img alt="Related" width="120" src="https://x.test/2.jpg"></div>
<div data-docid="ICON"><img alt="" width="320" src="https://x.test/3.jpg"><img alt="star" width="18" src="x"></div>"""
LINK = "/imgres?imgurl=https%3A%2F%2Fcdn.test%2Fcat.jpg&imgrefurl=https%3A%2F%2Fsite.test%2Fp&tbnid=T1&w=1920&h=1080"


@pytest.fixture(scope="module")
def clicked(tmp_path_factory):
    """A replica whose scripts hold no original."""
    google = Google(total=8, scripted=0.0, silent=0.5, inlined=4)
    with searching(tmp_path_factory.mktemp("google"), google, pace=0.1) as searches:
        yield searches


@pytest.fixture(scope="module")
def found(clicked):
    return clicked.all("google")


def test_a_click_on_each_tile_finds_what_no_script_holds(clicked, found):
    results = clicked.results("google")
    compare(found, results, share=1)
    assert Counter(one.route for one in found).keys() == {"click", "thumbnail"}
    assert [one.rank for one in found if one.image_url is None] == [one.rank for one in results if not one.revealed]


def test_a_thumbnail_may_be_in_the_page_itself(found):
    assert all(one.thumbnail_url.startswith("data:image/jpeg;base64,") for one in found[:4])
    assert all(one.thumbnail_url.startswith("https://encrypted-tbn") for one in found[4:])


@pytest.mark.slow
def test_panels_are_found_again_whatever_their_classes_are_called(clicked):
    with clicked.switched("google", "renamed", "rerender"):
        compare(clicked.all("google"), clicked.results("google"))


@pytest.mark.slow
def test_panels_that_no_longer_show_originals_are_given_up(tmp_path):
    with searching(tmp_path, Google(total=14, scripted=0.0, silent=1.0), pace=0.0) as searches:
        found = searches.all("google")
        opened = searches.world.log.visits("www.google.com", "/async/imgv")
    assert {(one.image_url, one.route) for one in found} == {(None, "thumbnail")}
    assert len(found) == 14
    assert len(opened) == 10


class Twice(Google):
    """Google, where every original is behind two tiles."""

    def _results(self, query):
        results = super()._results(query)
        return tuple(replace(one, original_url=results[one.rank // 2 * 2].original_url) for one in results)


def test_an_original_behind_two_tiles_comes_once(tmp_path):
    with searching(tmp_path, Twice(total=20, scripted=1.0), pace=0.05) as searches:
        found, results = searches.all("google"), searches.results("google")
    assert [one.image_url for one in found] == [one.original_url for one in results[::2]]
    assert [one.rank for one in found] == list(range(10))


def test_what_a_tile_says(clicked):
    assert clicked.tiles("google", f"<div id=rso>{CHIPS}{TILE}</div>") == [
        {
            "key": "D1",
            "page": "https://site.test/cats",
            "title": "A tabby cat",
            "thumbnail": "https://encrypted-tbn0.gstatic.com/images?q=tbn:T1&s",
        }
    ]


def test_a_tile_that_links_to_its_original_needs_no_click(clicked):
    [tile] = clicked.tiles("google", f"<div id=rso>{TILE.replace('<a ', f'<a href={LINK} ')}</div>")
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
def test_a_tile_is_known_by_any_of_its_marks(clicked, marks, key):
    tile = TILE.replace('data-docid="D1" data-lpage="https://site.test/cats"', marks)
    assert [found["key"] for found in clicked.tiles("google", f"<div id=rso>{tile}</div>")] == [key]


def test_without_any_mark_a_thumbnail_is_known_by_its_address_and_its_words(clicked):
    bare = '<p><img alt="Cat" width="300" src="https://encrypted-tbn0.gstatic.com/images?q=tbn:T1">'
    [tile] = clicked.tiles("google", bare + bare.replace("Cat", ""))
    assert (tile["key"], tile["title"]) == ("T1", "Cat")
