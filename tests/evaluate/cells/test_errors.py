import pandas as pd
import pytest

from pixmill.core.cells import render_cells
from pixmill.evaluate.cells.errors import count_errors, find_errors

LABELS = ("dark", "long", "worn")
HALVES = (0.5, 0.5, 0.5)


def _tested(*rows):
    """Return predictions of images, from their cells, their answers and probabilities."""
    return pd.DataFrame(
        {
            "id": f"{number}",
            "split": "test",
            "label": render_cells(cells),
            "predicted": render_cells(dict.fromkeys(answered, True)),
            **{f"p_{label}": value for label, value in zip(LABELS, values, strict=True)},
        }
        for number, (cells, answered, values) in enumerate(rows)
    )


TESTED = _tested(
    ({"dark": True, "long": False}, ["long"], (0.3, 0.9, 0.4)),
    ({"dark": True, "long": True}, ["long"], (0.1, 0.8, 0.2)),
    ({"dark": True, "long": True}, [], (0.4, 0.45, 0.2)),
    # Its answers about unknown labels are no errors.
    ({"long": True}, ["dark", "long", "worn"], (0.9, 0.9, 0.9)),
)


def test_errors_are_wrong_known_cells_most_confident_first():
    found = find_errors(TESTED, LABELS, HALVES)

    assert found[["id", "label", "kind"]].to_numpy().tolist() == [
        ["0", "long", "too much"],
        ["1", "dark", "missed"],
        ["0", "dark", "missed"],
        ["2", "dark", "missed"],
        ["2", "long", "missed"],
    ]
    assert found["probability"].tolist() == pytest.approx([0.9, 0.1, 0.3, 0.4, 0.45])
    assert found["answered"][0] == '{"long":true}'
    assert found["has"][0] == '{"dark":true,"long":false}'


def test_labels_that_are_missed_are_named_with_those_of_the_same_images():
    found = count_errors(find_errors(TESTED, LABELS, HALVES), LABELS)

    assert found["dark"] == {
        "missed": 3,
        "too_much": 0,
        "instead": {"long": 1},
        "together": {"long": 1},
    }
    assert found["long"]["too_much"] == 1
    assert found["worn"] == {"missed": 0, "too_much": 0, "instead": {}, "together": {}}


def test_without_errors_the_table_is_empty():
    errors = find_errors(TESTED[3:], LABELS, HALVES)

    assert errors.empty
    assert count_errors(errors, LABELS)["dark"]["missed"] == 0
