import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest
from selenium.common import TimeoutException, WebDriverException
from selenium.webdriver.common.by import By

from pixmill.browser import Browser, find_browser, open_browser
from pixmill.errors import BrowserError

pytestmark = pytest.mark.browser


class Site:
    """Serve one page on loopback, and remember every path that was asked for."""

    def __init__(self):
        self.page = "<title>Home</title>"
        self.asked = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
                self.end_headers()
                self.wfile.write(site.page.encode())

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site():
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser():
    return find_browser()


@pytest.fixture
def trap():
    """Listen for TCP and UDP on one loopback port, and return what came."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        tcp.setblocking(False)
        udp.setblocking(False)

        class Trap:
            port = tcp.getsockname()[1]

            def caught(self):
                """Tell which protocols reached the trap."""
                return [name for name, accept in (("tcp", tcp.accept), ("udp", lambda: udp.recv(99))) if heard(accept)]

        yield Trap()


def heard(receive):
    try:
        got = receive()
    except BlockingIOError:
        return False
    if isinstance(got, tuple):
        got[0].close()
    return True


def alive(pids):
    """Return those of the processes that still run; a zombie does not."""
    states = {}
    for pid in pids:
        try:
            states[pid] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
    return [pid for pid, state in states.items() if state not in "ZX"]


def mentioning(text):
    """Return the processes whose command line holds a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in entry.read_bytes().decode(errors="replace"):
                found.append(int(entry.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return alive(found)


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def profiles(folder):
    return list(folder.glob("profile-*"))


def test_a_named_host_is_reached_under_its_own_name(browser, site, tmp_path):
    with open_browser(browser, resolve={"shop.pixmill.test:80": site.address}, profile=tmp_path) as driver:
        driver.get("http://shop.pixmill.test/")
        assert (driver.title, driver.current_url) == ("Home", "http://shop.pixmill.test/")
    assert profiles(tmp_path) == []


def test_a_session_leaves_nothing_in_the_folder_for_temporary_files(browser, site, tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory() as short:  # The browser makes a socket there, whose path must be short.
        monkeypatch.setenv("TMPDIR", short)
        for _ in range(4):
            with open_browser(browser, resolve={"shop.pixmill.test:80": site.address}, profile=tmp_path) as driver:
                driver.get("http://shop.pixmill.test/")
        assert list(Path(short).iterdir()) == []


def test_the_proxy_of_the_environment_is_not_used(browser, site, tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with open_browser(browser, resolve={"shop.pixmill.test:80": site.address}, profile=tmp_path) as driver:
        driver.get("http://shop.pixmill.test/")
        assert driver.title == "Home"


ESCAPES = """
<title>Home</title>
<link rel=preconnect href="http://127.0.0.1:PORT">
<img src="http://127.0.0.1:PORT/a"> <img src="http://localhost:PORT/b"> <img src="http://2130706433:PORT/c">
<img src="http://sub.localhost:PORT/d"> <img src="http://shop.pixmill.test:PORT/e">
<iframe src="http://127.0.0.1:PORT/f"></iframe>
<script>
  fetch("http://127.0.0.1:PORT/g").catch(() => 0);
  new WebSocket("ws://127.0.0.1:PORT/h");
  navigator.sendBeacon("http://127.0.0.1:PORT/i");
  window.open("http://127.0.0.1:PORT/j");
  const servers = ["stun:127.0.0.1:PORT", "turn:127.0.0.1:PORT?transport=udp", "turn:127.0.0.1:PORT?transport=tcp"];
  const peer = new RTCPeerConnection({iceServers: servers.map(urls => ({urls, username: "u", credential: "c"}))});
  peer.createDataChannel("x");
  window.done = false;
  peer.onicegatheringstatechange = () => { window.done ||= peer.iceGatheringState === "complete"; };
  peer.createOffer().then(offer => peer.setLocalDescription(offer));
</script>
"""


def try_to_escape(driver, trap):
    driver.get("http://shop.pixmill.test/")
    for url in (f"http://127.0.0.1:{trap.port}/", f"http://localhost:{trap.port}/", f"https://127.0.0.1:{trap.port}/"):
        with pytest.raises(WebDriverException):
            driver.get(url)
    driver.get("http://shop.pixmill.test/")
    assert until(lambda: driver.execute_script("return window.done"), 20)


def test_nothing_but_the_named_hosts_is_reached(browser, site, trap, tmp_path):
    site.page = ESCAPES.replace("PORT", str(trap.port))
    with open_browser(browser, resolve={"shop.pixmill.test:80": site.address}, profile=tmp_path) as driver:
        try_to_escape(driver, trap)
    assert trap.caught() == []


def test_the_trap_catches_what_a_cage_lets_out(browser, site, trap, tmp_path, monkeypatch):
    # Guards the test above, which a deaf trap would pass.
    open_cage = [f"--host-resolver-rules=MAP shop.pixmill.test:80 {site.address}"]
    monkeypatch.setattr("pixmill.browser.session.cage_arguments", lambda *_: open_cage)
    site.page = ESCAPES.replace("PORT", str(trap.port))
    with open_browser(browser, profile=tmp_path, page_load_timeout=2.0) as driver:
        with contextlib.suppress(TimeoutException):
            driver.get("http://shop.pixmill.test/")
        assert until(lambda: trap.caught() == ["tcp", "udp"])


def test_with_a_proxy_all_goes_to_it_and_nothing_past_it(browser, site, trap, tmp_path):
    # The site answers a proxy's requests with its page too, so what it was asked for shows what came through.
    site.page = ESCAPES.replace("PORT", str(trap.port))
    with open_browser(browser, proxy=f"http://{site.address}", profile=tmp_path) as driver:
        for url in ("http://shop.pixmill.test/", f"http://127.0.0.1:{trap.port}/", f"http://localhost:{trap.port}/"):
            driver.get(url)
            assert until(lambda url=url: url in site.asked)
        assert until(lambda: driver.execute_script("return window.done"), 20)
    assert trap.caught() == []


def test_a_download_is_refused(browser, site, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    site.page = '<title>Home</title><a download="loot" href="/file">take</a>'
    resolve = {"shop.pixmill.test:80": site.address}
    with open_browser(browser, resolve=resolve, profile=tmp_path / "profiles") as driver:
        driver.get("http://shop.pixmill.test/")
        driver.find_element(By.TAG_NAME, "a").click()
        assert until(lambda: "/file" in site.asked)
        assert not until(lambda: list(home.rglob("loot*")), seconds=2.0)


def test_a_page_that_never_ends_is_left_in_time(browser, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        resolve = {"slow.test:80": f"127.0.0.1:{silent.getsockname()[1]}"}
        with (
            open_browser(browser, resolve=resolve, profile=tmp_path, page_load_timeout=1.0) as driver,
            pytest.raises(TimeoutException),
        ):
            driver.get("http://slow.test/")


@pytest.mark.linux
def test_a_driver_that_hangs_is_killed_with_its_browser(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("pixmill.browser.session._QUIT_SECONDS", 0.5)
    with open_browser(browser, profile=tmp_path) as driver:
        pid = driver.capabilities["goog:processID"]
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert until(lambda: mentioning(str(tmp_path)) == [])


@pytest.mark.linux
def test_a_killed_process_leaves_no_browser_and_its_profile_goes_with_the_next(browser, tmp_path):
    script = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from pixmill.browser import find_browser, open_browser
        with open_browser(find_browser(), profile=Path({str(tmp_path)!r})) as driver:
            print(driver.capabilities["goog:processID"], flush=True)
            time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip().isdigit()
        assert len(mentioning(str(tmp_path))) > 2
        process.kill()
    assert until(lambda: mentioning(str(tmp_path)) == [])
    assert len(profiles(tmp_path)) == 1
    with open_browser(browser, profile=tmp_path):
        assert len(profiles(tmp_path)) == 1
    assert profiles(tmp_path) == []


def test_two_sessions_side_by_side_leave_each_other_alone(browser, site, tmp_path):
    resolve = {"shop.pixmill.test:80": site.address}
    with (
        open_browser(browser, resolve=resolve, profile=tmp_path) as first,
        open_browser(browser, resolve=resolve, profile=tmp_path) as second,
    ):
        for driver in (first, second):
            driver.get("http://shop.pixmill.test/")
            assert driver.title == "Home"


def test_a_browser_that_does_not_start_is_one_message(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("pixmill.browser.session._START_SECONDS", 1.0)
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    pair = Browser(broken, browser.driver, browser.version, browser.driver_version)
    with pytest.raises(BrowserError, match="did not start") as raised, open_browser(pair, profile=tmp_path / "p"):
        pass
    assert f"{broken} --headless=new" in str(raised.value)


def test_a_driver_that_does_not_start_is_one_message(browser, tmp_path):
    pair = Browser(browser.binary, Path(os.devnull), browser.version, browser.driver_version)
    with pytest.raises(BrowserError, match="the driver /dev/null did not start"), open_browser(pair, profile=tmp_path):
        pass
