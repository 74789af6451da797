"""The parallel plot has an axis for each param that differs, with the scale that suits its values."""

import math
from itertools import pairwise

import pytest

from pixmill.compare.description import NONE
from pixmill.compare.parallel_plot import parallel_plot


def drawn(columns: dict[str, list], values: list[float], *, lower_is_better: bool = False):
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return parallel_plot(rows, "macro-F1", values, lower_is_better=lower_is_better)


def test_numbers_are_placed_by_size_and_by_magnitude_over_two_decades() -> None:
    plot = drawn({"train.epochs": [10, 20, 30], "train.learning_rate": [1e-4, 1e-3, 1e-1]}, [0.5, 0.75, 1.0])
    epochs, rate, metric = plot.axes
    bottom, middle, top = plot.bottom, (plot.top + plot.bottom) / 2, plot.top
    assert (epochs.heights, epochs.logarithmic) == ((bottom, middle, top), False)
    assert rate.logarithmic
    assert abs(rate.heights[1] - (bottom - (bottom - top) / 3)) < 1e-9
    assert metric.heights == (bottom, middle, top)
    assert [plot.share(place) for place in range(3)] == [0.0, 0.5, 1.0]
    assert [label for _, label in rate.labels] == ["0.1", "0.0001", "0.001"]


def test_the_best_is_on_top_whether_high_or_low() -> None:
    plot = drawn({"train.epochs": [1, 2]}, [0.2, 0.6], lower_is_better=True)
    assert plot.axes[-1].heights == (plot.top, plot.bottom)
    assert (plot.share(0), plot.share(1)) == (1.0, 0.0)


def test_categories_stand_at_equal_distances_in_the_order_of_their_names() -> None:
    plot = drawn({"train.model": ["cnn", "features", "cnn", None], "train.seed": [1, 2, True, 3]}, [1, 2, 3, 4])
    seed, model = plot.axes[:2]
    assert sorted(model.labels) == [
        (plot.top, "cnn"),
        ((plot.top + plot.bottom) / 2, "features"),
        (plot.bottom, "null"),
    ]
    assert model.heights[0] == model.heights[2]
    assert [label for _, label in sorted(seed.labels)] == ["true", "3", "2", "1"]
    assert plot.points(1).count(",") == 3


def test_names_are_short_unless_they_are_alike() -> None:
    names = ["train.epochs", "train.cnn.blocks.0.filters", "train.cnn.blocks.1.filters", "train.cnn.dense"]
    plot = drawn({name: [1, 2] for name in names}, [1, 2])
    titles = ["…nn.blocks.0.filters", "…nn.blocks.1.filters", "dense", "epochs", "macro-F1"]
    assert [axis.title for axis in plot.axes] == titles


def test_params_with_the_most_values_have_an_axis_and_what_a_model_does_not_use_is_at_its_end() -> None:
    rows = [{"b": "x", "epochs": 9}, {"b": "y", "epochs": 100}, {"b": "x", "epochs": 20}, {"b": "y"}]
    plot = parallel_plot(rows, "macro-F1", [1, 2, 3, 4], lower_is_better=False)
    assert [axis.name for axis in plot.axes] == ["epochs", "b", "macro-F1"]
    assert [label for _, label in sorted(plot.axes[0].labels)] == ["100", "20", "9", NONE]


def test_long_values_that_look_alike_have_places_of_their_own() -> None:
    axis = drawn({"train.name": [f"a long name {number} of a backbone" for number in range(3)]}, [1, 2, 3]).axes[0]
    assert len({*axis.heights}) == 3
    assert {label for _, label in axis.labels} == {"a long\N{HORIZONTAL ELLIPSIS}ackbone"}


def test_sixty_runs_and_many_params_stay_readable() -> None:
    columns = {f"train.p{place}": [place * row % 61 for row in range(60)] for place in range(1, 13)}
    plot = drawn(columns, [row / 60 for row in range(60)])
    assert (len(plot.axes), plot.left_out) == (9, 4)
    assert plot.width <= 1060
    columns = {f"train.section.{'long' * 9}.p{place}": [place * row % 61 for row in range(60)] for place in range(9)}
    dense = drawn(columns, [1.0] * 60).axes
    for one, other in pairwise(dense):
        assert 7 * (len(one.title) + len(other.title)) / 2 < other.x - one.x
    for axis in plot.axes:
        heights = sorted(height for height, _ in axis.labels)
        assert all(after - before >= 13 for before, after in pairwise(heights))
        assert all(plot.top <= height <= plot.bottom for height in axis.heights)
    many = drawn({"train.salt": [f"s{row}" for row in range(60)]}, [1.0] * 60)
    assert len(many.axes[0].labels) < 30


def test_where_nothing_differs_nothing_is_drawn() -> None:
    assert drawn({"train.epochs": [1]}, [0.5]) is None
    assert drawn({"train.epochs": [1, 1]}, [0.5, 0.6]) is None
    assert parallel_plot([], "macro-F1", [], lower_is_better=False) is None


def test_numbers_that_no_scale_holds_stand_by_their_names() -> None:
    plot = drawn({"train.warp": [1, 10**400, math.inf, math.nan]}, [0.1, 0.2, 0.3, 0.4])
    assert len({*plot.axes[0].heights}) == 4


def test_values_that_are_no_numbers_stand_below_many_numbers() -> None:
    sizes = [10.0 ** (place / 4 - 4) for place in range(16)]
    rows = [{"c": value} for value in (*sizes, None)] + [{}]
    plot = parallel_plot(rows, "macro-F1", [0.5 + place / 100 for place in range(18)], lower_is_better=False)
    axis = plot.axes[0]
    assert axis.logarithmic
    steps = [one - other for one, other in pairwise(axis.heights[:16])]
    assert steps == pytest.approx([steps[0]] * 15), "equal ratios are equally far apart"
    assert max(axis.heights[:16]) < axis.heights[16] != axis.heights[17] <= plot.bottom
    assert {label for _, label in axis.labels} >= {"0.0001", "null", NONE}


def test_among_few_numbers_each_value_has_a_place() -> None:
    plot = parallel_plot([{"c": 1}, {"c": 100}, {}], "macro-F1", [0.5, 0.6, 0.7], lower_is_better=False)
    first, second, absent = plot.axes[0].heights
    assert first - second == pytest.approx(absent - first)
