"""What the terminal says of predictions that are not to be relied on."""

from pixmill.serve.predict.showing import Tally, table
from tests.serve.gallery.made import model, row

LABELS = ("coat", "shoe", "shirt")


def test_images_unlike_the_training_images_are_told_from_those_that_are_not_sure() -> None:
    rows = [row(LABELS, 1, [6, 3, 1]), row(LABELS, 2, [9, 1, 0]) | {"sure": False, "unlike": True}]
    assert table(rows, model(LABELS))[-2:] == [
        "Not sure: the confidence is below the model's threshold of 75.0 %",
        "Unlike the training images: the model was not trained on such images, so its answer is unreliable",
    ]
    tally = Tally()
    for each in rows:
        tally.add(each)
    assert tally.lines(model(LABELS))[-2:] == [
        "Not sure: 1 (50.0 %), the confidence is below the model's threshold of 75.0 %",
        "Unlike the training images: 1 (50.0 %), whose answers are unreliable",
    ]
