"""Figures and screenshots in the documents match the committed run."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.screenshots import DRAWN, MARK

QUOTED = {
    "README.md": [
        "{images:,} product photos in {classes} classes",
        "reaches {accuracy} % test accuracy (95 % CI {accuracy_low}\u2013{accuracy_high};",
        "colour-histogram baseline reaches {histogram_accuracy} %.",
    ],
    "docs/explanation/statistics.md": ["with the bundled images it is {unlike} % (1 of {n})"],
    "docs/how-to/recipes.md": ["macro-F1 is {macro_f1:.3f} and accuracy {accuracy} %."],
    "docs/tutorial.md": [
        (
            "**{accuracy} %** of {n} test photos are right; of new ones, probably {accuracy_low} "
            "to "
            "{accuracy_high} %."
        )
    ],
}
"""Phrases in the documents with figures of the default run."""

MAX_BYTES = 150_000
"""Size of a screenshot."""


@pytest.mark.parametrize("name", QUOTED)
def test_figures_match_the_committed_run(repository: Path, name: str) -> None:
    def read(path: str) -> dict[str, Any]:
        return json.loads((repository / path).read_text(encoding="utf-8"))

    full = read("plots/evaluate/full.json") | read(MARK)
    shares = {"histogram_accuracy": full["baseline"]["histogram_accuracy"]}
    shares |= {
        key: full[key]
        for key in ("accuracy", "accuracy_low", "accuracy_high", "unlike", "threshold")
    }
    figures = full | {key: f"{100 * share:.1f}" for key, share in shares.items()}
    figures |= {"classes": "five"} | read("metrics/scrape.json") | read("metrics/split.json")
    text = " ".join((repository / name).read_text(encoding="utf-8").split())
    assert [phrase for form in QUOTED[name] if (phrase := form.format(**figures)) not in text] == []


@pytest.mark.parametrize("name", DRAWN)
def test_screenshots_show_the_committed_run(repository: Path, name: str) -> None:
    metrics = hashlib.md5((repository / MARK).read_bytes()).hexdigest()
    path = repository / "docs" / "images" / f"{name}.png"
    assert path.stat().st_size <= MAX_BYTES
    with Image.open(path) as picture:
        assert picture.text == {MARK: metrics}, "make screenshots"
