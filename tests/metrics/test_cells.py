import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss, precision_score

from pixmill.metrics.cells import CellAnswers
from pixmill.metrics.resampling import group_weights

HALVES = [0.5] * 4


def _random(seed: int, images: int = 60, unknown: float = 0.3):
    generator = np.random.default_rng(seed)
    values = generator.random((images, 4)).round(1)
    cells = (generator.random((images, 4)) < values).astype(np.int8)
    cells[generator.random((images, 4)) < unknown] = -1
    return cells, values


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_scikit_learn_on_known_cells(seed):
    cells, values = _random(seed)

    answers = CellAnswers(cells, values, HALVES)
    found = answers.scores()
    by_label = answers.label_scores("abcd")

    known = cells >= 0
    assert found["log_loss"] == pytest.approx(log_loss(cells[known], values[known], labels=[0, 1]))
    columns = [(cells[known[:, k], k], values[known[:, k], k]) for k in range(4)]
    average = [average_precision_score(*column) for column in columns]
    assert found["mean_average_precision"] == pytest.approx(np.mean(average))
    for (actual, scores), expected, row in zip(columns, average, by_label.values(), strict=True):
        assert row["average_precision"] == pytest.approx(expected)
        assert row["precision"] == pytest.approx(precision_score(actual, scores >= 0.5))
        assert row["f1"] == pytest.approx(f1_score(actual, scores >= 0.5))
        assert (row["support"], row["known"]) == (actual.sum(), len(actual))


@pytest.mark.parametrize("seed", range(5))
def test_the_probability_of_an_unknown_cell_changes_nothing(seed):
    cells, values = _random(seed)
    first = CellAnswers(cells, values, HALVES)
    noise = np.random.default_rng(seed + 100).random(cells.shape)
    second = CellAnswers(cells, np.where(cells < 0, noise, values), HALVES)
    groups = np.arange(60) // 2

    assert second.scores() == first.scores()
    assert second.label_scores("abcd") == first.label_scores("abcd")
    expected, _ = first.resampled_scores(groups, draws=10)
    found, _ = second.resampled_scores(groups, draws=10)
    for name, drawn in expected.items():
        np.testing.assert_array_equal(drawn, found[name])


def test_an_image_is_exactly_right_if_its_known_cells_are():
    cells = np.array([[1, -1], [1, 0], [0, 0], [-1, -1]])
    values = np.array([[0.9, 0.9], [0.9, 0.9], [0.4, 0.1], [0.5, 0.5]])

    found = CellAnswers(cells, values, [0.5, 0.5]).scores()

    assert found["exact_match"] == pytest.approx(2 / 3)
    assert found["n"] == 3
    assert found["mean_average_precision"] == 1


def test_draws_are_the_metrics_of_the_drawn_images():
    cells, values = _random(7, unknown=0.5)
    groups = np.arange(60) // 3
    cells[-3:, 0] = -1

    answers = CellAnswers(cells, values, HALVES)
    overall, of_labels = answers.resampled_scores(groups, draws=3)

    weights = next(group_weights(20, 3))
    for draw in range(3):
        rows = np.repeat(np.arange(60), weights[groups, draw].astype(int))
        copied = CellAnswers(cells[rows], values[rows], HALVES)
        expected = copied.scores()
        for name, drawn in overall.items():
            assert drawn[draw] == pytest.approx(expected[name])
        expected = copied.label_scores("abcd")
        for name, drawn in of_labels.items():
            assert drawn[:, draw] == pytest.approx([row[name] for row in expected.values()])
