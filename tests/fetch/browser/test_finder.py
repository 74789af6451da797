"""Find and install browsers, with scripts in place of Selenium Manager, apt-get and browsers."""

import os

import pytest

from pixmill.core.errors import BrowserError
from pixmill.fetch.browser import Browser, find_browser, install_browser
from pixmill.fetch.browser.options import CHROMIUM, FIREFOX


@pytest.fixture
def pair(machine):
    """A browser and a driver that Selenium Manager finds."""
    binary = machine.program("bin/chromium", "156.0.1.2")
    driver = machine.program("bin/chromedriver", "156.0.9.9")
    machine.locates(binary, driver)
    return binary, driver


@pytest.fixture
def as_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_finds_the_pair_of_selenium_manager(machine, pair):
    assert find_browser(environ={}) == Browser(
        *pair, version="156.0.1.2", driver_version="156.0.9.9"
    )
    assert machine.commands() == [
        "--browser chrome --avoid-stats --offline --language-binding python --output json"
    ]


def test_missing_browser_message_names_the_install_command(machine):
    with pytest.raises(BrowserError) as raised:
        find_browser(environ={})
    assert (
        str(raised.value)
        == "no Chromium or Chrome was found on this machine\nNext: pixmill doctor --fix browser"
    )


def test_missing_driver_message_names_the_browser(machine):
    machine.locates(machine.program("bin/chromium", "156.0.1.2"), "")
    with pytest.raises(
        BrowserError, match=r"no driver was found for the browser .*chromium \(version 156"
    ):
        find_browser(environ={})


def test_different_major_versions_are_refused(machine, pair):
    machine.program("bin/chromedriver", "155.0.9.9")
    with pytest.raises(
        BrowserError, match=r"version 156\.0\.1\.2.*version 155\.0\.9\.9.*differ"
    ) as raised:
        find_browser(environ={})
    assert raised.value.next.startswith("remove the older one from PATH")


def test_chosen_pair_needs_no_selenium_manager(machine, pair):
    chosen = {"PIXMILL_BROWSER": str(pair[0]), "PIXMILL_DRIVER": str(pair[1])}
    assert find_browser(environ=chosen).binary == pair[0]
    assert machine.commands() == []


@pytest.mark.parametrize("variable", ["PIXMILL_BROWSER", "PIXMILL_DRIVER"])
def test_missing_chosen_file_is_refused(pair, variable):
    with pytest.raises(BrowserError, match=f"{variable} names /nowhere/x, which is not a file"):
        find_browser(environ={variable: "/nowhere/x"})


def test_output_of_a_failing_version_command_is_quoted(machine, pair):
    machine.script("bin/chromium", "echo 'requires the chromium snap to be installed' >&2; exit 10")
    with pytest.raises(
        BrowserError, match=r"chromium --version returned 10: requires the chromium snap"
    ):
        find_browser(environ={})


@pytest.mark.parametrize(
    ("chosen", "options", "kind"),
    [
        ("chrome", "--browser chrome", CHROMIUM),
        ("firefox", "--browser firefox", FIREFOX),
        ("chromium", "--browser chrome --avoid-stats --browser-path {root}/bin/chromium", CHROMIUM),
        ("{root}/bin/firefox-nightly", "--browser firefox --avoid-stats --browser-path", FIREFOX),
    ],
)
def test_browser_is_chosen_by_kind_or_path(machine, pair, chosen, options, kind):
    machine.program("bin/firefox-nightly", "156.1")
    assert find_browser(environ={"PIXMILL_BROWSER": chosen.format(root=machine.root)}).kind == kind
    assert machine.commands()[0].startswith(options.format(root=machine.root))


def test_installed_browser_is_not_installed_again(machine, pair):
    lines: list[str] = []
    install_browser(report=lines.append, environ={})
    assert lines == []
    assert "--offline" in machine.commands()[0]


def test_selenium_manager_download_is_reported(machine):
    binary = machine.program("cache/chrome", "156.0.1.2")
    driver = machine.program("cache/chromedriver", "156.0.1.2")
    machine.locates("", "", online=(binary, driver))
    lines: list[str] = []
    assert install_browser(report=lines.append, environ={}).binary == binary
    assert lines == [
        (
            "Downloading a browser with Selenium Manager (Chrome for Testing and ChromeDriver, by "
            "Google)"
        )
    ]


def test_root_on_debian_installs_packages_if_downloads_fail(machine, as_root):
    binary = machine.root / "bin/chromium"
    driver = machine.root / "bin/chromedriver"
    for program in (binary, driver):
        machine.program(f"store/{program.name}", "156.0.1.2")
    machine.locates(binary, driver)
    machine.script(
        "bin/apt-get",
        (
            '[ "$*" != "install --yes chromium chromium-driver" ] || /bin/cp '
            f"{machine.root}/store/* "
            f"{machine.root}/bin/"
        ),
    )
    lines: list[str] = []
    assert install_browser(report=lines.append, environ={}).binary == binary
    assert lines[-1] == "Installing a browser: apt-get install --yes chromium chromium-driver"


def test_failed_installation_lists_all_attempts(machine, as_root):
    machine.script("bin/apt-get", "echo 'E: Unable to locate package chromium' >&2; exit 100")
    with pytest.raises(BrowserError) as raised:
        install_browser(report=print, environ={})
    assert str(raised.value) == (
        "no browser could be installed: Selenium Manager failed: error sending request for url; "
        "apt-get failed: E: Unable to locate package chromium\n"
        "Next: sudo apt-get install --yes chromium chromium-driver"
    )


def test_chosen_browser_is_never_replaced(machine, as_root):
    machine.script("bin/apt-get", f"echo > {machine.root}/called")
    with pytest.raises(BrowserError, match="PIXMILL_BROWSER names /nowhere/x"):
        install_browser(report=print, environ={"PIXMILL_BROWSER": "/nowhere/x"})
    assert not (machine.root / "called").exists()


@pytest.mark.browser
def test_real_selenium_manager_finds_a_pair_offline():
    browser = find_browser(environ={})
    assert browser.binary.is_file()
    assert browser.driver.is_file()
    assert browser.version.split(".")[0] == browser.driver_version.split(".")[0]
