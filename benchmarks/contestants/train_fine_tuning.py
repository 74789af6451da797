"""Pixmill, fine-tuning: the bundled backbone with a new head, all layers fitted."""

from packed import epochs, packed_part
from training import LABELS, SCENES, SIDE, arguments, compete

from pixmill.core.params import BackboneParams
from pixmill.heads import ONE_LABEL
from pixmill.models.determinism import fix_threads
from pixmill.models.networks import build_classifier
from pixmill.train.examples import examples_of
from pixmill.train.steps import Trainer

options = arguments()
fix_threads(2)
part = packed_part(options.folder)
params = SCENES.model_copy(update={"model": "backbone", "backbone": BackboneParams(unfreeze="all")})
model = build_classifier(params, labels=LABELS, image_size=SIDE)
trainer = Trainer(model, params, examples_of(ONE_LABEL, part.targets, params, LABELS))
compete(epochs(trainer, part, params))
