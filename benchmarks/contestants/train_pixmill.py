"""Pixmill: batches of packed images, with augmentation and update in one compiled step."""

from packed import epochs, packed_part
from training import LABELS, SCENES, arguments, compete, scenes_cnn

from pixmill.heads import ONE_LABEL
from pixmill.models.determinism import fix_threads
from pixmill.train.examples import examples_of
from pixmill.train.steps import Trainer

options = arguments()
fix_threads(2)
part = packed_part(options.folder)
params = SCENES.model_copy(update={"precision": options.precision})
model = scenes_cnn()
trainer = Trainer(model, params, examples_of(ONE_LABEL, part.targets, params, LABELS))
compete(epochs(trainer, part, params))
