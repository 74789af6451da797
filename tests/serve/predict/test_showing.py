"""Unreliable predictions in the terminal."""

from pixmill.serve.predict.showing import Summary
from tests.serve.gallery.made import model, row

LABELS = ("coat", "shoe", "shirt")


def test_distinguishes_unlike_from_not_sure() -> None:
    rows = [row(LABELS, 1, [6, 3, 1]), row(LABELS, 2, [9, 1, 0]) | {"sure": False, "unlike": True}]
    summary = Summary(model(LABELS))
    for each in rows:
        summary.add(each)
    assert summary.table()[-2:] == [
        "Not sure: the confidence is below the model's threshold of 75.0 %",
        "Unlike the training images: the model was not trained on such images, so its prediction "
        "is unreliable",
    ]
    assert summary.lines()[-2:] == [
        "Not sure: 1 (50.0 %), the confidence is below the model's threshold of 75.0 %",
        "Unlike the training images: 1 (50.0 %), whose predictions are unreliable",
    ]


def test_shows_several_labels_and_none_of_these() -> None:
    limits = {"coat": {"threshold": 0.5, "sure_yes": 0.9, "sure_no": None}}
    of_labels = model(LABELS, task="labels", limits=limits, threshold=None)
    rows = [
        row(LABELS, 1, [6, 3, 1]) | {"predicted": "coat;shirt"},
        row(LABELS, 2, [6, 3, 1]) | {"predicted": ""},
    ]
    summary = Summary(of_labels)
    for each in rows:
        summary.add(each)
    first, second = summary.table()[:2]
    assert "  coat, shirt  " in first
    assert "  none of these  " in second
    counts = [line.split()[-3:-1] for line in summary.lines()[1:4]]
    assert counts == [["1", "50.0"]] * 3
