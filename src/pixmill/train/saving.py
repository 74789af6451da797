"""A trained classifier as files."""

from pathlib import Path

from pixmill.core.files.writing import write_text
from pixmill.core.params import TrainParams
from pixmill.models.classifier import save_calibration
from pixmill.models.litert_export import export_classifier
from pixmill.models.model_folder import save_classifier
from pixmill.models.novelty import save_novelty
from pixmill.models.preset_files import describe_preset
from pixmill.train.training import Trained


def save_trained(trained: Trained, params: TrainParams, folder: Path, *, scratch: Path, root: Path) -> Path:
    """Write all that predicting needs: weights, labels, the network in LiteRT, novelty and calibration.

    Args:
        trained: The classifier.
        params: The section ``train``.
        folder: Where the files go; ``artifacts/train``.
        scratch: The cache of converted backbones.
        root: The project folder.

    Returns:
        The file with the weights.
    """
    weights = save_classifier(trained.classifier, trained.labels, folder, **trained.preprocessing)
    if params.model != "cnn" and (preset := describe_preset(params.backbone)) is not None:
        write_text(folder / "preset.txt", f"{preset}\n")
    if trained.novelty is not None:
        save_novelty(folder, trained.novelty)
    export_classifier(trained.classifier, params, folder, scratch=scratch, novelty=trained.novelty, root=root)
    save_calibration(folder, trained.validation, target=params.target_accuracy, features=trained.features)
    return weights
