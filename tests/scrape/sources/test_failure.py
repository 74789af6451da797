"""Why a search failed, and what is kept of the page that it failed at."""

import base64

import pytest
from selenium.common import WebDriverException

from pixmill.scrape.sources.failure import SearchError, save_evidence


@pytest.mark.parametrize(
    ("said", "shown"),
    [("wait", "wait"), ("a\x1b[2Jb\0", "a\\x1b[2Jb\\x00"), ("\ud83d", "\\ud83d"), ("\u202eevil", "\\u202eevil")],
)
def test_words_that_quote_a_site_are_escaped(said, shown):
    assert str(SearchError("stalled", f"it says '{said}'")) == f"it says '{shown}'"


def test_words_without_an_end_are_cut():
    said = SearchError("stalled", "x" * 10**6).message
    assert said == "x" * 8192


class Driver:
    """Speak as a driver does, in words of the test."""

    current_url = "https://x.test/?q=साड़ी"

    def __init__(self, page="<html>\ud83d</html>", image=b"\x89PNG"):
        self.page, self.image = page, image

    def execute_script(self, _script, most):
        return self.page[:most]

    def get_screenshot_as_base64(self):
        if self.image is None:
            raise WebDriverException("unable to capture screenshot")
        return base64.b64encode(self.image).decode()


def test_the_address_the_page_and_an_image_are_saved(tmp_path):
    folder = save_evidence(Driver(), tmp_path / "a" / "b")
    assert folder == tmp_path / "a" / "b"
    assert sorted(path.name for path in folder.iterdir()) == ["address.txt", "page.html", "page.png"]
    assert (folder / "address.txt").read_text(encoding="utf-8") == "https://x.test/?q=साड़ी\n"
    assert (folder / "page.html").read_text() == "<html>?</html>"
    assert (folder / "page.png").read_bytes() == b"\x89PNG"


def test_what_a_browser_cannot_tell_is_no_second_failure_and_nothing_old_stays(tmp_path):
    save_evidence(Driver(), tmp_path)
    save_evidence(Driver(page="new", image=None), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["address.txt", "missing.txt", "page.html"]
    assert (tmp_path / "missing.txt").read_text() == "Message: unable to capture screenshot\n\n"
    save_evidence(Driver(), tmp_path)
    assert not (tmp_path / "missing.txt").exists()
