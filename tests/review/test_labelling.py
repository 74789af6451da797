"""Labels of images in a review, of projects with one label an image and with several."""

import pytest

from pixmill.review.labelling import labelling_of

DARK = '{"dark":true,"long":false}'

several = labelling_of("labels")


def test_suggestions_are_about_one_label_at_a_time():
    labels = [DARK, None, "", '{"long":true}']
    assert several.about(labels, "long") == ["no", None, "", "yes"]
    assert labelling_of("one_label").about(["coat", None, ""], "dress") == ["coat", None, ""]


@pytest.mark.parametrize(
    ("predicted", "label", "said", "is_wrong"),
    [
        ('{"dark":true}', "", "", False),
        ("{}", "", "", True),
        ("{}", "long", "", False),
        ("{}", "dark", "no", True),
        ("{}", "dark", "yes", False),
        ('{"dark":true,"sleeves":true}', "sleeves", "", False),
    ],
)
def test_prediction_is_wrong_about_a_known_label(predicted, label, said, is_wrong):
    assert several.is_wrong(DARK, predicted, label, said) is is_wrong


def test_correction_agrees_if_all_it_says_is_known():
    assert several.agree(DARK, '{"long":false}')
    assert not several.agree(DARK, '{"long":true}')
    assert not several.agree(DARK, '{"sleeves":false}')
