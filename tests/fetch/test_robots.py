import pytest
from aiohttp import web

from pixmill.fetch.robots import opt_out

RULES = b"""
User-agent: *
Disallow: /private/
Allow: /private/open.png

User-agent: pixmill
Disallow: /not-for-pixmill/
Disallow: /private/
Allow: /private/open.png
"""


def test_what_robots_txt_forbids_is_not_fetched(site, fetch):
    site.answers |= {"/robots.txt": RULES, "/private/open.png": b"open", "/private/x.png": b"closed"}
    assert fetch("/private/open.png").content == b"open"
    assert fetch("/private/x.png").reason == "robots"
    assert fetch("/not-for-pixmill/x.png").reason == "robots"
    assert "/private/x.png" not in site.paths()


def test_robots_txt_is_asked_for_once_and_first(site, fetch):
    site.answers |= {f"/{n}": b"picture" for n in range(20)}
    assert all(outcome.content for outcome in fetch(*(f"/{n}" for n in range(20))))
    assert site.paths()[0] == "/robots.txt"
    assert site.paths().count("/robots.txt") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_where_there_are_no_rules_everything_is_allowed(site, fetch, status):
    site.answers |= {"/robots.txt": (b"", {}, status), "/x": b"picture"}
    assert fetch("/x").content == b"picture"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_where_the_rules_cannot_be_had_nothing_is_allowed(site, fetch, status):
    site.answers |= {"/robots.txt": (b"", {}, status), "/x": b"picture"}
    assert fetch("/x", attempts=1).reason == "robots_unreachable"
    assert "/x" not in site.paths()


def test_a_robots_txt_that_never_comes_forbids_everything(site, fetch):
    async def silent(request):
        request.transport.close()
        return web.Response()

    site.answers |= {"/robots.txt": silent, "/x": b"picture"}
    assert fetch("/x", attempts=1).reason == "connection"
    assert "/x" not in site.paths()


def test_a_redirect_needs_the_permission_of_where_it_leads(site, fetch):
    site.answers |= {
        "/robots.txt": RULES,
        "/old": (b"", {"Location": "/private/x.png"}, 302),
        "/private/x.png": b"closed",
    }
    assert fetch("/old").reason == "robots"
    assert "/private/x.png" not in site.paths()


def test_the_start_of_a_huge_robots_txt_holds(site, fetch):
    site.answers |= {"/robots.txt": RULES + b"# filler\n" * 100_000, "/private/x.png": b"closed"}
    assert fetch("/private/x.png", max_bytes=10).reason == "robots"


def test_a_robots_txt_of_junk_allows(site, fetch):
    site.answers |= {"/robots.txt": bytes(range(256)) * 10, "/x": b"picture"}
    assert fetch("/x").content == b"picture"


@pytest.mark.parametrize("directive", ["noai", "noimageai", "noindex", "noimageindex", "none", "nofollow, NoAI"])
def test_what_x_robots_tag_forbids_is_not_kept(site, fetch, directive):
    site.answers["/x"] = b"picture", {"X-Robots-Tag": directive}
    assert fetch("/x").reason == "x_robots_tag"


def test_other_directives_do_not_matter(site, fetch):
    site.answers["/x"] = b"picture", {"X-Robots-Tag": "nofollow, max-image-preview: large"}
    assert fetch("/x").content == b"picture"


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
def test_who_is_addressed(headers, expected):
    assert opt_out(headers) == expected
