"""The stage train: fits a classifier to the packed images, bit-for-bit reproducibly.

- ``training``: the stage's entry point
- ``training_key``: a hash of everything the weights depend on; ``checkpoints``: trainings cached by it
- ``fitting``: ``Fitter``, which fits one kind of model; the training loop with early stopping, the choice of precision
- ``steps``: one training step, and the batches; ``strategy``: the devices
- ``history``: the metrics of each epoch, best epoch, early stopping and learning rate
- ``interruption``: signals stop a training between two steps
- ``callback``: what follows a training
- ``heads``: the fitters that need a backbone's features; ``logistic``: the logistic regression; ``scaling``:
  standardised features
- ``learning_curve``: the same model fitted to fewer images, to estimate the gain from more
- ``folds``: cross-validation
"""

from pixmill.train.callback import Callback
from pixmill.train.history import curves_csv
from pixmill.train.interruption import Interrupted
from pixmill.train.learning_curve import learning_curve_csv
from pixmill.train.strategy import is_chief
from pixmill.train.training import Trained, train

__all__ = ["Callback", "Interrupted", "Trained", "curves_csv", "is_chief", "learning_curve_csv", "train"]
