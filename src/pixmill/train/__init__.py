"""The stage train: fit a classifier to the packed images, bit-for-bit reproducibly.

- ``training``: entry point of the library; fits a classifier or reuses a finished training
- ``training_key``: digest of everything that weights depend on; ``checkpoints``: trainings cached
  by it
- ``fitting``: ``Fitter``, which fits one kind of model; the training loop with early stopping
- ``steps``: one training step, and its batches
- ``history``: metrics of each epoch, best epoch, early stopping, learning rate, and hooks for
  epochs and folds
- ``heads``: fitters that need the features of a backbone; ``logistic``: logistic regression
- ``learning_curve``: accuracy by number of images; ``regularization``: loss by regularization
  strength
- ``folds``: cross-validation; ``trial``: one training of a sweep
"""

from pixmill.train.history import Callback, curves_csv
from pixmill.train.learning_curve import learning_curve_csv
from pixmill.train.training import Trained, train

__all__ = ["Callback", "Trained", "curves_csv", "learning_curve_csv", "train"]
