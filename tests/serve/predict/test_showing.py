"""Unreliable predictions in the terminal."""

from pixmill.serve.predict.showing import Summary, table
from tests.serve.gallery.made import model, row

LABELS = ("coat", "shoe", "shirt")


def test_distinguishes_unlike_from_not_sure() -> None:
    rows = [row(LABELS, 1, [6, 3, 1]), row(LABELS, 2, [9, 1, 0]) | {"sure": False, "unlike": True}]
    assert table(rows, model(LABELS))[-2:] == [
        "Not sure: the confidence is below the model's threshold of 75.0 %",
        "Unlike the training images: the model was not trained on such images, so its prediction "
        "is unreliable",
    ]
    summary = Summary()
    for each in rows:
        summary.add(each)
    assert summary.lines(model(LABELS))[-2:] == [
        "Not sure: 1 (50.0 %), the confidence is below the model's threshold of 75.0 %",
        "Unlike the training images: 1 (50.0 %), whose predictions are unreliable",
    ]
