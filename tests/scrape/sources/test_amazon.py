"""Amazon's cards and its robot check, as its file describes them, in a real browser."""

import pytest

from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.page_state import PageFacts, classify

pytestmark = pytest.mark.browser

SMALL = "https://m.media-amazon.com/images/I/81ab._AC_UL320_.jpg"
LARGE = "https://m.media-amazon.com/images/I/81ab._AC_UL960_QL65_.jpg"
CARD = f"""<div role="listitem" data-asin="B01" data-component-type="s-search-result" class="s-result-item s-asin">
<a class="a-link-normal s-no-outline" href="/Saree/dp/B01/ref=sr_1_1"><img class="s-image" alt="Saree"
src="{SMALL}" srcset="{SMALL} 1x, {LARGE} 3x"></a><h2 class="a-size-mini"><span>Sutra</span></h2>
<a href="/Saree/dp/B01/ref=sr_1_1"><h2><span>Silk Saree</span></h2></a>
<span class="a-price"><span class="a-offscreen">₹799</span><span aria-hidden="true">₹799</span></span></div>"""
WIDGET = '<div data-asin="" class="s-result-item s-widget"><h2>Results</h2><img class="s-image" src="/b.jpg"></div>'
FACTS = {"status": 200, "url": "https://www.amazon.in/s?k=hat", "title": "", "text": "", "html": "", "count": 0}


def test_what_a_card_says(searches):
    [tile] = searches.tiles("amazon", WIDGET + CARD)
    assert (tile["key"], tile["title"], tile["price"]) == ("B01", "Silk Saree", "₹799")
    assert tile["page"] == "https://www.amazon.in/Saree/dp/B01/ref=sr_1_1"
    assert tile["image"] == LARGE
    assert load_site("amazon", None).original(LARGE) == "https://m.media-amazon.com/images/I/81ab.jpg"


@pytest.mark.parametrize("marks", [("s-result-item s-asin", "x1"), ("s-search-result", "x2"), ("s-no-outline", "x3")])
def test_other_class_names_change_nothing(searches, marks):
    [tile] = searches.tiles("amazon", WIDGET + CARD.replace(*marks))
    assert (tile["key"], tile["image"]) == ("B01", LARGE)


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
def test_its_pages_are_told_apart(facts, state):
    assert classify(PageFacts(**FACTS | {"marks": {}} | facts), load_site("amazon", None).states).state == state
