"""Pixmill, a head on features of the same backbone: they are computed before the contest, as a cache has them."""

import itertools

from training import BATCH, LABELS, SCENES, SIDE, compete, told

from pixmill.backbones import features
from pixmill.models import build_head, fix_threads
from pixmill.params import FeaturesParams
from pixmill.parts import load_parts
from pixmill.train.feeding import epoch_order
from pixmill.train.steps import Trainer

told = told()
fix_threads(2)
classes = [str(label) for label in range(LABELS)]
part = load_parts(told.folder / "packed", classes, side=SIDE, names=("train",))["train"]
params = SCENES.model_copy(update={"model": "features", "features": FeaturesParams(head="mlp")})


def cached():
    return features(part.pixels, part.rows["id"], params.backbone, scratch=told.folder / "features", threads=2)


seen = cached()
trainer = Trainer(build_head(params, labels=LABELS, features=seen.shape[1]), params, labels=LABELS)
numbers = itertools.count(1)


def epoch() -> tuple[int, float]:
    number = next(numbers)
    trainer.begin(number)
    order = epoch_order(len(part), seed=params.seed, epoch=number)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        trainer.train(seen[rows], part.targets[rows], params.learning_rate)
    return len(part), trainer.fitted()["loss"]


compete(epoch)
