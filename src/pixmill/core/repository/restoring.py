"""Put back the results that DVC removed before it started a stage."""

import os
from pathlib import Path
from typing import Any

from pixmill.core.process.progress import announce
from pixmill.core.repository.git import git


def put_back_results(root: Path, stage: str) -> None:
    """Put back the results of the last run, if DVC removed them and the stage wrote none; warn of those that are lost.

    They come from DVC's cache, and small ones from Git's index, in the version of ``dvc.lock``
    only. `dvc checkout` cannot do this within a stage, since `dvc repro` locks the outputs until
    the stage ends.

    Args:
        root: The project's folder.
        stage: The stage's name.
    """
    if "DVC_STAGE" not in os.environ:
        return  # Not started by DVC.
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            outs = repo.stage.load_one(name=stage).outs
            if any(out.exists and not out.persist for out in outs):
                return  # The stage wrote results.
            removed = [out for out in outs if out.hash_info and not out.exists]
            lost = [out.def_path for out in removed if not _put_back(root, out)]
            if lost:
                announce(
                    f"warning: DVC removed {', '.join(lost)}, of which there is no copy; dvc repro "
                    "makes them again"
                )
    except Exception as error:  # noqa: BLE001 (a damaged cache fails in many ways)
        announce(
            f"warning: the results of the last run are not back: {error}; to try again: dvc "
            f"checkout {stage}"
        )


def _put_back(root: Path, out: Any) -> bool:
    """Put back an output of DVC, and return whether it was available."""
    if not out.use_cache:
        names = (git(root, "ls-files", "-z", "--", out.def_path) or "").split("\0")[:-1]
        # Unlike `git restore`, it does not lock the index.
        git(root, "checkout-index", "--", *names)
        if out.exists and out.changed_checksum():
            out.remove()  # The committed version is not that of the other results.
    elif not out.changed_cache():
        out.checkout()
    return bool(out.exists)
