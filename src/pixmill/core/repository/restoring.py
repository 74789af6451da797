"""Put back the results that DVC removed before it started a stage."""

import os
from pathlib import Path
from typing import Any

from pixmill.core.repository.git import git


def put_back_results(root: Path, stage: str) -> str:
    """Put back the results of the last run, if DVC removed them and the stage wrote none.

    They come from DVC's cache, and small ones from Git's index, in the version of ``dvc.lock`` only. `dvc checkout`
    cannot do this within a stage, since `dvc repro` locks the outputs until the stage ends.

    Args:
        root: The project's folder.
        stage: The stage's name.

    Returns:
        What was done, or which results are lost; empty if nothing was removed.
    """
    if "DVC_STAGE" not in os.environ:
        return ""  # Not started by DVC.
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            outs = repo.stage.load_one(name=stage).outs
            removed = [out for out in outs if out.hash_info and not out.exists]
            if not removed or any(out.exists and not out.persist for out in outs):
                return ""  # The first run, or the stage wrote results.
            lost = [out.def_path for out in removed if not _put_back(root, out)]
    except (DvcException, OSError) as error:
        return f"The results of the last run are not back: {error}; to try again: dvc checkout {stage}"
    if lost:
        return f"DVC removed {', '.join(lost)}, which neither Git nor DVC's cache has; dvc repro makes them again"
    return "The results of the last run are unchanged."


def _put_back(root: Path, out: Any) -> bool:
    """Put back an output of DVC, and return whether it was available."""
    if not out.use_cache:
        git(root, "restore", "--", out.def_path)
        if out.exists and out.changed_checksum():
            out.remove()  # The committed version is not that of the other results.
    elif not out.changed_cache():
        out.checkout()
    return bool(out.exists)
