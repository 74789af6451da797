"""Hostile pages in a real browser cannot reach hosts that are not public."""

import contextlib
import itertools
import socket

import pytest

from pixmill.fetch.browser import (
    LoadTimeoutError,
    UnreachableError,
    find_browser,
    open_browser,
    visit,
)

pytestmark = pytest.mark.browser

HOME = "http://shop.pixmill.test/"

SPELLINGS = {
    "loopback": "127.0.0.1",
    "decimal": "2130706433",
    "full-width digits": "\uff11\uff12\uff17.0.0.1",
    "name": "localhost",
    "IPv6-mapped": "[::ffff:127.0.0.1]",
    "metadata": "169.254.169.254",
    "name of one public and one inner address": "both.example",
    "name that changes its address": "rebinding.example",
}
"""One spelling of each kind; the guard's own tests cover many more."""

ESCAPES = """
<meta charset=utf-8><title>Trap</title>
<img src="HTTP/img"> <iframe src="HTTP/frame"></iframe> <iframe src="file:///etc/passwd"></iframe>
<img src="/to?HTTP/redirected"> <link rel=preconnect href="HTTP"> <link rel=prefetch href="HTTP/prefetch">
<iframe name=box></iframe> <a id=loot target=box download=loot href="HTTP/loot">loot</a>
<script>
  const tries = [
    () => fetch("HTTP/fetch", {mode: "no-cors"}),
    () => fetch("/to?HTTP/fetched-by-redirect", {mode: "no-cors"}),
    () => fetch("HTTP/posted", {mode: "no-cors", method: "POST", body: "x"}),
    () => fetch("HTTPS/tls", {mode: "no-cors"}),
    () => { new WebSocket("WS/socket"); },
    () => { new EventSource("HTTP/events"); },
    () => { navigator.sendBeacon("HTTP/beacon", "x"); },
    () => { window.open("HTTP/window"); },
    () => { document.getElementById("loot").click(); },
  ];
  for (const attempt of tries) { try { Promise.resolve(attempt()).catch(() => 0); } catch (error) { } }
  window.gathered = !window.RTCPeerConnection;
  if (!window.gathered) {
    const urls = ["stun:TRAP", "turn:TRAP?transport=udp", "turn:TRAP?transport=tcp"];
    const peer = new RTCPeerConnection({iceServers: urls.map(urls => ({urls, username: "u", credential: "c"}))});
    peer.createDataChannel("x");
    peer.onicegatheringstatechange = () => { window.gathered ||= peer.iceGatheringState === "complete"; };
    peer.createOffer().then(offer => peer.setLocalDescription(offer));
  }
</script>
"""


def hostile(host, trap):
    """Return a page that tries to reach a host on the trap's port in many ways."""
    page = ESCAPES.replace("TRAP", f"127.0.0.1:{trap.port}")
    for scheme in ("HTTPS", "HTTP", "WS"):
        page = page.replace(f"{scheme}/", f"{scheme.lower()}://{host}:{trap.port}/")
    return page.replace('href="HTTP"', f'href="http://{host}:{trap.port}"')


@pytest.fixture(
    scope="module",
    params=[
        "chromium",
        pytest.param("firefox", marks=pytest.mark.firefox),
    ],
)
def driver(request, proxy, tmp_path_factory):
    """One browser for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "chromium":
            patch.setenv("PIXMILL_BROWSER", request.param)
        browser = find_browser()
    with open_browser(
        browser, proxy=proxy.url, profile=tmp_path_factory.mktemp("profiles")
    ) as driver:
        driver.set_page_load_timeout(20)
        yield driver


@pytest.fixture
def name_server(monkeypatch):
    """Resolve two names like an attacker's name server."""
    look_up = socket.getaddrinfo
    # DNS rebinding: public for a check, private for the connection.
    turns = itertools.cycle(["8.8.8.8", "127.0.0.1"])

    def answer(host, port, *arguments, **options):
        answers = {"both.example": ["8.8.8.8", "127.0.0.1"], "rebinding.example": [next(turns)]}
        if host not in answers:
            return look_up(host, port, *arguments, **options)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in answers[host]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr("pixmill.fetch.proxy._CONNECT_TIMEOUT_SECONDS", 1.0)


FAST = ("loopback", "name that changes its address")
"""The other spellings are slow tests, since each takes seconds."""


@pytest.mark.parametrize(
    "spelling",
    [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in SPELLINGS],
)
def test_no_page_reaches_non_public_hosts(driver, site, proxy, trap, until, name_server, spelling):
    before = len(proxy.refusals)
    host = SPELLINGS[spelling]
    site.pages["/trap"] = hostile(host, trap)
    visit(driver, f"{HOME}trap")
    assert until(lambda: driver.execute_script("return window.gathered"), 20)
    for url in (
        f"http://{host}:{trap.port}/",
        f"https://{host}:{trap.port}/",
        f"{HOME}to?http://{host}:{trap.port}/",
    ):
        with pytest.raises(UnreachableError):
            visit(driver, url)
    reasons = {each.reason for each in list(proxy.refusals)[before:] if each.port == trap.port}
    assert reasons, "the page tried nothing"
    if "name" not in spelling:
        assert all("is not a public address" in reason for reason in reasons)
    assert trap.caught() == []
    assert visit(driver, HOME) == 200
    assert len(driver.window_handles) == 1


@pytest.mark.slow
def test_trap_detects_escapes_from_a_weaker_sandbox(
    browser, site, proxy, trap, tmp_path, until, monkeypatch
):
    # Control for the test above, which a broken trap would pass.
    weaker = [f"--proxy-server={proxy.url}"]
    monkeypatch.setattr("pixmill.fetch.browser.options.chromium_switches", lambda _: weaker)
    site.pages["/trap"] = hostile("127.0.0.1", trap)
    with open_browser(browser, proxy=proxy.url, profile=tmp_path) as driver:
        driver.set_page_load_timeout(2)
        with contextlib.suppress(LoadTimeoutError):
            visit(driver, f"{HOME}trap")
        caught: set[str] = set()
        assert until(lambda: caught.update(trap.caught()) or caught == {"tcp", "udp"})


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "view-source:http://shop.pixmill.test/",
        "chrome://version",
        "data:text/html,x",
        "javascript:alert(1)",
        "ftp://shop.pixmill.test/",
        "about:blank",
        "http:///x",
    ],
)
def test_only_http_and_https_are_opened(driver, url):
    visit(driver, HOME)
    with pytest.raises(UnreachableError, match="only http and https"):
        visit(driver, url)
    assert driver.current_url == HOME
