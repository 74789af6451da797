import pytest

from pixmill.browser import Browser, Grid, choose_browser, find_browser
from pixmill.browser.kind import CHROMIUM, EDGE, FIREFOX
from pixmill.errors import BrowserError


def test_a_pair_on_path_is_found(machine):
    binary, driver = machine.program("bin/chromium", "156.0.1.2"), machine.program("bin/chromedriver", "156.0.9.9")
    assert find_browser(environ=machine.environ) == Browser(
        binary, driver, version="156.0.1.2", driver_version="156.0.9.9"
    )


def test_no_browser_is_one_message_with_the_command_that_mends_it(machine):
    machine.program("bin/chromedriver", "156.0.9.9")
    with pytest.raises(BrowserError) as raised:
        find_browser(environ=machine.environ)
    assert str(raised.value) == "no Chromium or Chrome was found on this machine\nNext: pixmill browser --install"


def test_a_missing_driver_names_the_browser_it_is_missing_for(machine):
    machine.program("bin/chromium", "156.0.1.2")
    with pytest.raises(BrowserError, match=r"no ChromeDriver was found for the browser .*chromium \(version 156"):
        find_browser(environ=machine.environ)


def test_another_major_version_is_refused(machine):
    machine.program("bin/chromium", "156.0.1.2")
    machine.program("bin/chromedriver", "155.0.9.9")
    with pytest.raises(BrowserError, match=r"version 156\.0\.1\.2.*version 155\.0\.9\.9.*differ") as raised:
        find_browser(environ=machine.environ)
    assert raised.value.next == "pixmill browser --install"


def test_a_pair_that_fits_wins_over_earlier_ones_that_do_not(machine):
    machine.program("old/chromedriver", "90.0.9.9")
    binary = machine.program("old/google-chrome", "156.0.1.2")
    driver = machine.program("new/chromedriver", "156.0.9.9")
    machine.program("new/chromium", "140.0.1.2")
    found = find_browser(environ={**machine.environ, "PATH": f"{binary.parent}:{driver.parent}"})
    assert (found.binary, found.driver) == (binary, driver)


def test_the_choice_of_a_person_decides(machine):
    machine.program("bin/chromium", "156.0.1.2")
    machine.program("bin/chromedriver", "156.0.9.9")
    mine = machine.program("mine", "156.0.3.3")
    assert find_browser(environ={**machine.environ, "PIXMILL_BROWSER": str(mine)}).binary == mine


@pytest.mark.parametrize("variable", ["PIXMILL_BROWSER", "PIXMILL_DRIVER"])
def test_a_choice_that_is_not_there_is_refused(machine, variable):
    machine.program("bin/chromium", "156.0.1.2")
    machine.program("bin/chromedriver", "156.0.9.9")
    with pytest.raises(BrowserError, match=f"{variable} names /nowhere/x, which is not a file"):
        find_browser(environ={**machine.environ, variable: "/nowhere/x"})


def test_a_chosen_pair_that_does_not_fit_is_the_persons_to_mend(machine):
    machine.program("bin/chromium", "156.0.1.2")
    machine.program("bin/chromedriver", "156.0.9.9")
    old = machine.program("old-driver", "90.0.3.3")
    with pytest.raises(BrowserError, match=r"version 90\.0\.3\.3") as raised:
        find_browser(environ={**machine.environ, "PIXMILL_DRIVER": str(old)})
    assert "unset both" in str(raised.value.next)


def test_what_selenium_manager_downloaded_before_is_found_without_the_network(machine):
    binary = machine.program("home/.cache/selenium/chrome/linux64/156.0.1.2/chrome", "156.0.1.2")
    driver = machine.program("home/.cache/selenium/chromedriver/linux64/156.0.1.2/chromedriver", "156.0.1.2")
    found = find_browser(environ=machine.environ)
    assert (found.binary, found.driver) == (binary, driver)


