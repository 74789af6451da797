import pytest
from aiohttp import web

from pixmill.fetch import USER_AGENT


def redirect(location, status=302):
    return b"", {"Location": location}, status


def test_a_redirect_is_followed(site, fetch):
    site.answers |= {"/old": redirect("new?x=1#part"), "/new": b"picture"}
    outcome = fetch("/old")
    assert outcome.content == b"picture"
    assert outcome.url == "http://pictures.test/new?x=1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_followed(site, fetch, status):
    site.answers |= {"/old": redirect("/new", status), "/new": b"picture"}
    assert fetch("/old").content == b"picture"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/", "private_address"),
        ("http://127。0。0。1/", "private_address"),
        ("http://localhost/", "private_address"),
        ("http://[::ffff:10.0.0.1]/", "private_address"),
        ("http://169.254.169.254/latest/", "private_address"),
        ("//0x7f.1/", "private_address"),
        ("https://pictures.test/", "private_address"),
        ("file:///etc/passwd", "bad_redirect"),
        ("javascript:alert(1)", "bad_redirect"),
        ("ftp://pictures.test/x", "bad_redirect"),
        ("http://[::1", "bad_redirect"),
        ("", "bad_redirect"),
    ],
)
def test_a_redirect_is_checked_like_any_address(site, fetch, location, reason):
    site.answers["/old"] = redirect(location)
    assert fetch("/old").reason == reason
    assert site.paths() == ["/robots.txt", "/old"]


def test_redirects_end(site, fetch):
    site.answers["/round"] = redirect("/round")
    assert fetch("/round").reason == "too_many_redirects"
    assert site.paths().count("/round") == 6


def test_redirects_in_a_row_are_followed_up_to_the_limit(site, fetch):
    site.answers |= {f"/{step}": redirect(f"/{step + 1}") for step in range(5)} | {"/5": b"at last"}
    assert fetch("/0").content == b"at last"
    assert fetch("/0", redirects=4).reason == "too_many_redirects"


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 404, 410, 451, 501])
def test_other_answers_are_reasons(site, fetch, status):
    site.answers["/x"] = b"", {}, status
    assert fetch("/x").reason == f"http_{status}"
    assert site.paths().count("/x") == 1


def test_a_request_says_who_asks_and_nothing_else(site, fetch):
    site.answers["/x"] = b"picture", {"Set-Cookie": "who=you"}
    fetch("/x")
    fetch("/x")
    for request in site.requests:
        assert request.headers["User-Agent"] == USER_AGENT
        assert request.headers["Accept-Encoding"] == "identity"
        assert set(request.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}


def test_a_host_that_refuses_connections(fetch):
    outcome = fetch("/x", hosts={"pictures.test": 9}, attempts=1)
    assert (outcome.reason, outcome.detail) == ("connection", "ClientConnectorError")


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"])
def test_an_answer_that_is_not_http(site, fetch, answer):
    async def speak(request):
        request.transport.write(answer)
        request.transport.close()
        return web.Response()

    site.answers["/x"] = speak
    assert fetch("/x", attempts=1).reason == "bad_response"
