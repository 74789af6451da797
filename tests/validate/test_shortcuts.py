"""Detection of shortcuts."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pixmill.core.expectations import Outcome, Table, run_checks
from pixmill.core.params.validate import ShortcutsParams
from pixmill.validate.shortcuts import (
    excessive_shortcuts,
    find_shortcuts,
    shortcut_check,
    shortcut_table,
)
from tests.validate.made import key

Draw = np.random.Generator
CLASSES = ["coat", "hat", "shoe"]


def images(
    sizes: dict[str, int], change: Callable[[pd.DataFrame, Draw], None] | None = None
) -> pd.DataFrame:
    """Return kept images whose properties ignore the class, changed by ``change``."""
    draw = np.random.default_rng(len(sizes))
    label = np.repeat(list(sizes), list(sizes.values()))
    count = len(label)
    table = pd.DataFrame(
        {
            "id": [key(number) for number in range(count)],
            "label": label,
            "bytes": draw.integers(5_000, 300_000, count),
            "format": draw.choice(["jpeg", "png", "webp"], count, p=[0.8, 0.15, 0.05]),
            "source": draw.choice(["bing", "google"], count),
            "page_url": None,
            "image_url": [
                f"https://www{host}.example/a.jpg" for host in draw.geometric(0.2, count)
            ],
            "width": draw.integers(200, 1200, count),
            "height": draw.integers(200, 1200, count),
            "brightness": draw.normal(128, 30, count),
            "border": draw.choice([0.0, 0.1, 0.3], count),
            "mode": np.resize([*["RGB"] * 10, "L"], count),
            "verdict": "keep",
        }
    )
    table["group"] = table["id"]
    if change:
        change(table, draw)
    table["aspect_ratio"] = table["width"] / table["height"]
    return table.sort_values("id", ignore_index=True)


def outcomes(table: pd.DataFrame) -> list[Outcome]:
    found = find_shortcuts(table, CLASSES)
    params = ShortcutsParams()
    checked = Table(shortcut_table(found, params), named_by=("property",))
    return run_checks([shortcut_check(params)], {"shortcuts": checked})


def skills(table: pd.DataFrame) -> dict[str, float]:
    found = find_shortcuts(table, CLASSES)
    return dict(zip(found["property"], found["skill"], strict=True))


def hosts(table: pd.DataFrame, _: Draw) -> None:
    """Give each class a different site with many servers."""
    sites = table["label"].map({"coat": "Shop.co.uk", "shoe": "other.example"})
    table["image_url"] = [
        f"https://img{number % 30}.{site}/1.jpg" for number, site in enumerate(sites)
    ]


def formats(table: pd.DataFrame, _: Draw) -> None:
    table["format"] = np.where(table["label"] == "coat", "png", "jpeg")


def upscaled(table: pd.DataFrame, _: Draw) -> None:
    table.loc[table["label"] == "coat", ["width", "height"]] *= 6


def scans(table: pd.DataFrame, _: Draw) -> None:
    table["mode"] = np.where(table["label"] == "coat", "L", "RGB")


def grounds(table: pd.DataFrame, _: Draw) -> None:
    table.loc[table["label"] == "coat", "border"] = 0.6


@pytest.mark.parametrize(
    ("change", "name", "message", "advice"),
    [
        (hosts, "host", "come from the host", "collect every class from the same sites"),
        (formats, "format", "have the format", "converting files does not remove their artefacts"),
        (scans, "colour mode", "have the colour mode '", "convert all images to greyscale"),
        (upscaled, "width", "are at least 1,", "collect images of the same sizes for every class"),
        (grounds, "border", "have a uniform border on", ""),
    ],
)
def test_shortcut_is_a_warning(
    change: Callable[[pd.DataFrame, Draw], None], name: str, message: str, advice: str
) -> None:
    failed = [
        outcome
        for outcome in outcomes(images({"coat": 40, "shoe": 400}, change))
        if not outcome.success
    ]
    first = failed[0]
    assert first.check.severity == "warning"
    assert first.found[0].startswith("classes differ in ")
    assert f"{name} (skill " in first.found[0].partition(":")[0]
    assert message in first.found[0]
    assert advice in first.found[0]
    assert first.check.parameters == ("validate.shortcuts.skill",)


def test_excessive_shortcuts() -> None:
    found = find_shortcuts(images({"coat": 60, "shoe": 60}, formats), CLASSES)
    assert len(found) > 5
    assert [
        (item["property"], item["advice"][:13])
        for item in excessive_shortcuts(found, ShortcutsParams())
    ] == [("format", "collect every")]
    assert excessive_shortcuts(found, ShortcutsParams(skill=1.0)) == []


def leaning(table: pd.DataFrame, draw: Draw) -> None:
    odds = np.where(table["label"] == "coat", 0.7, 0.5)
    table["source"] = np.where(draw.random(len(table)) < odds, "bing", "google")
    table["brightness"] += np.where(table["label"] == "coat", 60, 0)


def uniform(table: pd.DataFrame, _: Draw) -> None:
    table[["width", "height"]] = 32
    table[["format", "mode", "source", "image_url"]] = ["png", "RGB", "keras", "train/1"]


@pytest.mark.parametrize(
    ("sizes", "change"),
    [
        ({"coat": 300, "shoe": 300}, None),
        ({"coat": 20, "shoe": 20}, None),
        ({"coat": 100, "hat": 100, "shoe": 100}, None),
        ({"coat": 300, "shoe": 300}, leaning),
        ({"coat": 300, "shoe": 300}, uniform),
    ],
)
def test_no_warning_without_shortcuts(
    sizes: dict[str, int], change: Callable[[pd.DataFrame, Draw], None] | None
) -> None:
    assert all(outcome.success for outcome in outcomes(images(sizes, change)))


def test_near_duplicates_share_a_fold() -> None:
    def series(table: pd.DataFrame, draw: Draw) -> None:
        # Each group has a distinct width, independent of the class.
        leads = np.arange(len(table)) // 10 * 10
        table["group"] = table["id"].to_numpy()[leads]
        table["width"] = draw.permutation(len(table))[leads] + 200

    def single(table: pd.DataFrame, draw: Draw) -> None:
        series(table, draw)
        table["group"] = table["id"]

    sizes = {"coat": 250, "shoe": 250}
    assert skills(images(sizes, series))["width"] < 0.3
    assert skills(images(sizes, single))["width"] > skills(images(sizes, series))["width"] + 0.2


@pytest.mark.parametrize(
    "missing", [{"coat": 300}, {"coat": 300, "shoe": 19}, {"coat": 300, "cap": 300}, {}]
)
def test_needs_two_classes(missing: dict[str, int]) -> None:
    found = outcomes(images(missing, formats))
    assert [(outcome.success, outcome.found) for outcome in found] == [
        (True, ("nothing to learn from",))
    ]
