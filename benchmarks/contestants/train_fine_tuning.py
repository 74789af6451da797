"""Pixmill, fine-tuning: the bundled backbone with a new head, all of it fitted, an epoch a time."""

import itertools

from training import BATCH, LABELS, SCENES, SIDE, compete, told

from pixmill.models import build_classifier, fix_threads
from pixmill.params import BackboneParams
from pixmill.parts import load_parts
from pixmill.train.feeding import epoch_order, feed
from pixmill.train.steps import Trainer

told = told()
fix_threads(2)
classes = [str(label) for label in range(LABELS)]
part = load_parts(told.folder / "packed", classes, side=SIDE, names=("train",))["train"]
params = SCENES.model_copy(update={"model": "backbone", "backbone": BackboneParams(unfreeze="all")})
trainer = Trainer(build_classifier(params, labels=LABELS, image_size=SIDE), params, labels=LABELS)
numbers = itertools.count(1)


def epoch() -> tuple[int, float]:
    number = next(numbers)
    trainer.begin(number)
    for pixels, targets in feed(part, BATCH, epoch_order(len(part), seed=params.seed, epoch=number)):
        trainer.train(pixels, targets, params.learning_rate)
    return len(part), trainer.fitted()["loss"]


compete(epoch)
