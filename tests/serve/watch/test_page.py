"""The page about a watched model, from a first image to years of many classes."""

import hashlib
import re

import numpy as np
import pytest

from pixmill.serve.watch.outcome import document
from pixmill.serve.watch.page import write_page
from tests.browsing import show
from tests.images.samples import encoded, shapes
from tests.serve.watch.watches import judged, watched

MANY = tuple(f"<b>class {number}</b>{'x' * number}" for number in range(100))

STATES = {
    "one image": {"n": 1, "days": 0, "shares": {}, "accuracy": None, "withheld": "only 1 image"},
    "one day": {"n": 60, "days": 0.5},
    "years, many classes": {"n": 5000, "days": 800, "labels": MANY},
    "several labels": {"task": "labels"},
    "alarm, all sections": {
        "small": True,
        "shares": {},
        "accuracy": None,
        "withheld": "the images differ from the test images",
        "labelled": judged(np.arange(60) % 2 == 0),
        "shadow": judged(np.arange(40) % 8 > 0, wins=True),
    },
}


def page(root, found):
    (root / "pyproject.toml").write_text('[project]\nname = "pets"\nversion = "1"\n')
    write_page(root, found, document(found))
    return (root / "reports" / "watch.html").read_text()


@pytest.mark.parametrize("state", STATES)
def test_page_of_every_state(tmp_path, state):
    text = page(tmp_path, watched(tmp_path / "the log", **STATES[state]))
    assert "nan" not in re.sub("<script.*", "", text, flags=re.DOTALL)
    assert "<b>class" not in text
    assert len(text) < 300_000
    commands = {*re.findall(r"<code>pixmill [a-z]+ .*?(--[a-z-]+)", text)}
    ways = {"--log", "--label", "--doubtful"}
    assert commands == (ways | {"--disagreements"} if "all" in state else ways)
    assert ("Alarm" in text) == ("alarm" in state)


def test_strangest_and_most_typical_images(tmp_path):
    log = tmp_path / "log"
    (log / "2026-11-30" / "images").mkdir(parents=True)
    contents = [encoded(shapes(number, 40, 40), "png") for number in range(40)]
    ids = [hashlib.sha256(content).hexdigest() for content in contents]
    found = watched(log, 40)
    found.rows["id"] = ids
    found.rows["novelty"] = np.linspace(0, 1, 40)
    found.rows["confidence"] = 0.5
    for name, content in zip(ids[:39], contents[:39], strict=True):
        (log / "2026-11-30" / "images" / f"{name}.png").write_bytes(content)
    (log / "2026-11-30" / "images" / f"{ids[38]}.png").write_bytes(b"damaged")
    text = page(tmp_path, found)
    strips = re.split("<h3>", text)[-2:]
    assert [part.count("<figure class") for part in strips] == [12, 12]
    assert [part.count("<img") for part in strips] == [11, 12]
    assert strips[0].index("no image") < strips[0].index("<img")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 360])
def test_page_fits_small_and_large_screens(browser, tmp_path, width):
    for state in STATES.values():
        page(tmp_path, watched(tmp_path / ("x" * 80), **state))
        opened = show(browser, tmp_path / "reports" / "watch.html", width)
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
