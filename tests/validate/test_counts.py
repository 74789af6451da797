"""The numbers that a reviewer diffs."""

from pixmill.files import write_json
from pixmill.validate import metrics
from tests.validate.conftest import Scrape, picture


def test_metrics_count_what_there_is(scrape: Scrape) -> None:
    scrape.fill("coat", 4)
    scrape.add("coat", picture(0, kind="JPEG", quality=95))
    scrape.add("hat", picture(9))
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


def test_metrics_are_plain_numbers(scrape: Scrape, tmp_path) -> None:
    scrape.fill("coat", 2)
    write_json(tmp_path / "validate.json", metrics(scrape.validate()))
