"""Amazon's replica, seen through a browser and by a plain client."""

import io
import re

import pytest
from PIL import Image

CARD = '[data-component-type="s-search-result"][data-asin]:not([data-asin=""])'
READ = f"""[...document.querySelectorAll('{CARD}')].map((card) => ({{
  key: card.dataset.asin,
  title: card.querySelector("h2 span").textContent,
  page: card.querySelector("a.s-no-outline").href,
  thumbnail: card.querySelector("img.s-image").src,
  price: card.querySelector(".a-price .a-offscreen")?.textContent ?? null,
  alt: card.querySelector("img.s-image").alt,
}}))"""
SEARCH = "https://www.amazon.in/s?k=sarees"


def image(ask, url):
    answer = ask(url)
    assert answer.status == 200, url
    return Image.open(io.BytesIO(answer.body))


@pytest.mark.slow
@pytest.mark.browser
def test_the_pages_show_what_the_truth_says_in_its_order(viewer, sites):
    pages, cards = 0, []
    url = SEARCH
    while url:
        viewer.open(url)
        pages += 1
        shown = viewer.ask(READ)
        advertised = [card["key"] for card in shown if card["alt"].startswith("Sponsored Ad - ")]
        assert advertised == [result.key for result in sites.results("amazon", "sarees") if "/sspa/" in result.page_url]
        assert len({card["key"] for card in shown}) < len(shown)  # one of them stands there twice
        assert viewer.ask("""document.querySelectorAll('.s-result-item[data-asin=""]').length""") == 3
        cards += shown
        url = viewer.ask("document.querySelector('a.s-pagination-next')?.href ?? null")
    assert pages == 7
    assert viewer.ask("!!document.querySelector('span.s-pagination-disabled[aria-disabled=true]')")
    first_seen = {card["key"]: card for card in reversed(cards)}
    truth = sites.results("amazon", "sarees")
    assert len(truth) == 300
    for result in truth:
        card = first_seen.pop(result.key)
        seen = (card["title"], card["page"], card["thumbnail"], card["price"])
        assert seen == (result.title, result.page_url, result.thumbnail_url, result.price)
    assert not first_seen
    ranks = list(dict.fromkeys(card["key"] for card in cards))
    assert ranks == [result.key for result in truth]


@pytest.mark.slow
@pytest.mark.browser
def test_lower_images_load_late_though_their_address_is_there(viewer):
    viewer.open("https://www.amazon.in/s?k=unseen")  # what the browser has in its cache is there at once
    shown = "[...document.querySelectorAll('img.s-image')]"
    assert viewer.wait(f"{shown}[3].naturalWidth > 1")
    last = f"{shown}.at(-2)"
    assert viewer.ask(f"{last}.src.startsWith('https://m.media-amazon.com/') && {last}.naturalWidth === 0")
    viewer.ask(f"{last}.scrollIntoView()")
    assert viewer.wait(f"{last}.naturalWidth > 1")


def test_cards_lead_to_products_advertised_or_not(ask, sites):
    for result in sites.results("amazon", "sarees")[:2]:
        page = ask(result.page_url)
        assert page.status == 200
        assert "s-search-result" not in page.text


def test_originals_are_as_large_as_promised_and_larger_than_what_the_list_shows(ask, sites):
    truth = [result for result in sites.results("amazon", "jeans") if result.deliverable]
    for result in truth[:40]:
        original = image(ask, result.original_url)
        assert original.size == (result.width, result.height)
        assert max(image(ask, result.thumbnail_url).size) == 320 < max(original.size)


def test_a_composite_loses_its_print_with_its_suffix(ask, sites):
    shown = [result for result in sites.results("amazon", "jeans") if "%7C" in result.original_url]
    assert shown
    bare = {ask(re.sub(r"\._CLa.*", ".png", result.original_url)).body for result in shown}
    assert len(bare) == 1
    for result in shown:
        print_ = ask(result.original_url)
        assert print_.status == 200
        assert print_.body not in bare


