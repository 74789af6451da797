import numpy as np
import pandas as pd

from pixmill.core.cells import to_texts
from pixmill.core.manifest import write_table
from pixmill.evaluate.cells.doubtful import DOUBTFUL, doubtful_cells


def _predictions(cells, values, **columns):
    count = len(cells)
    return pd.DataFrame(
        {
            "id": [f"{number:03d}" for number in range(count)],
            "split": "train",
            "label": to_texts(cells, ["dark"]),
            "p_dark": values[:, 0],
            "held_out": True,
            **columns,
        }
    )


def _draw():
    """Return 60 images, of which the first ones are wrong, missing and unknown."""
    cells = (np.arange(60) % 2)[:, None].astype(np.int8)
    values = np.where(cells == 1, 0.9, 0.1)
    values[0] = 0.95
    values[1] = 0.02
    values[2] = 0.97
    cells[2] = -1
    values[4] = 0.3
    cells[4] = -1
    return cells, values


def _find(predictions, threshold=0.5):
    groups = pd.Series(predictions["id"].to_numpy(), predictions["id"])
    return doubtful_cells(predictions, groups, ["dark"], [threshold])


def test_missing_and_wrong_labels_are_ranked_by_probability(tmp_path):
    predictions = _predictions(*_draw())

    found, unknown = _find(predictions)

    columns = ["rank", "id", "label", "suggested"]
    assert found[columns].to_numpy().tolist() == [
        [1, "001", "dark", "no"],
        [2, "000", "dark", "yes"],
    ]
    assert unknown[columns].to_numpy().tolist() == [[1, "002", "dark", "yes"]]
    for table in (found, unknown):
        write_table(tmp_path / "labels.parquet", table, DOUBTFUL)


def test_only_what_contradicts_the_answer_is_doubtful():
    predictions = _predictions(*_draw())

    assert _find(predictions, threshold=0.96)[0]["id"].tolist() == ["001"]
    assert _find(predictions, threshold=0.01)[0]["id"].tolist() == ["000"]


def test_images_that_the_model_was_fitted_to_are_not_judged():
    predictions = _predictions(*_draw(), held_out=np.arange(60) != 1)

    found, unknown = _find(predictions)

    assert (found["id"].tolist(), unknown["id"].tolist()) == (["000"], ["002"])


def test_a_label_of_few_groups_is_not_judged():
    predictions = _predictions(*_draw())
    groups = pd.Series((np.arange(60) // 8).astype(str), predictions["id"])

    for found in doubtful_cells(predictions, groups, ["dark"], [0.5]):
        assert found.empty
