"""Predictions for anyone's images: which model, which images, and where the answers go.

- ``export``: writes the model for other runtimes: ``conversion``, then ``agreement`` with the original, then the model
  ``card``, by the template ``card.md``
- ``model``: finds a model: the project's own, a folder, an exported file, or one in MLflow
- ``inputs``: the images that a person names
- ``predicting``: images to rows, and rows to files
- ``outputs``: tables as files; ``showing``: text for a terminal
"""

from pixmill.serve.predict.model import Model, current_version, find_model

__all__ = ["Model", "current_version", "find_model"]
