"""Shares and stages are written in one way, wherever they are."""

import re
from pathlib import Path

import pytest

from pixmill.core.files.workspace import STAGES

SOURCE = Path(__file__).parents[2] / "src/pixmill"

PERCENT = {
    ".py": re.compile(r":\.\d(%|f\} ?%)"),
    ".js": re.compile(r"toFixed\(\d?\)\}? ?%|[\d}]%[^;]*confidence"),
}
"""Formats of shares, by kind of file."""

# The first ones define them; the script of reports is inline, and imports nothing.
DEFINED = ("core/words.py", "pages/static/percent.js", "pages/page.js")


def test_shares_have_one_format() -> None:
    others = {SOURCE / name for name in DEFINED}
    found = [
        f"{path.relative_to(SOURCE)}: {match[0]}"
        for path in sorted({*SOURCE.rglob("*.py"), *SOURCE.rglob("*.js")} - others)
        for match in PERCENT[path.suffix].finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_page_is_called_as_its_stage(stage: str) -> None:
    page = (SOURCE / stage / "page/page.html").read_text(encoding="utf-8")
    assert f"{{% block title %}}{stage.capitalize()}{{% endblock %}}" in page
    assert f'"{stage}"' in (SOURCE / "pages/macros.html").read_text(encoding="utf-8")
