"""Classification of pages by URL, selectors, status and texts."""

import pytest

from pixmill.scrape.sources.definition import Markers, States
from pixmill.scrape.sources.page_state import PageFacts, classify

STATES = States(
    captcha=Markers(urls=("/sorry/",), selectors=("#captcha",), texts=("Are you a robot",)),
    blocked=Markers(texts=("Access denied",)),
    consent=Markers(
        urls=(r"^https://consent\.",), selectors=("#agree",), texts=("Before you continue",)
    ),
    empty=Markers(selectors=(".none",), texts=("No results for",)),
    shell=Markers(texts=("/enablejs",)),
)


def judge(**seen):
    facts = {
        "status": 200,
        "url": "https://x.test/",
        "title": "",
        "text": "",
        "html": "",
        "count": 0,
        "marks": {},
    }
    return classify(PageFacts(**facts | seen), STATES)


@pytest.mark.parametrize(
    ("seen", "state", "sign"),
    [
        ({"count": 3}, "results", ""),
        ({"url": "https://x.test/sorry/index", "count": 3}, "captcha", "address /sorry/"),
        ({"marks": {"captcha": "#captcha"}}, "captcha", "#captcha"),
        ({"title": "ARE YOU A ROBOT?"}, "captcha", "'Are you a robot'"),
        ({"status": 503, "text": "are you a robot"}, "captcha", "'Are you a robot'"),
        ({"status": 429, "count": 3}, "blocked", "status 429"),
        ({"status": 202}, "blocked", "status 202"),
        ({"text": "Access Denied"}, "blocked", "'Access denied'"),
        ({"url": "https://consent.x.test/m"}, "consent", r"address ^https://consent\."),
        ({"marks": {"consent": "#agree"}}, "consent", "#agree"),
        ({"marks": {"empty": ".none"}, "count": 3}, "empty", ".none"),
        ({"text": "No results for hats"}, "empty", "'No results for'"),
        ({"html": "<noscript>/enablejs</noscript>", "text": " \n"}, "js_shell", "'/enablejs'"),
        ({"html": "/enablejs", "text": "w" * 200}, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_classify(seen, state, sign):
    verdict = judge(**seen)
    assert (verdict.state, verdict.sign) == (state, sign)


@pytest.mark.parametrize(
    "text",
    ["Are you a robot? T-shirt", "No results for hats", "Before you continue", "Access denied"],
)
def test_texts_do_not_count_on_pages_with_results(text):
    assert judge(text=text, count=1).state == "results"


def test_a_consent_dialog_over_results_counts_as_results():
    assert judge(marks={"consent": "#agree"}, count=1).state == "results"
