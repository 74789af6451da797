"""Pixmill, fine-tuning: the bundled backbone with a new head, all of it fitted, an epoch a time."""

from packed import epochs, packed_part
from training import LABELS, SCENES, SIDE, compete, told

from pixmill.core.params import BackboneParams
from pixmill.models.determinism import fix_threads
from pixmill.models.networks import build_classifier
from pixmill.train.steps import Trainer

told = told()
fix_threads(2)
part = packed_part(told.folder)
params = SCENES.model_copy(update={"model": "backbone", "backbone": BackboneParams(unfreeze="all")})
trainer = Trainer(build_classifier(params, labels=LABELS, image_size=SIDE), params, labels=LABELS)
compete(epochs(trainer, part, params))
