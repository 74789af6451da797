"""Files of KerasHub presets: find or download them, and verify the digest that params pin."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from pathlib import Path

from pixmill.core.errors import DownloadError, TrainError
from pixmill.core.params import BackboneParams
from pixmill.core.words import did_you_mean
from pixmill.models.determinism import first_line
from pixmill.models.tensorflow import load_tensorflow

HUB = "hub:"
"""Prefix of a preset's name in params."""

CONFIG = "config.json"
CONVERTER = "image_converter.json"
WEIGHTS = "model.weights.h5"

_FILES = (CONFIG, CONVERTER, WEIGHTS)
"""The only files of a preset that are read; they contain no pickle and no code."""

CHOOSE_ANOTHER = "choose another preset: pixmill use hub:PRESET"
"""Next step for an unsupported preset."""

_FAMILIES = ("clip", "dinov2", "dinov3", "siglip")
"""Built-in presets of KerasHub that belong to :data:`pixmill.models.presets.FAMILIES`."""

_LICENCES = {
    "clip_vit_base_patch": "MIT",
    "clip_vit_large_patch": "MIT",
    "dinov2_": "Apache-2.0",
    "dinov3_": "DINOv3 License",
    "siglip": "Apache-2.0",
}
"""Licences by prefix of KerasHub's built-in names."""


def preset_of(params: BackboneParams) -> str | None:
    """Return the preset in params: a built-in name of KerasHub or a folder.

    ``None`` for another network.
    """
    return params.title.removeprefix(HUB) if params.title.startswith(HUB) else None


def pinned_folder(params: BackboneParams, root: Path) -> Path:
    """Return the folder of the preset that params pin, downloaded once into the user's cache.

    Args:
        params: The section ``train.backbone``, with the ``name`` of a preset.
        root: Project folder, to which the folder of a preset is relative.

    Raises:
        TrainError: The preset is not pinned, is not available, or its content differs from the
            pinned digest.
    """
    preset = preset_of(params)
    assert preset is not None
    again = f"pixmill use {params.title}"
    if params.sha256 is None:
        raise TrainError(
            f"train.backbone.sha256: {preset} is not pinned; the run would not be repeatable",
            next=again,
        )
    folder = find_preset(preset, params.revision, root)
    found = preset_digest(folder)
    if found != params.sha256:
        raise TrainError(
            f"train.backbone.sha256: {folder} has the SHA-256 {found}, expected {params.sha256}",
            next="restore the folder, or delete it if it is a download and run dvc repro; to "
            f"accept it: {again}",
        )
    return folder


def resolve_preset(preset: str, root: Path) -> tuple[str | None, str, Path]:
    """Return the current revision of a preset (``None`` for a folder), its SHA-256, and its folder.

    Args:
        preset: As :func:`preset_of` returns it.
        root: Project folder.

    Raises:
        TrainError: The preset does not exist or is not available.
    """
    # The Kaggle handle in KerasHub ends with the version.
    revision = None if _is_folder(preset, root) else _handle(preset).rpartition("/")[2]
    folder = find_preset(preset, revision, root)
    return revision, preset_digest(folder), folder


def find_preset(preset: str, revision: str | None, root: Path) -> Path:
    """Return the folder of a preset's revision, downloaded unless it is in the user's cache.

    Args:
        preset: As :func:`preset_of` returns it.
        revision: Version on Kaggle; ``None`` for a folder.
        root: Project folder.

    Raises:
        TrainError: The preset does not exist, is not available, or lacks a file.
    """
    if _is_folder(preset, root):
        folder = root / preset
    elif revision is None:
        raise TrainError(
            f"train.backbone.revision: {preset} is not pinned", next=f"pixmill use {HUB}{preset}"
        )
    else:
        folder = _download(preset, revision)
    if not folder.is_dir():
        raise TrainError(
            f"train.backbone.name: the folder {folder} does not exist",
            next=f"put {', '.join(_FILES)} there; for others and for dvc exp run --temp: dvc add "
            f"{preset}, then commit",
        )
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise TrainError(
            f"{folder} is no preset of KerasHub for images: it has no {' and no '.join(missing)}",
            next=CHOOSE_ANOTHER,
        )
    return folder


def _download(preset: str, revision: str) -> Path:
    """Return the folder of a revision in the user's cache."""
    handle = "/".join([*_handle(preset).split("/")[:4], revision])
    try:
        import kagglehub

        # Standard output is for results.
        with contextlib.redirect_stdout(sys.stderr):
            paths = [kagglehub.model_download(handle, name) for name in _FILES]
    except ImportError:
        raise
    except Exception as error:  # Each library has dozens of exceptions.
        is_offline = "Connect" in type(error).__name__
        reason = "there is no connection" if is_offline else first_line(error)
        raise DownloadError(
            f"{preset} cannot be downloaded: {reason}",
            next="check the name and the network connection, then try again; or, on a machine with "
            "internet, copy the folder that the same command prints, and name it: pixmill use "
            "hub:weights/ours",
        ) from error
    return Path(paths[0]).parent


def preset_digest(folder: Path) -> str:
    """Return the SHA-256 of what ``sha256sum`` prints for the files of a preset, by name."""
    lines = []
    for name in _FILES:
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def licence_of(params: BackboneParams) -> str:
    """Return the licence of a built-in preset's weights; ``unknown`` for other presets.

    >>> licence_of(BackboneParams(name="hub:dinov2_small", revision="1"))
    'Apache-2.0'

    Sources: the model cards of Meta's DINOv2 and DINOv3, Google's SigLIP and SigLIP 2, and OpenAI's
    CLIP.

    Args:
        params: The section ``train.backbone``, pinned.
    """
    preset = preset_of(params) or ""
    licences = (
        licence
        for start, licence in _LICENCES.items()
        if params.revision and preset.startswith(start)
    )
    return next(licences, "unknown")


def describe_preset(params: BackboneParams) -> str | None:
    """Return name, version, licence and digest of a preset for a model card.

    ``None`` for another network.

    >>> pinned = BackboneParams(name="hub:dinov2_small", revision="1", sha256="0" * 64)
    >>> describe_preset(pinned).partition(", SHA")[0]
    'dinov2_small, version 1, licence Apache-2.0'

    Args:
        params: The section ``train.backbone``.
    """
    if (preset := preset_of(params)) is None:
        return None
    version = f", version {params.revision}" if params.revision else ""
    return f"{preset}{version}, licence {licence_of(params)}, SHA-256 {params.sha256}"


def _is_folder(preset: str, root: Path) -> bool:
    return "/" in preset or (root / preset).is_dir()


def _handle(preset: str) -> str:
    """Return the Kaggle handle ``<owner>/<model>/keras/<variation>/<version>``."""
    load_tensorflow()
    import keras_hub

    presets = keras_hub.models.Backbone.presets
    supported = {
        name: details
        for name, details in presets.items()
        if details["metadata"].get("path") in _FAMILIES
    }
    if preset in presets and preset not in supported:
        raise TrainError(
            f"{preset} is not supported as a backbone; supported are {', '.join(_FAMILIES)}",
            next=CHOOSE_ANOTHER,
        )
    if preset not in supported:
        raise TrainError(
            "KerasHub has no preset "
            f"'{preset}'{did_you_mean(preset, supported, most=3, show=repr)}",
            next="pixmill use hub:PRESET, with a built-in name or a folder such as weights/ours",
        )
    return str(supported[preset]["kaggle_handle"].removeprefix("kaggle://"))