def test_a_stub_that_only_complains_is_passed_over_and_quoted(machine):
    machine.program("bin/chromedriver", "156.0.9.9")
    machine.script("bin/chromium-browser", "echo 'requires the chromium snap to be installed' >&2; exit 10")
    with pytest.raises(BrowserError, match=r"no Chromium.*ended with 10 and said: requires the chromium snap"):
        find_browser(environ=machine.environ)


def test_a_browser_that_never_answers_costs_bounded_time(machine, monkeypatch):
    monkeypatch.setattr("pixmill.browser.version._VERSION_SECONDS", 0.3)
    machine.program("bin/chromedriver", "156.0.9.9")
    machine.script("bin/chromium", "exec /bin/sleep 30")
    with pytest.raises(BrowserError, match=r"--version did not answer within 0\.3 s"):
        find_browser(environ=machine.environ)


def test_on_windows_the_version_is_read_and_no_window_opened(machine):
    machine.program("bin/chromedriver", "156.0.9.9")
    chrome = machine.script("Application/chrome.exe", "exit 1")
    for version in ("99.0.4844.51", "156.0.8078.79"):
        chrome.with_name(version).mkdir()
    found = find_browser(environ={**machine.environ, "PIXMILL_BROWSER": str(chrome)})
    assert found.version == "156.0.8078.79"


def test_on_macos_an_application_is_found_without_path(machine, monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    machine.program("bin/chromedriver", "9999.0.9.9")
    chromium = machine.program("home/Applications/Chromium.app/Contents/MacOS/Chromium", "9999.0.1.2")
    assert find_browser(environ=machine.environ).binary == chromium


@pytest.mark.parametrize(
    ("name", "program", "driver", "kind"),
    [
        ("chrome", "google-chrome", "chromedriver", CHROMIUM),
        ("chromium", "chromium", "chromedriver", CHROMIUM),
        ("Edge", "microsoft-edge", "msedgedriver", EDGE),
        ("firefox", "firefox-esr", "geckodriver", FIREFOX),
    ],
)
def test_a_person_names_a_kind_of_browser(machine, name, program, driver, kind):
    for other in ("chromium", "google-chrome", "microsoft-edge", "firefox-esr"):
        machine.program(f"bin/{other}", "156.0.1.2")
    for other in ("chromedriver", "msedgedriver", "geckodriver"):
        machine.program(f"bin/{other}", "156.0.9.9")
    found = find_browser(environ={**machine.environ, "PIXMILL_BROWSER": name})
    assert (found.binary.name, found.driver.name, found.kind) == (program, driver, kind)


def test_a_chosen_file_tells_its_kind_by_its_name(machine):
    machine.program("bin/geckodriver", "0.36.0")
    mine = machine.program("opt/firefox-nightly", "160.1")
    found = find_browser(environ={**machine.environ, "PIXMILL_BROWSER": str(mine)})
    assert (found.kind, found.version, found.driver_version) == (FIREFOX, "160.1", "0.36.0")


def test_a_kind_without_its_driver_says_which_driver(machine):
    machine.program("bin/firefox", "153.7.0")
    with pytest.raises(BrowserError, match=r"no geckodriver was found for the browser .*firefox \(version 153"):
        find_browser(environ={**machine.environ, "PIXMILL_BROWSER": "firefox"})


def test_a_grid_is_chosen_by_its_address(machine):
    url = "http://grid.example:4444"
    environ = {**machine.environ, "PIXMILL_WEBDRIVER_URL": url}
    assert choose_browser(environ=environ) == Grid(url, CHROMIUM)
    assert choose_browser(environ={**environ, "PIXMILL_BROWSER": "firefox"}) == Grid(url, FIREFOX)


@pytest.mark.parametrize("environ", [{"PIXMILL_WEBDRIVER_URL": "grid:4444"}, {"PIXMILL_BROWSER": "/usr/bin/chromium"}])
def test_a_grid_that_cannot_be_is_refused(machine, environ):
    with pytest.raises(BrowserError, match="PIXMILL_WEBDRIVER_URL"):
        choose_browser(environ={**machine.environ, "PIXMILL_WEBDRIVER_URL": "http://grid:4444", **environ})
