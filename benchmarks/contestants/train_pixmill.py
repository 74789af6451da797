"""Pixmill: batches from packed shards, changed and learnt from in one compiled step."""

from packed import epochs, packed_part
from training import LABELS, SCENES, compete, scenes_cnn, told

from pixmill.models.determinism import fix_threads
from pixmill.train.steps import Trainer

told = told()
fix_threads(2)
part = packed_part(told.folder)
params = SCENES.model_copy(update={"precision": told.precision})
model = scenes_cnn()
compete(epochs(Trainer(model, params, labels=LABELS), part, params))
