"""The numbers that a reviewer diffs."""

from pixmill.files import write_json
from pixmill.validate import metrics
from tests.validate.conftest import Scrape, blocks, encoded


def test_metrics_count_what_there_is(scrape: Scrape) -> None:
    scrape.fill_sharply("coat", 4)
    scrape.add("coat", encoded(blocks(0), "JPEG", quality=95))
    scrape.add("hat", encoded(blocks(9), "PNG"))
    scrape.add("shoe", b"a text")
    found = metrics(scrape.validate(min_per_class={"count": 2, "severity": "warning"}))
    assert found["n"] == 7
    assert found["kept"] == 5
    assert found["dropped"] == {"label_undeclared": 1, "unknown": 1}
    assert found["class_counts"] == {"coat": 5, "shoe": 0}
    assert found["near_duplicates"] == {"pairs": 1, "groups": 1, "largest_group": 2}
    failed = {name for name, holds in found["gate"].items() if not holds}
    assert failed == {"readable", "labels_declared", "min_per_class", "class_balance"}
    assert found["warnings"]["expectations_failed"] == 1
    assert (found["conflicts"], found["placeholders"], found["leaks"]) == (0, 0, 0)


def test_pictures_that_are_the_same_are_counted_once_for_all_their_copies(scrape: Scrape) -> None:
    for label in ("coat", "shoe"):
        for kind in ("PNG", "BMP"):
            scrape.add(label, encoded(blocks(1), kind))
    for label in ("coat", "shoe", "hat"):
        scrape.add(label, encoded(blocks(2), "PNG"))
    for part in ("train", "val", "test"):
        scrape.add("coat", encoded(blocks(3), "PNG"), given_split=part)
    found = metrics(scrape.validate())
    assert (found["conflicts"], found["placeholders"], found["leaks"]) == (1, 1, 1)
    assert found["dropped"] == {"label_conflict": 2, "placeholder": 1}


def test_metrics_are_plain_numbers(scrape: Scrape, tmp_path) -> None:
    scrape.fill("coat", 2)
    write_json(tmp_path / "validate.json", metrics(scrape.validate()))
