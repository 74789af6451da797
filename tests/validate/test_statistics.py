"""Metrics, dimensions, distributions and plots."""

import csv
import io

from pixmill.core.params import ValidateParams
from pixmill.validate.statistics import (
    Distribution,
    dimension_table,
    distributions,
    metrics,
    plot_tables,
)
from tests.validate.conftest import Scrape, blocks, encoded
from tests.validate.made import dropped, kept, unread, validation


def test_metrics(scrape: Scrape) -> None:
    scrape.fill_sharply("coat", 4)
    scrape.add("coat", encoded(blocks(0), "JPEG", quality=95))
    scrape.add("hat", encoded(blocks(9), "PNG"))
    scrape.add("shoe", b"a text")
    found = metrics(scrape.validate(gate=None, min_per_class={"count": 2, "severity": "warning"}))
    assert found["n"] == 7
    assert found["kept"] == 5
    assert found["dropped"] == {"label_undeclared": 1, "unknown": 1}
    assert found["class_counts"] == {"coat": 5, "shoe": 0}
    assert found["near_duplicates"] == {"pairs": 1, "groups": 1, "largest_group": 2}
    failed = {name for name, holds in found["gate"].items() if not holds}
    assert failed == {"readable", "labels_declared", "min_per_class", "class_balance"}
    assert found["warnings"]["expectations_failed"] == 2
    assert (found["conflicts"], found["placeholders"], found["leaks"]) == (0, 0, 0)


def test_dimensions_by_class_and_predefined_split() -> None:
    rows = [
        kept(1, given_split="train", width=40),
        kept(2, given_split="train", width=60),
        kept(3, given_split="test", width=80),
        kept(4, "shoe", given_split="test", width=90),
        kept(5, width=30),
        dropped(6, "too_small", given_split="val", width=1),
    ]
    table = dimension_table(validation(rows).manifest, ["coat", "shoe"])
    found = table[["label", "n", "width_mean"]].fillna(0).itertuples(index=False, name=None)
    assert list(found) == [
        ("coat", 1, 30), ("coat, train", 2, 50), ("coat, test", 1, 80),
        ("shoe", 0, 0), ("shoe, train", 0, 0), ("shoe, test", 1, 90),
    ]  # fmt: skip


PARAMS = ValidateParams()


def found(*rows) -> dict[str, Distribution]:
    return {item.name: item for item in distributions(validation(rows).manifest, PARAMS)}


def filled(item: Distribution) -> dict[float, tuple[int, int]]:
    """Return the counts by the lower edge of their bin."""
    edges = item.edges[:-1]
    return {
        edge: (kept, dropped)
        for edge, kept, dropped in zip(
            edges, item.kept.tolist(), item.dropped.tolist(), strict=True
        )
        if kept or dropped
    }


def test_counts_each_readable_image_once() -> None:
    some = found(
        kept(1, width=128), kept(2, width=127), dropped(3, "too_small", width=9), unread(4, "html")
    )
    assert filled(some["width"]) == {8: (0, 1), 108: (1, 0), 128: (1, 0)}
    assert filled(some["aspect_ratio"]) == {0.917: (2, 1)}
    assert all(item.kept.sum() == 2 and item.dropped.sum() == 1 for item in some.values())


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_plot_tables() -> None:
    rows = [
        kept(1),
        kept(2, brightness=3.0),
        kept(3, "shoe"),
        dropped(4, "too_small", width=20),
        unread(5, "html"),
    ]
    made = plot_tables(validation(rows), PARAMS)
    assert made["classes"] == "label,n\ncoat,2\nshoe,1\n"
    coat, _ = read(made["dimensions"])
    assert (coat["width_min"], coat["width_mean"], coat["width_max"]) == ("100", "100", "100")
    assert [line for line in read(made["sides"]) if line["width"] != "0"] == [
        {"pixels": "91", "width": "3", "height": "3", "short_side": "3"}
    ]
    assert read(made["brightness"])[0] == {"value": "0", "kept": "1", "dropped": "0"}
    for name in ("aspect_ratio", "brightness", "sharpness", "entropy"):
        assert sum(int(line["kept"]) for line in read(made[name])) == 3
        assert sum(int(line["dropped"]) for line in read(made[name])) == 1


def test_unused_pages_of_kept_images_are_counted(scrape: Scrape) -> None:
    scrape.add(
        "coat",
        encoded(blocks(0), "TIFF", save_all=True, append_images=[blocks(n) for n in range(1, 20)]),
    )
    scrape.add("coat", encoded(blocks(40), "TIFF"))
    assert metrics(scrape.validate())["unused_pages"] == 19
