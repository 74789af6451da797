"""Pixmill: batches of packed images, with augmentation and update in one compiled step."""

from packed import epochs, packed_part
from training import LABELS, SCENES, arguments, compete, scenes_cnn

from pixmill.models.determinism import fix_threads
from pixmill.train.steps import Trainer

options = arguments()
fix_threads(2)
part = packed_part(options.folder)
params = SCENES.model_copy(update={"precision": options.precision})
model = scenes_cnn()
compete(epochs(Trainer(model, params, labels=LABELS), part, params))
