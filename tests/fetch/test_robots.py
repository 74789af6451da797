import time

import pytest

from pixmill.fetch import Fetched, Network, Politeness
from pixmill.fetch.host import ROBOT, opt_out, training_rules

RULES = b"""
User-agent: *
Disallow: /private/
Allow: /private/open.png

User-agent: pixmill
Disallow: /not-for-pixmill/
Disallow: /private/
Allow: /private/open.png
"""


def test_disallowed_urls_are_not_fetched(site, fetch):
    site.answers |= {
        "/robots.txt": RULES,
        "/private/open.png": b"open",
        "/private/x.png": b"closed",
    }
    assert fetch("/private/open.png").content == b"open"
    assert fetch("/private/x.png").reason == "robots"
    assert fetch("/not-for-pixmill/x.png").reason == "robots"
    assert "/private/x.png" not in site.paths()


def test_robots_txt_is_fetched_first_and_once(site, fetch):
    site.answers |= {f"/{n}": b"image" for n in range(20)}
    assert all(outcome.content for outcome in fetch(*(f"/{n}" for n in range(20))))
    assert site.paths()[0] == "/robots.txt"
    assert site.paths().count("/robots.txt") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_missing_robots_txt_allows_everything(site, fetch, status):
    site.answers |= {"/robots.txt": (b"", {}, status), "/x": b"image"}
    assert fetch("/x").content == b"image"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_unreachable_robots_txt_forbids_everything(site, fetch, status):
    site.answers |= {"/robots.txt": (b"", {}, status), "/x": b"image"}
    assert fetch("/x", attempts=1).reason == "robots_unreachable"
    assert "/x" not in site.paths()


def test_robots_txt_applies_to_redirect_targets(site, fetch):
    site.answers |= {
        "/robots.txt": RULES,
        "/old": (b"", {"Location": "/private/x.png"}, 302),
        "/private/x.png": b"closed",
    }
    assert fetch("/old").reason == "robots"
    assert "/private/x.png" not in site.paths()


def test_start_of_a_huge_robots_txt_applies(site, fetch):
    site.answers |= {"/robots.txt": RULES + b"# filler\n" * 100_000, "/private/x.png": b"closed"}
    assert fetch("/private/x.png", max_bytes=10).reason == "robots"


def test_robots_txt_redirects_are_followed(site, fetch):
    site.answers |= {
        "/robots.txt": (b"", {"Location": "/rules/1"}, 301),
        "/rules/1": (b"", {"Location": "http://cdn.test/rules.txt"}, 302),
        "/rules.txt": b"User-agent: *\nDisallow: /x",
        "/x": b"image",
    }
    assert fetch("/x", network=site.network("cdn.test:80")).reason == "robots"
    site.answers["/rules.txt"] = b"", {"Location": "/robots.txt"}, 302
    assert fetch("/x", network=site.network("cdn.test:80")).reason == "robots_unreachable"


def test_robots_txt_redirect_to_a_private_address_is_refused(site, trap, fetch):
    site.answers |= {
        "/robots.txt": (b"", {"Location": f"http://127.0.0.1:{trap.port}/"}, 302),
        "/x": b"image",
    }
    assert fetch("/x").reason == "private_address"
    assert not trap.sprung()


def test_rules_apply_to_one_origin(site, secure_site, authority, fetch):
    secure_site.answers |= {"/x": b"closed", "/robots.txt": b"User-agent: *\nDisallow: /"}
    site.answers["/x"] = b"open"
    network = Network(
        served={"images.test:80": site.port, "images.test:443": secure_site.port},
        authority=authority.pem,
    )
    open_, closed = fetch("http://images.test/x", "https://images.test/x", network=network)
    assert open_.content == b"open"
    assert closed.reason == "robots"


def test_crawl_delay_is_respected(site, fetch):
    site.answers |= {f"/{n}": b"image" for n in range(4)}
    site.answers["/robots.txt"] = b"User-agent: *\nCrawl-delay: 0.2"
    start = time.monotonic()
    assert all(isinstance(outcome, Fetched) for outcome in fetch(*(f"/{n}" for n in range(4))))
    assert time.monotonic() - start >= 3 * 0.2


