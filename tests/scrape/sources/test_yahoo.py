"""Yahoo's tiles and pages, on its replica in a real browser."""

import json

import pytest

from tests.scrape.sources.engines import compare

pytestmark = pytest.mark.browser

FACTS = {
    "alt": "A cat",
    "iurl": "http://cdn.test/1.jpg",
    "ourl": "http://cdn.test/1.jpg?whole",
    "ith": "https://tse1.mm.bing.net/th?id=OIP.a&pid=Api",
    "rurl": "https://site.test/p",
    "w": "1280",
    "h": 720,
}
LINK = "/images/view;_ylt=x?w=1280&h=720&imgurl=cdn.test%2F1.jpg&rurl=https%3A%2F%2Fsite.test%2Fp&name=Cat"


def tile(facts=FACTS, *, link=LINK):
    said = (facts if isinstance(facts, str) else json.dumps(facts)).replace("&", "&amp;").replace('"', "&quot;")
    return f"""<ul id="sres"><li class="ld" data="{said}"><a href="{link}"><img class="process" alt="Cat"
    src="data:image/gif;base64,R0" data-src="https://tse1.mm.bing.net/th?id=OIP.a&pid=Api"></a></li></ul>"""


def pages(searches):
    return [visit.query for visit in searches.world.log.visits("search.yahoo.com", "/search/images")]


def test_pages_are_counted_in_the_address(searches):
    searches.world.log.clear()
    compare(searches.all("yahoo"), searches.results("yahoo"), share=1)
    assert [query.rpartition("b=")[2] for query in pages(searches)][:3] == ["1", "61", "121"]


def test_what_a_tile_says(searches):
    assert searches.tiles("yahoo", tile()) == [
        {
            "key": "http://cdn.test/1.jpg?whole",
            "image": "http://cdn.test/1.jpg?whole",
            "thumbnail": "https://tse1.mm.bing.net/th?id=OIP.a&pid=Api",
            "page": "https://site.test/p",
            "title": "A cat",
            "width": 1280,
            "height": 720,
            "route": "json",
        }
    ]


WHOLE = json.dumps(FACTS)


@pytest.mark.parametrize(
    "facts",
    [
        WHOLE.replace('"', "&quot;"),
        WHOLE.replace("A cat", 'A "fine" cat'),
        WHOLE.replace("}", ",}"),
        WHOLE[: WHOLE.index('"rurl"') + 9],
    ],
    ids=["escaped twice", "not escaped", "a comma too many", "cut off"],
)
def test_json_is_read_as_far_as_it_goes(searches, facts):
    [found] = searches.tiles("yahoo", tile(facts))
    assert (found["image"], found["page"]) == ("http://cdn.test/1.jpg?whole", "https://site.test/p")
    assert (found["width"], found["route"]) == (1280, "json")


def test_without_json_the_link_names_the_original_and_leaves_the_scheme_out(searches):
    [found] = searches.tiles("yahoo", tile("{"))
    assert (found["image"], found["page"], found["title"]) == ("https://cdn.test/1.jpg", "https://site.test/p", "Cat")
    assert (found["width"], found["height"], found["route"]) == (1280, 720, "link")


def test_a_thumbnail_is_the_last_resort_and_marked_as_one(searches):
    [found] = searches.tiles("yahoo", tile('{"iurl": "data:,x", "ourl": 5}', link="/"))
    assert (found["image"], found["route"]) == (None, "thumbnail")
    assert found["thumbnail"] == "https://tse1.mm.bing.net/th?id=OIP.a&pid=Api"