def test_some_sizes_stand_after_the_extension(ask, sites):
    shown = [result for result in sites.results("amazon", "jeans") if ".jpg_BO30" in result.thumbnail_url]
    assert shown
    assert all(re.search(r"/81[\w-]+L\.jpg$", result.original_url) for result in shown)


def test_an_original_may_be_gone_though_the_list_shows_it(ask, sites):
    gone = [result for result in sites.results("amazon", "jeans") if not result.deliverable]
    assert gone
    assert {ask(result.original_url).status for result in gone} == {404}
    assert {ask(result.thumbnail_url).status for result in gone} == {200}


def test_every_size_in_a_srcset_is_served(ask):
    page = ask(SEARCH).text.replace("&amp;", "&")
    offered = re.findall(r"(https://m\.media-amazon\.com/\S+?) ([\d.]+)x", page)[:60]
    assert any("FMwebp" in url for url, _ in offered)
    for url, density in offered:
        shown = image(ask, url)
        assert max(shown.size) <= 320 * float(density)
        assert shown.format == ("WEBP" if "FMwebp" in url else "JPEG")


def test_a_list_shows_images_of_one_height(ask, sites):
    sites.switch("amazon", "list_layout")
    page = ask(SEARCH).text
    assert "_AC_UL320_" not in page
    url = re.search(r'src="(https://m\.media\S+_AC_UY218_\.jpg)"', page)[1]
    assert image(ask, url).height == 218


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("kind", ["captcha", "button"])
def test_the_robot_check_comes_now_and_then(ask, sites, kind, status):
    sites.switch("amazon", "robot_check", every=3, kind=kind, status=status)
    answers = [ask(SEARCH) for _ in range(6)]
    checked = ['action="/errors/validateCaptcha"' in answer.text for answer in answers]
    assert checked == [False, False, True] * 2
    assert answers[2].status == status
    assert ("captchacharacters" in answers[2].text) == (kind == "captcha")
    assert "Continue shopping" in answers[2].text


def test_the_robot_check_is_what_the_common_modes_show(ask, sites):
    sites.switch("amazon", "captcha", status=503)
    assert ask(SEARCH).status == 503
    assert "Type the characters you see" in ask(SEARCH).text
    sites.switch("amazon", "block_200")
    assert "Click the button below" in ask(SEARCH).text


@pytest.mark.slow
@pytest.mark.browser
def test_the_banner_about_cookies_goes_with_a_click(viewer, sites):
    sites.switch("amazon", "consent_overlay")
    viewer.open(SEARCH)
    assert viewer.ask(READ)
    viewer.click("#sp-cc-rejectall-link")
    viewer.driver.refresh()
    assert not viewer.ask("!!document.querySelector('#sp-cc')")


def test_last_years_layout_has_none_of_todays_hooks(ask, sites):
    sites.switch("amazon", "last_years_layout")
    page = ask(SEARCH).text
    assert "s-access-image" in page
    assert not re.search('data-asin|"s-search-result"|s-result-item|class="s-image"', page)


def test_names_are_changed_and_the_durable_attributes_stay(ask, sites):
    sites.switch("amazon", "renamed")
    page = ask(SEARCH).text
    assert 'class="s-image"' not in page
    assert 'data-component-type="s-search-result"' in page


def test_an_endless_list_repeats_its_last_page(ask, sites):
    sites.switch("amazon", "endless")
    asins = [re.findall('data-asin="(B0.{8})"', ask(f"{SEARCH}&page={page}").text) for page in (7, 8, 50)]
    assert asins[0] == asins[1] == asins[2] != []
    assert "page=51" in ask(f"{SEARCH}&page=50").text


def test_nothing_found_is_said(ask, sites):
    sites.switch("amazon", "empty")
    assert "No results for" in ask(SEARCH).text
    assert '"s-search-result"' not in ask(SEARCH).text