def test_long_crawl_delay_refuses_the_site(site, fetch):
    site.answers |= {"/robots.txt": b"User-agent: *\nCrawl-delay: 120", "/x": b"image"}
    outcome = fetch("/x")
    assert (outcome.reason, outcome.detail) == (
        "crawl_delay",
        "http://images.test/robots.txt asks for 120 s between requests",
    )
    assert "/x" not in site.paths()


def test_robots_exception_applies_to_one_host(site, fetch):
    site.answers |= {"/robots.txt": b"User-agent: *\nDisallow: /\nCrawl-delay: 120", "/x": b"image"}
    responsible = Politeness(robots_exceptions=frozenset({"Images.test"}))
    urls = ("http://images.test/x", "http://cdn.images.test/x")
    ours, other = fetch(*urls, network=site.network("cdn.images.test:80"), politeness=responsible)
    assert ours.content == b"image"
    assert other.reason == "crawl_delay"


@pytest.mark.parametrize(
    "directive", ["noai", "noimageai", "noindex", "noimageindex", "noml", "none", "nofollow, NoAI"]
)
def test_x_robots_tag_is_respected(site, fetch, directive):
    site.answers["/x"] = b"image", {"X-Robots-Tag": directive}
    assert fetch("/x").reason == "x_robots_tag"


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ("User-agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /", False),
        ("content-signal: AI-Train = NO # no models", False),
        ("User-agent: *\nContent-Usage: search=y, train-ai=n;for=x", False),
        (
            "User-agent: pixmill\nContent-Usage: /a train-ai=y\nContent-Usage: /a/*.png train-ai=n",
            False,
        ),
        ("User-agent: pixmill\nContent-Usage: / train-ai=n\nContent-Usage: /a/ train-ai=y", True),
        ("User-agent: *\nContent-Signal: ai-train=no\n\nUser-agent: pixmill\nDisallow: /b", True),
        ("User-agent: other\nContent-Signal: ai-train=no", True),
        ("User-agent: *\nContent-Signal: search=no, ai-input=no, ai-train=yes", True),
        ("User-agent: *\nContent-Signal: search=yes ai-train=no ai-input=no", False),
        ("User-agent: *\nContent-Usage: train-ai=n, train-ai=y", False),
        ("User-agent: *\nContent-Signal: ai-train=no\nContent-Usage: train-ai=y", False),
        ("User-agent: *\nContent-Signal: ai-train=none-of-it", True),
    ],
)
def test_preferences_on_training(rules, allowed):
    assert training_rules(rules).can_fetch("http://x.test/a/1.png", ROBOT) is allowed


def test_refused_training_is_respected_and_named(site, fetch):
    site.answers |= {
        "/robots.txt": b"User-agent: *\nContent-Usage: /closed/ train-ai=n",
        "/x": b"image",
        "/closed/x": b"image",
        "/header": (b"image", {"Content-Usage": "train-ai=n"}),
    }
    assert fetch("/x").content == b"image"
    assert fetch("/closed/x").reason == "no_training"
    assert fetch("/header").reason == "no_training"
    assert "/closed/x" not in site.paths()
    responsible = Politeness(robots_exceptions=frozenset({"images.test"}))
    assert fetch("/closed/x", politeness=responsible).content == b"image"


def test_other_directives_are_ignored(site, fetch):
    site.answers["/x"] = b"image", {"X-Robots-Tag": "nofollow, max-image-preview: large"}
    assert fetch("/x").content == b"image"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        (["otherbot: noindex, noai"], None),
        (["otherbot: noindex", "noai"], "noai"),
        (["otherbot: nofollow, pixmill: noindex"], "noindex"),
        (["unavailable_after: 25 Jun 2030 15:00:00 GMT, noai"], "noai"),
        (["*: noai"], "noai"),
    ],
)
def test_user_agents_of_directives(headers, expected):
    assert opt_out(headers) == expected
