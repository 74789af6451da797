"""Search engines and Amazon, in a real browser: replicas, and tiles read by each script."""

import json
from collections import Counter

import pytest

from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.page_state import PageFacts, classify
from tests.scrape.sources.engines import ENGINES, compare

pytestmark = pytest.mark.browser


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "modes"),
    [
        (
            "google",
            ("consent_redirect", "endless", "last_years_layout", "rerender", "loses_scroll"),
        ),
        ("bing", ("consent_overlay", "endless", "renamed", "rerender", "loses_scroll")),
        ("yahoo", ("consent_redirect", "renamed", "rerender", "loses_scroll")),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_finds_all_results_despite(searches, name, modes):
    with searches.switched(name, *modes):
        compare(searches.all(name), searches.results(name))


@pytest.mark.parametrize(
    ("name", "mode", "failure"),
    [
        ("google", "captcha", "captcha"),
        ("bing", "empty", "no_results"),
        ("yahoo", "js_shell", "blocked"),
        *(slow(name, "sorry429", "captcha") for name in ENGINES),
        slow("bing", "block_200", "blocked"),
        ("bing", "down", "unreachable"),
    ],
)
def test_names_pages_without_results(searches, name, mode, failure):
    with searches.switched(name, mode):
        found, error = searches.failing(name)
    assert error.failure == failure
    assert found == []
    assert (searches.folder / "page.png").stat().st_size > 0
    assert error.evidence == str(searches.folder)


GOOGLE_TILE = """<div data-docid="D1" data-lpage="https://site.test/cats"><a role="button">
<img alt="Tabby cat" width="320" data-src="https://encrypted-tbn0.gstatic.com/images?q=tbn:T1&s"
src="data:image/gif;base64,R0"></a><div class="OSrXXb">A tabby cat</div></div>"""
GOOGLE_CHIPS = """<div role="list"><a href="/search?q=red"><img alt="Red" width="120" src="https://x.test/1.jpg"></a></div>
<div class="ivg-i my5z3d" data-docid="R"><img alt="Related" width="120" src="https://x.test/2.jpg"></div>
<div data-docid="ICON"><img alt="" width="320" src="https://x.test/3.jpg"><img alt="star" width="18" src="x"></div>"""
GOOGLE_LINK = "/imgres?imgurl=https%3A%2F%2Fcdn.test%2Fcat.jpg&imgrefurl=https%3A%2F%2Fsite.test%2Fp&tbnid=T1&w=1920&h=1080"  # noqa: E501


@pytest.fixture(scope="module")
def found(searches):
    """Candidates of a search with Google."""
    return searches.all("google")


class TestGoogle:
    """Google's tiles, panels and routes."""

    def test_clicks_find_originals_missing_from_scripts(self, searches, found):
        results = searches.results("google")
        compare(found, results, share=1)
        assert Counter(one.route for one in found).keys() == {"click", "script", "thumbnail"}
        assert [one.rank for one in found if one.image_url is None] == [
            one.rank for one in results if not one.revealed
        ]

    def test_thumbnails_may_be_inlined(self, found):
        assert all(one.thumbnail_url.startswith("data:image/jpeg;base64,") for one in found[:4])
        assert all(one.thumbnail_url.startswith("https://encrypted-tbn") for one in found[4:])

    def test_reads_a_tile(self, searches):
        assert searches.tiles("google", f"<div id=rso>{GOOGLE_CHIPS}{GOOGLE_TILE}</div>") == [
            {
                "key": "D1",
                "page": "https://site.test/cats",
                "title": "A tabby cat",
                "thumbnail": "https://encrypted-tbn0.gstatic.com/images?q=tbn:T1&s",
            }
        ]

    def test_a_tile_with_a_link_needs_no_click(self, searches):
        [tile] = searches.tiles(
            "google", f"<div id=rso>{GOOGLE_TILE.replace('<a ', f'<a href={GOOGLE_LINK} ')}</div>"
        )
        assert (tile["image"], tile["page"], tile["route"]) == (
            "https://cdn.test/cat.jpg",
            "https://site.test/p",
            "link",
        )
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
    def test_tiles_match_any_marker(self, searches, marks, key):
        tile = GOOGLE_TILE.replace('data-docid="D1" data-lpage="https://site.test/cats"', marks)
        assert [
            found["key"] for found in searches.tiles("google", f"<div id=rso>{tile}</div>")
        ] == [key]

    def test_thumbnails_without_markers_match_by_url_and_alt_text(self, searches):
        bare = (
            '<p><img alt="Cat" width="300" '
            'src="https://encrypted-tbn0.gstatic.com/images?q=tbn:T1">'
        )
        [tile] = searches.tiles("google", bare + bare.replace("Cat", ""))
        assert (tile["key"], tile["title"]) == ("T1", "Cat")


BING_FACTS = {
    "purl": "https://site.test/p",
    "murl": "https://cdn.test/1?v=2",
    "turl": "https://ts1.mm.bing.net/th?id=OIP.x",
    "t": 'A "fine" cat',
}
BING_LINK = (
    "/images/search?view=detailV2&mediaurl=https%3A%2F%2Fcdn.test%2F1%3Fv%3D2&expw=1920&exph=1080"
)
BING_IMAGE = """<img class="mimg" alt="Cat" width="240" src="data:image/gif;base64,R0"
data-src="https://ts1.mm.bing.net/th?id=OIP.x&w=240&h=180">"""


def bing_tile(facts=BING_FACTS, *, link=BING_LINK, image=BING_IMAGE):
    data = (
        (facts if isinstance(facts, str) else json.dumps(facts))
        .replace("&", "&amp;")
        .replace('"', "&quot;")
    )
    return f"""<li><div class="iuscp"><a class="iusc" href="{link}" m="{data}">{image}</a>
    <div class="lnkw"><a href="https://site.test/other">site.test</a></div></div></li>"""


class TestBing:
    """Bing's tiles, whole and broken."""

    def test_repeated_results_and_broken_json(self, searches):
        found = searches.all("bing")
        results = searches.results("bing")
        compare(found, results, share=1)
        assert len({one.image_url for one in found}) == 60
        expected = {"json": "json", "attribute": "link"}
        assert [one.route for one in found] == [expected[one.route] for one in results]
        assert {one.route for one in found} == {"json", "link"}

    def test_reads_a_tile(self, searches):
        assert searches.tiles("bing", bing_tile()) == [
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
        "facts",
        [
            "{broken",
            "",
            "null",
            "[]",
            "17",
            {**BING_FACTS, "murl": "javascript:alert(1)"},
            {**BING_FACTS, "murl": {"a": 1}},
        ],
    )
    def test_broken_json_keeps_the_original(self, searches, facts):
        [found] = searches.tiles("bing", bing_tile(facts))
        assert (found["image"], found["route"]) == ("https://cdn.test/1?v=2", "link")

    def test_falls_back_to_the_thumbnail(self, searches):
        [found] = searches.tiles("bing", bing_tile("", link="#"))
        assert (found["image"], found["route"]) == (None, "thumbnail")
        assert found["thumbnail"] == "https://ts1.mm.bing.net/th?id=OIP.x"
        assert found["page"] == "https://site.test/other"

    @pytest.mark.parametrize(
        "marks", [("iusc", "x1"), ("mimg", "x2"), ("iuscp", "x3"), ("lnkw", "x4")]
    )
    def test_renamed_classes_keep_the_original(self, searches, marks):
        page = f'<div id="mmComponent_images_2">{bing_tile().replace(*marks)}</div>'
        assert [found["image"] for found in searches.tiles("bing", page)] == [
            "https://cdn.test/1?v=2"
        ]


YAHOO_FACTS = {
    "alt": "A cat",
    "iurl": "http://cdn.test/1.jpg",
    "ourl": "http://cdn.test/1.jpg?whole",
    "ith": "https://tse1.mm.bing.net/th?id=OIP.a&pid=Api",
    "rurl": "https://site.test/p",
    "w": "1280",
    "h": 720,
}
YAHOO_LINK = "/images/view;_ylt=x?w=1280&h=720&imgurl=cdn.test%2F1.jpg&rurl=https%3A%2F%2Fsite.test%2Fp&name=Cat"


def yahoo_tile(facts=YAHOO_FACTS, *, link=YAHOO_LINK):
    data = (
        (facts if isinstance(facts, str) else json.dumps(facts))
        .replace("&", "&amp;")
        .replace('"', "&quot;")
    )
    return f"""<ul id="sres"><li class="ld" data="{data}"><a href="{link}"><img class="process" alt="Cat"
    src="data:image/gif;base64,R0" data-src="https://tse1.mm.bing.net/th?id=OIP.a&pid=Api"></a></li></ul>"""


def yahoo_pages(searches):
    return [
        visit.query for visit in searches.world.log.visits("search.yahoo.com", "/search/images")
    ]


YAHOO_WHOLE = json.dumps(YAHOO_FACTS)


class TestYahoo:
    """Yahoo's tiles and pages."""

    def test_pages_are_counted_in_the_url(self, searches):
        searches.world.log.clear()
        compare(searches.all("yahoo"), searches.results("yahoo"), share=1)
        assert [query.rpartition("b=")[2] for query in yahoo_pages(searches)][:3] == [
            "1",
            "61",
            "121",
        ]

    def test_reads_a_tile(self, searches):
        assert searches.tiles("yahoo", yahoo_tile()) == [
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

    @pytest.mark.parametrize(
        "facts",
        [
            YAHOO_WHOLE.replace('"', "&quot;"),
            YAHOO_WHOLE.replace("A cat", 'A "fine" cat'),
            YAHOO_WHOLE.replace("}", ",}"),
            YAHOO_WHOLE[: YAHOO_WHOLE.index('"rurl"') + 9],
        ],
        ids=["escaped twice", "not escaped", "a comma too many", "cut off"],
    )
    def test_reads_damaged_json(self, searches, facts):
        [found] = searches.tiles("yahoo", yahoo_tile(facts))
        assert (found["image"], found["page"]) == (
            "http://cdn.test/1.jpg?whole",
            "https://site.test/p",
        )
        assert (found["width"], found["route"]) == (1280, "json")

    def test_without_json_reads_the_link(self, searches):
        [found] = searches.tiles("yahoo", yahoo_tile("{"))
        assert (found["image"], found["page"], found["title"]) == (
            "https://cdn.test/1.jpg",
            "https://site.test/p",
            "Cat",
        )
        assert (found["width"], found["height"], found["route"]) == (1280, 720, "link")

    def test_falls_back_to_the_thumbnail(self, searches):
        [found] = searches.tiles("yahoo", yahoo_tile('{"iurl": "data:,x", "ourl": 5}', link="/"))
        assert (found["image"], found["route"]) == (None, "thumbnail")
        assert found["thumbnail"] == "https://tse1.mm.bing.net/th?id=OIP.a&pid=Api"


AMAZON_SMALL = "https://m.media-amazon.com/images/I/81ab._AC_UL320_.jpg"
AMAZON_LARGE = "https://m.media-amazon.com/images/I/81ab._AC_UL960_QL65_.jpg"
AMAZON_CARD = f"""<div role="listitem" data-asin="B01" data-component-type="s-search-result"
class="s-result-item s-asin">
<a class="a-link-normal s-no-outline" href="/Saree/dp/B01/ref=sr_1_1"><img class="s-image" alt="Saree"
src="{AMAZON_SMALL}" srcset="{AMAZON_SMALL} 1x, {AMAZON_LARGE} 3x"></a><h2 class="a-size-mini"><span>Sutra</span></h2>
<a href="/Saree/dp/B01/ref=sr_1_1"><h2><span>Silk Saree</span></h2></a>
<span class="a-price"><span class="a-offscreen">₹799</span><span aria-hidden="true">₹799</span></span></div>"""
AMAZON_WIDGET = (
    '<div data-asin="" class="s-result-item s-widget"><h2>Results</h2><img '
    'class="s-image" src="/b.jpg"></div>'
)
AMAZON_FACTS = {
    "status": 200,
    "url": "https://www.amazon.in/s?k=hat",
    "title": "",
    "text": "",
    "html": "",
    "count": 0,
}


class TestAmazon:
    """Amazon's cards and its robot check."""

    def test_reads_a_card(self, searches):
        [tile] = searches.tiles("amazon", AMAZON_WIDGET + AMAZON_CARD)
        assert (tile["key"], tile["title"], tile["price"]) == ("B01", "Silk Saree", "₹799")
        assert tile["page"] == "https://www.amazon.in/Saree/dp/B01/ref=sr_1_1"
        assert tile["image"] == AMAZON_LARGE
        assert (
            load_site("amazon", None).original(AMAZON_LARGE)
            == "https://m.media-amazon.com/images/I/81ab.jpg"
        )

    @pytest.mark.parametrize(
        ("facts", "state"),
        [
            ({"marks": {"captcha": "#captchacharacters"}}, "captcha"),
            ({"url": "https://www.amazon.in/errors/validateCaptcha?x=1"}, "captcha"),
            ({"status": 503, "text": "Type the characters you see in this image"}, "captcha"),
            ({"text": "No results for hat"}, "empty"),
            ({"count": 48, "text": "No results for hat"}, "results"),
        ],
    )
    def test_classifies_pages(self, facts, state):
        assert (
            classify(
                PageFacts(**AMAZON_FACTS | {"marks": {}} | facts), load_site("amazon", None).states
            ).state
            == state
        )
