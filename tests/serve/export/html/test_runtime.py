"""The pinned runtime, and no other."""

import pytest

from pixmill.core.errors import PixmillError
from pixmill.serve.export.html import runtime


def test_a_checkout_without_it_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime, "RELEASED", tmp_path / "none.tgz")
    with pytest.raises(PixmillError) as caught:
        runtime.load_runtime()
    assert f"npm pack @litertjs/core@{runtime.VERSION}" in caught.value.next


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x1f\x8b\x08broken"])
def test_refuses_another_package(tmp_path, content):
    path = tmp_path / "other.tgz"
    path.write_bytes(content)
    with pytest.raises(PixmillError, match="its files have other hashes"):
        dict(runtime.read_package(path))


def test_every_edit_applies(model_page):
    # An edit that finds nothing would leave a runtime that fetches.
    page = model_page.read_text()
    for before, after in runtime._EDITS.items():
        assert before not in page
        assert after in page
