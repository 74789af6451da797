"""The key of a training: a digest of everything that its weights depend on."""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from blake3 import blake3

from pixmill.core.install.extras import installed_version
from pixmill.core.install.plugins import plugin_digest
from pixmill.core.params import TrainParams, flat
from pixmill.core.provenance.results import digest_code
from pixmill.images.parts import Part, images_path
from pixmill.models.backbones import backbone_digest
from pixmill.models.determinism import machine
from pixmill.models.layers import Origin, origin_of

_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "scipy")
_UNRELATED_PARAMS = ("cross_validation", "learning_curve", "target_accuracy")
"""Params that do not affect the weights; folds and the learning curve are fitted separately."""


def training_key(
    folder: Path,
    parts: Mapping[Any, Part],
    params: TrainParams,
    *,
    labels: Sequence[str],
    root: Path = Path(),
) -> str:
    """Return a digest of everything that a training's weights depend on.

    The digest covers the params that affect this kind of model; ids, labels, folds and pixels of
    the images; the code without comments and docstrings; library versions; the machine and its
    environment settings.

    Args:
        folder: ``artifacts/split``.
        parts: Splits that training reads.
        params: The section ``train``.
        labels: The classes, in the order of the model's outputs.
        root: Project folder, to which a weights file is relative. Default: the current folder.

    Raises:
        PluginError: A plugin is missing.
        TrainError: The pretrained weights are missing.
    """
    deciding = {
        name: value
        for name, value in deciding_params(params).items()
        if name not in _UNRELATED_PARAMS
    }
    return _digest(
        deciding,
        _network_lines(params, origin_of(params, root)),
        _origin_lines(folder, parts, labels),
    )


def sweep_digest(
    folder: Path,
    parts: Mapping[Any, Part],
    params: TrainParams,
    *,
    labels: Sequence[str],
    searched: Iterable[str],
    root: Path = Path(),
) -> str:
    """Return a digest of everything that the trainings of a sweep have in common.

    Args:
        folder: As for :func:`training_key`.
        parts: As for :func:`training_key`.
        params: The section ``train``.
        labels: As for :func:`training_key`.
        searched: Names of searched params, such as ``features.head``, whose values are excluded.
        root: As for :func:`training_key`.

    Raises:
        PluginError: A plugin is missing.
        TrainError: The pretrained weights are missing.
    """
    names = tuple(searched)
    # If the network is searched, its files depend on the trial.
    fixed = not any(name.startswith(("model", "backbone", "augmentation.plugin")) for name in names)
    rest = {
        name: value
        for name, value in flat(params).items()
        if not f"{name}.".startswith(tuple(f"{each}." for each in names))
        and name not in _UNRELATED_PARAMS
    }
    network = _network_lines(params, {"seed": params.seed, "root": root}) if fixed else ()
    return _digest(rest, network, _origin_lines(folder, parts, labels))


def _digest(params: dict[str, Any], *lines: Iterable[str]) -> str:
    return blake3("\n".join([repr(params), *chain(*lines)]).encode()).hexdigest(length=16)


def _network_lines(params: TrainParams, origin: Origin) -> Iterator[str]:
    """Yield digests of the initial weights and of plugins."""
    model = params.kind
    if model.backbone is not None:
        yield backbone_digest(model.backbone, **origin)
    plugin = params.augmentation.plugin
    if plugin is not None and not model.on_features:
        yield plugin_digest("augmentations", plugin, origin["root"])


def _origin_lines(folder: Path, parts: Mapping[Any, Part], labels: Sequence[str]) -> list[str]:
    """Return descriptions of the images, the code, the libraries and the machine."""
    lines = [*labels, platform.python_version(), machine(), digest_code("weights")]
    lines += [f"{name} {installed_version(name)}" for name in _PACKAGES]
    for name, part in parts.items():
        lines += [str(name), part.rows[["id", "label", "fold"]].to_csv(index=False)]
        # Hashed, not by date and size: each epoch reads every image anyway, which takes longer.
        lines += [
            str(part.pixels.shape),
            blake3().update_mmap(images_path(folder, str(name))).hexdigest(),
        ]
    return lines


def deciding_params(params: TrainParams) -> dict[str, Any]:
    """Return the params that affect this kind of model, by dotted name.

    >>> names = deciding_params(TrainParams(model="features"))
    >>> "backbone.name" in names, "epochs" in names, "cnn.head" in names
    (True, False, False)

    Args:
        params: The section ``train``.
    """
    unused = ("target_accuracy", *params.kind.unused)
    if params.optimizer != "sgd":
        unused += ("momentum",)
    if params.optimizer != "adamw":
        unused += ("weight_decay",)
    if params.schedule.name != "plateau":
        unused += ("schedule.factor", "schedule.patience")
    return {name: value for name, value in flat(params).items() if not name.startswith(unused)}
