"""Pixmill: batches from packed shards, changed and learnt from in one compiled step."""

import itertools

from training import BATCH, LABELS, SCENES, SIDE, compete, scenes_cnn, told

from pixmill.models import fix_threads
from pixmill.parts import load_parts
from pixmill.train.feeding import epoch_order, feed
from pixmill.train.precision import choose_precision
from pixmill.train.steps import Trainer

told = told()
fix_threads(2)
classes = [str(label) for label in range(LABELS)]
part = load_parts(told.folder / "packed", classes, side=SIDE, names=("train",))["train"]
params = SCENES.model_copy(update={"precision": told.precision})
model = scenes_cnn()
choice = choose_precision(model, params, part, labels=LABELS)
trainer = Trainer(model, params, labels=LABELS, precision=choice.precision)
numbers = itertools.count(1)


def epoch() -> tuple[int, float]:
    number = next(numbers)
    trainer.begin(number)
    for pixels, targets in feed(part, BATCH, epoch_order(len(part), seed=params.seed, epoch=number)):
        trainer.train(pixels, targets, params.learning_rate)
    return len(part), trainer.fitted()["loss"]


compete(epoch, precision=choice.precision, seen=choice.rates)
