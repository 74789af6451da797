"""The package managers here are scripts: what they install are scripts too."""

import os

import pytest

from pixmill.browser import install_browser
from pixmill.errors import BrowserError


@pytest.fixture(autouse=True)
def no_network(monkeypatch, machine):
    """Let Selenium Manager report what it reports without a network."""
    answer = '{"logs": [], "result": {"code": 65, "message": "error sending request for url"}}'
    monkeypatch.setenv("SE_MANAGER_PATH", str(machine.script("selenium-manager", f"echo '{answer}'; exit 65")))


@pytest.fixture
def as_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_what_is_there_is_not_installed_again(machine):
    machine.program("bin/chromium", "156.0.1.2")
    machine.program("bin/chromedriver", "156.0.9.9")
    told: list[str] = []
    install_browser(report=told.append, environ=machine.environ)
    assert told == []


def test_root_on_debian_installs_with_apt_and_says_so(machine, as_root):
    binary, driver = machine.program("store/chromium", "156.0.1.2"), machine.program("store/chromedriver", "156.0.9.9")
    machine.script(
        "bin/apt-get",
        f'[ "$*" != "install --yes chromium chromium-driver" ] || /bin/cp {binary} {driver} {machine.root}/bin/',
    )
    told: list[str] = []
    assert install_browser(report=told.append, environ=machine.environ).binary == machine.root / "bin/chromium"
    assert told == ["Installing a browser: apt-get install --yes chromium chromium-driver"]


def test_selenium_manager_is_the_last_resort_and_is_announced(machine, monkeypatch):
    cache = machine.root / "home/.cache/selenium"
    for name in ("chrome", "chromedriver"):
        machine.program(f"store/{name}/linux64/156.0.1.2/{name}", "156.0.1.2")
    answer = f'{{"logs": [], "result": {{"driver_path": "{cache}/chromedriver/linux64/156.0.1.2/chromedriver"}}}}'
    download = f"/bin/mkdir -p {cache} && /bin/cp -r {machine.root}/store/* {cache} && echo '{answer}'"
    monkeypatch.setenv("SE_MANAGER_PATH", str(machine.script("selenium-manager", download)))
    told: list[str] = []
    assert install_browser(report=told.append, environ=machine.environ).binary.is_relative_to(cache)
    assert told == ["Downloading a browser with Selenium Manager (Chrome for Testing and ChromeDriver, by Google)"]


def test_where_nothing_can_be_installed_one_message_says_what_was_tried(machine, as_root):
    machine.script("bin/apt-get", "echo 'E: Unable to locate package chromium' >&2; exit 100")
    with pytest.raises(BrowserError) as raised:
        install_browser(report=print, environ=machine.environ)
    assert str(raised.value) == (
        "no browser could be installed: apt-get said: E: Unable to locate package chromium; "
        "Selenium Manager said: error sending request for url\n"
        "Next: sudo apt-get install chromium chromium-driver"
    )


def test_who_is_not_root_is_told_the_command_that_needs_root(machine, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.script("bin/apt-get", f"echo > {machine.root}/called")
    with pytest.raises(BrowserError, match="apt-get needs root"):
        install_browser(report=print, environ=machine.environ)
    assert not (machine.root / "called").exists()


def test_the_choice_of_a_person_is_never_replaced(machine, as_root):
    machine.script("bin/apt-get", f"echo > {machine.root}/called")
    with pytest.raises(BrowserError, match="PIXMILL_BROWSER names /nowhere/x"):
        install_browser(report=print, environ={**machine.environ, "PIXMILL_BROWSER": "/nowhere/x"})
    assert not (machine.root / "called").exists()
