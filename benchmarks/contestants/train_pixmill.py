"""Pixmill: batches from packed shards, changed and learnt from in one compiled step."""

from packed import epochs, packed_part
from training import LABELS, SCENES, compete, scenes_cnn, told

from pixmill.learn.determinism import fix_threads
from pixmill.train.fitting import choose_precision
from pixmill.train.steps import Trainer

told = told()
fix_threads(2)
part = packed_part(told.folder)
params = SCENES.model_copy(update={"precision": told.precision})
model = scenes_cnn()
precision = choose_precision(model, params, part, labels=LABELS)
trainer = Trainer(model, params, labels=LABELS, precision=precision)
compete(epochs(trainer, part, params), precision=precision)
