"""Put back the results that DVC removed before it started a stage."""

import hashlib
import os
from pathlib import Path
from typing import Any

from pixmill.core.files.writing import write_bytes
from pixmill.core.repository.dvc import is_cached, listing_md5
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
            if any(out.exists and not out.persist for out in outs) or not any(out.hash_info for out in outs):
                return ""  # The stage wrote results, or it never ran before.
            removed = [out for out in outs if not out.exists]
            lost = [out.def_path for out in removed if not _put_back(root, out)]
    except (DvcException, OSError) as error:
        return f"The results of the last run could not be put back: {error}; to try again: dvc checkout {stage}"
    if lost:
        return f"DVC removed {', '.join(lost)}, which neither Git nor DVC's cache has; dvc repro makes them again"
    return "The results of the last run are unchanged."


def _put_back(root: Path, out: Any) -> bool:
    """Put back an output of DVC, and return whether it was available."""
    path, md5 = out.def_path, str(out.hash_info.value)
    if out.use_cache:
        available = is_cached(Path(out.cache.path), md5)
        if available:
            out.checkout(force=True)
        return available
    names = (git(root, "ls-files", "-z", "--", path) or "").split("\0")[:-1]
    files = {name: (git(root, "show", f":./{name}") or "").encode("utf-8", "surrogateescape") for name in names}
    digests = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    found = digests.get(path) or listing_md5({name.removeprefix(f"{path}/"): each for name, each in digests.items()})
    available = found == md5
    if available:
        for name, content in files.items():
            write_bytes(root / name, content)
    return available
