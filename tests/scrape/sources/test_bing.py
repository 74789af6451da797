"""Bing's tiles, whole and broken, on its replica in a real browser."""

import json

import pytest

from tests.scrape.sources.engines import compare

pytestmark = pytest.mark.browser

FACTS = {
    "purl": "https://site.test/p",
    "murl": "https://cdn.test/1?v=2",
    "turl": "https://ts1.mm.bing.net/th?id=OIP.x",
    "t": 'A "fine" cat',
}
LINK = "/images/search?view=detailV2&mediaurl=https%3A%2F%2Fcdn.test%2F1%3Fv%3D2&expw=1920&exph=1080"
IMAGE = """<img class="mimg" alt="Cat" width="240" src="data:image/gif;base64,R0"
data-src="https://ts1.mm.bing.net/th?id=OIP.x&w=240&h=180">"""


def tile(facts=FACTS, *, link=LINK, image=IMAGE):
    said = (facts if isinstance(facts, str) else json.dumps(facts)).replace("&", "&amp;").replace('"', "&quot;")
    return f"""<li><div class="iuscp"><a class="iusc" href="{link}" m="{said}">{image}</a>
    <div class="lnkw"><a href="https://site.test/other">site.test</a></div></div></li>"""


def test_what_is_shown_twice_is_found_once_and_the_link_names_the_original_where_the_json_is_broken(searches):
    found, results = searches.all("bing"), searches.results("bing")
    compare(found, results, share=1)
    assert len({one.image_url for one in found}) == 60
    expected = {"json": "json", "attribute": "link"}
    assert [one.route for one in found] == [expected[one.route] for one in results]
    assert {one.route for one in found} == {"json", "link"}


@pytest.mark.slow
def test_a_page_that_shows_the_same_dozen_over_and_over_ends(searches):
    with searches.switched("bing", "cyclic"):
        found = searches.all("bing")
    dozen = [one.original_url for one in searches.results("bing")[:12]]
    assert [one.image_url for one in found[:12]] == dozen
    assert len(found) < 45  # the dozen and what the first pages repeat


def test_what_a_tile_says(searches):
    assert searches.tiles("bing", tile()) == [
        {
            "key": "https://cdn.test/1?v=2",
            "image": "https://cdn.test/1?v=2",
            "thumbnail": "https://ts1.mm.bing.net/th?id=OIP.x",
            "page": "https://site.test/p",
            "title": 'A "fine" cat',
            "width": 1920,
            "height": 1080,
            "route": "json",
        }
    ]


@pytest.mark.parametrize(
    "facts", ["{broken", "", "null", "[]", "17", {**FACTS, "murl": "javascript:alert(1)"}, {**FACTS, "murl": {"a": 1}}]
)
def test_broken_facts_cost_no_original(searches, facts):
    [found] = searches.tiles("bing", tile(facts))
    assert (found["image"], found["route"]) == ("https://cdn.test/1?v=2", "link")


def test_a_thumbnail_is_the_last_resort_and_marked_as_one(searches):
    [found] = searches.tiles("bing", tile("", link="#"))
    assert (found["image"], found["route"]) == (None, "thumbnail")
    assert found["thumbnail"] == "https://ts1.mm.bing.net/th?id=OIP.x"
    assert found["page"] == "https://site.test/other"


def test_a_sign_is_no_thumbnail(searches):
    sign = '<img class="mimg" alt="" width="42" src="https://ts1.mm.bing.net/th?id=SIGN">'
    assert searches.tiles("bing", tile("{broken", link="", image=sign) + tile("", link="", image="")) == []


@pytest.mark.parametrize("marks", [("iusc", "x1"), ("mimg", "x2"), ("iuscp", "x3"), ("lnkw", "x4")])
def test_renamed_classes_cost_no_original(searches, marks):
    page = f'<div id="mmComponent_images_2">{tile().replace(*marks)}</div>'
    assert [found["image"] for found in searches.tiles("bing", page)] == ["https://cdn.test/1?v=2"]
