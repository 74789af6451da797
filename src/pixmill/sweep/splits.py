"""The packed images in the size, shape and filter of a trial."""

import shutil
from pathlib import Path

from pixmill.compute import RowLimits
from pixmill.core.errors import ManifestError
from pixmill.core.files import read_json, write_bytes
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.params import Params, SplitParams
from pixmill.core.progress import announce
from pixmill.core.workspace import Workspace
from pixmill.provenance.results import digest_code
from pixmill.split import pack
from pixmill.state.documents import MalformedError
from pixmill.state.stage_inputs import find_changed_input, first_outdated, workspace_stages

FORMAT = "preprocessing.json"
"""Written last."""


def packed_split(workspace: Workspace, params: Params, scratch: Path) -> Path:
    """Return the folder with the images as some params have them packed: that of split, or one in the scratch folder.

    Args:
        workspace: The project's workspace, with ``artifacts/split``.
        params: The trial's.
        scratch: Where other sizes are packed, once each.

    Raises:
        ManifestError: The workspace has no packed images.
        OSError: The disk is full.
    """
    folder, form = workspace.root / "artifacts" / "split", image_format(params.split)
    if read_json(folder / FORMAT, stage="split") == form:
        return folder
    name = "-".join(str(value) for value in (*form.values(), digest_code("packing")[:8]))
    packed, manifest_file = scratch / name, "manifest.parquet"
    if not _same(packed / manifest_file, folder / manifest_file):
        announce(f"sweep: pack the images with {', '.join(f'split.{name}={value}' for name, value in form.items())}")
        shutil.rmtree(packed, ignore_errors=True)
        manifest = read_table(folder / manifest_file, SPLIT, stage="split")
        limits = RowLimits(params.validate.timeout, params.validate.memory << 20)
        pack(manifest, workspace.root / "artifacts" / "scrape", packed, params.split, limits)
        write_bytes(packed / manifest_file, (folder / manifest_file).read_bytes())  # Last: all is there.
    return packed


def _same(one: Path, other: Path) -> bool:
    return one.exists() and one.read_bytes() == other.read_bytes()


def image_format(params: SplitParams) -> dict[str, int | str]:
    """Return what decides how an image is packed."""
    return {"aspect": params.aspect, "image_size": params.image_size, "resize": params.resize}


def check_split(workspace: Workspace, params: Params) -> None:
    """Check that the workspace has packed images of the present params and images.

    Raises:
        ManifestError: It has none, or others.
    """
    root = workspace.root
    form = read_json(root / "artifacts" / "split" / FORMAT, stage="split")
    stages = {name: stage for name, stage in workspace_stages(root).items() if name in ("scrape", "validate", "split")}
    if not (root / "artifacts" / "split" / "manifest.parquet").exists() or first_outdated(stages):
        raise ManifestError("artifacts/split is incomplete: dvc repro stopped", next="dvc repro split")

    def read(path: str) -> bytes | None:
        return (root / path).read_bytes() if (root / path).is_file() else None

    try:
        changed = find_changed_input(stages, read)
    except MalformedError as fault:
        raise ManifestError(f"the inputs of artifacts/split cannot be checked: {fault}", next="git status") from None
    if changed is None and form != image_format(params.split):
        changed = "split in params.yaml"
    if changed:
        raise ManifestError(
            f"artifacts/split was made before {changed} changed", next="dvc repro split, then: pixmill sweep"
        )
