"""The stage train: fits a classifier to the packed images, bit-for-bit reproducibly.

- ``training``: the stage's entry point
- ``training_key``: a hash of everything the weights depend on; ``checkpoints``: trainings cached by it
- ``fitting``: ``Fitter``, which fits one kind of model; the training loop with early stopping
- ``steps``: one training step, and the batches
- ``history``: the metrics of each epoch, best epoch, early stopping and learning rate
- ``callback``: what follows a training
- ``heads``: the fitters that need a backbone's features; ``logistic``: the logistic regression; ``scaling``:
  standardised features
- ``learning_curve``: the same model fitted to fewer images, to estimate the gain from more
- ``folds``: cross-validation
"""

from pixmill.train.callback import Callback
from pixmill.train.history import curves_csv
from pixmill.train.learning_curve import learning_curve_csv
from pixmill.train.training import Trained, train

__all__ = ["Callback", "Trained", "curves_csv", "learning_curve_csv", "train"]
