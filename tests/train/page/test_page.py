"""The page: result, model and training, without external resources."""

import dataclasses
import re

from pixmill.heads import ONE_LABEL
from pixmill.train.history import Epoch
from pixmill.train.page.report import render_report
from pixmill.train.page.samples import draw_samples
from tests.train.conftest import CLASSES, PARAMS


def page_of(trained, params=PARAMS):
    return render_report(
        trained, params, draw_samples(trained.training, params, head=ONE_LABEL, labels=CLASSES)
    )


def test_page_is_complete_and_self_contained(trained):
    page = page_of(trained)
    for text in (
        f"{100 * trained.best.val_accuracy:.1f} %",
        "on the 45 validation images",
        "150 images",
        "convolution_0",
        "16\u00a0\u00d7\u00a016\u00a0\u00d7\u00a04",
        "A convolutional network with 2 convolutions, trained from scratch",
        "dropout in <code>train.cnn.dense</code>",
        "learning_rate",
        "then augmented as in five epochs",
    ):
        assert text in page
    assert page.count("<svg") == 3
    assert page.count('src="data:image/jpeg;base64,') == 1
    assert not re.search(r"backbone\.name|momentum|weight_decay|schedule\.patience", page)
    assert not re.search(
        r"(?:src|href)=\"(?!data:|#|(?:scrape|validate|split|train|evaluate)\.html\")", page
    )


def test_caution_if_no_better_than_guessing(trained):
    assert not trained.caution()
    guessing = Epoch(1, 1.1, 0.33, 1.0986, 0.36, 0.03)  # ln 3 is 1.0986.
    useless = dataclasses.replace(trained, history=(guessing,))
    assert useless.caution()
    assert useless.caution() in page_of(useless)
    assert not dataclasses.replace(
        useless, history=(dataclasses.replace(guessing, val_loss=1.08),)
    ).caution()


def test_solver_has_iterations_instead_of_epochs(trained):
    history = (Epoch(1, 0.4, 0.9, 0.5, 0.8), Epoch(2, 0.1, 0.999, 0.3, 0.905))
    solved = dataclasses.replace(trained, history=history)
    page = page_of(solved, PARAMS.model_copy(update={"model": "features"}))
    assert "Each point is an iteration of the solver" in page
    assert "90.5 %" in page
    assert page.count("<svg") == 2
    assert not re.search(
        r"[Bb]est epoch|optimizer|batch_size|learning_rate|backbone\.dropout", page
    )
    assert solved.summary().startswith("accuracy 90.5 % on validation, ")
    assert not {"best_epoch", "epochs", "learning_rate"} & solved.metrics().keys()
