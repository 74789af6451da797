"""A model must answer the test images, completely and always the same."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixmill.core.errors import PixmillError
from pixmill.learn.classifier import Prediction
from pixmill.learn.inference import Answer
from pixmill.predict.model import Model
from pixmill.serve.golden import check, golden_images

MODEL = Model(Path("m"), "m", None, "0", ("a", "b"), 8, None)


def answered(*answers: Any) -> Any:
    """Return a function that gives the answers in turn, again and again."""
    given = iter(answers * 100)

    def submit(image: bytes, alone: bool) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(next(given))
        return future

    return submit


def says(*probabilities: float) -> Answer:
    return Answer("0", Prediction("a", probabilities[0], None, np.array(probabilities)))


@pytest.mark.parametrize(
    "facts", [{"labels": ("a", "\ud800")}, {"name": "\ud800"}, {"metrics": {"\ud800": 1}}, {"threshold": np.nan}]
)
def test_a_model_whose_answers_cannot_be_written_is_refused(facts: dict[str, Any]) -> None:
    with pytest.raises(PixmillError, match="cannot be written as JSON"):
        check(replace(MODEL, **facts), answered(says(0.75, 0.25)), workers=2)


def test_the_test_images_are_always_the_same() -> None:
    assert golden_images() == golden_images()
    assert len(set(golden_images())) == 4


def test_a_model_that_answers_passes() -> None:
    assert check(MODEL, answered(says(0.75, 0.25)), workers=2) == ["a"] * 4


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([says(0.5, 0.25, 0.25)], "expected 2 finite"),
        ([says(np.nan, 1)], "expected 2 finite"),
        ([says(0.5, 0.6)], "sum to 1.1"),
        ([says(0.5, 0.5), says(0.75, 0.25)], "differ"),
        ([Answer("0", Prediction(reason="memory"))], r"no prediction: memory"),
        (["crashed"], "no prediction: crashed"),
    ],
)
def test_a_model_that_does_not_is_refused(answers: list[Any], why: str) -> None:
    with pytest.raises(PixmillError, match=why):
        check(MODEL, answered(*answers), workers=2)
