"""What a page is taken for, by its address, its marks, its status and its words."""

import pytest

from pixmill.scrape.sources.definition import Markers, States
from pixmill.scrape.sources.state import Facts, classify

STATES = States(
    captcha=Markers(urls=("/sorry/",), selectors=("#captcha",), texts=("Are you a robot",)),
    blocked=Markers(texts=("Access denied",)),
    consent=Markers(urls=(r"^https://consent\.",), selectors=("#agree",), texts=("Before you continue",)),
    empty=Markers(selectors=(".none",), texts=("No results for",)),
    shell=Markers(texts=("/enablejs",)),
)


def judge(status=200, **seen):
    facts = {"url": "https://x.test/", "title": "", "words": "", "source": "", "count": 0, "found": {}}
    return classify(Facts(**facts | seen), status, STATES)


@pytest.mark.parametrize(
    ("seen", "state", "sign"),
    [
        ({"count": 3}, "results", ""),
        ({"url": "https://x.test/sorry/index", "count": 3}, "captcha", "address /sorry/"),
        ({"found": {"captcha": "#captcha"}}, "captcha", "#captcha"),
        ({"title": "ARE YOU A ROBOT?"}, "captcha", "'Are you a robot'"),
        ({"status": 503, "words": "are you a robot"}, "captcha", "'Are you a robot'"),
        ({"status": 429, "count": 3}, "blocked", "status 429"),
        ({"status": 202}, "blocked", "status 202"),
        ({"words": "Access Denied"}, "blocked", "'Access denied'"),
        ({"url": "https://consent.x.test/m"}, "consent", r"address ^https://consent\."),
        ({"found": {"consent": "#agree"}}, "consent", "#agree"),
        ({"found": {"empty": ".none"}, "count": 3}, "empty", ".none"),
        ({"words": "No results for hats"}, "empty", "'No results for'"),
        ({"source": "<noscript>/enablejs</noscript>", "words": " \n"}, "js_shell", "'/enablejs'"),
        ({"source": "/enablejs", "words": "w" * 200}, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_a_page_is_told_by(seen, state, sign):
    verdict = judge(**seen)
    assert (verdict.state, verdict.sign) == (state, sign)


@pytest.mark.parametrize(
    "words", ["Are you a robot? T-shirt", "No results for hats", "Before you continue", "Access denied"]
)
def test_the_words_of_results_mean_nothing(words):
    assert judge(words=words, count=1).state == "results"


def test_a_consent_that_lies_over_results_hides_none():
    assert judge(found={"consent": "#agree"}, count=1).state == "results"
