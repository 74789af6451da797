"""Errors of searches and saved pages."""

import base64

import pytest
from selenium.common import WebDriverException

from pixmill.scrape.sources.source import SearchError, save_evidence


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("wait", "wait"),
        ("a\x1b[2Jb\0", "a\\x1b[2Jb\\x00"),
        ("\ud83d", "\\ud83d"),
        ("\u202eevil", "\\u202eevil"),
    ],
)
def test_escapes_control_characters(text, escaped):
    assert str(SearchError("stalled", f"it says '{text}'")) == f"it says '{escaped}'"


def test_cuts_long_messages():
    assert SearchError("stalled", "x" * 10**6).message == "x" * 8192


class Driver:
    """A fake driver."""

    current_url = "https://x.test/?q=साड़ी"

    def __init__(self, page="<html>\ud83d</html>", image=b"\x89PNG"):
        self.page = page
        self.image = image

    def execute_script(self, _script, most):
        return self.page[:most]

    def get_screenshot_as_base64(self):
        if self.image is None:
            raise WebDriverException("unable to capture screenshot")
        return base64.b64encode(self.image).decode()


def test_saves_url_page_and_screenshot(tmp_path):
    folder = save_evidence(Driver(), tmp_path / "a" / "b")
    assert folder == tmp_path / "a" / "b"
    assert sorted(path.name for path in folder.iterdir()) == [
        "address.txt",
        "page.html",
        "page.png",
    ]
    assert (folder / "address.txt").read_text(encoding="utf-8") == "https://x.test/?q=साड़ी\n"
    assert (folder / "page.html").read_text() == "<html>?</html>"
    assert (folder / "page.png").read_bytes() == b"\x89PNG"


def test_browser_errors_are_saved_and_old_files_removed(tmp_path):
    save_evidence(Driver(), tmp_path)
    save_evidence(Driver(page="new", image=None), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "address.txt",
        "missing.txt",
        "page.html",
    ]
    assert (tmp_path / "missing.txt").read_text() == "Message: unable to capture screenshot\n\n"
    save_evidence(Driver(), tmp_path)
    assert not (tmp_path / "missing.txt").exists()
