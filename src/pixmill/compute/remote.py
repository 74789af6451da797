"""What DVC's remote holds of a folder: the object of each file, by the listings of DVC's outputs."""

import contextlib
import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pixmill.compute.stored import Stored, read_stored
from pixmill.core.errors import PixmillError

_SHARE = "share the folder with the nodes under the same path, or:"


def objects(folder: Path) -> Callable[[str], Path | Stored]:
    """Return a function from a file's path within a folder to its object; to its path, if there is no such file.

    An output's listing is read from the remote. DVC uploads it after all files that it names, so where it is, they are.
    What this disk has of an output must be what DVC knows, or nodes would read other bytes than this process.

    Args:
        folder: An output, part of one, or a folder with several; absolute.

    Raises:
        PixmillError: DVC does not track the folder or has no remote, or an output has changed or was not pushed.
    """
    with _messages(folder):
        from dvc.repo import Repo

        with contextlib.closing(Repo(Repo.find_root(str(folder)))) as repo:
            # Files of an output without a cache are in Git.
            outs = [out for out in repo.find_outs_by_path(str(folder), strict=False, recursive=True) if out.use_cache]
            finds = [_objects_of(repo, out, folder) for out in outs]

    def find(path: str) -> Path | Stored:
        for each in finds:
            if stored := each(path):
                return stored
        return folder / path

    return find


def _objects_of(repo: Any, out: Any, folder: Path) -> Callable[[str], Stored | None]:
    odb = repo.cloud.get_remote_odb(out.remote, hash_name=out.hash_name)
    storage = pickle.dumps(odb.fs.fs)
    if not out.hash_info or (out.exists and out.changed_checksum()):
        again = f"dvc commit -f {out.stage.addressing} && dvc push, then run the same command again"
        raise PixmillError(f"DVC does not know what is in {out} now", next=again)
    digest = out.hash_info.value
    within = Path(out.fs_path).is_relative_to(folder)
    before = _prefix(out.fs_path, folder) if within else ""
    cut = "" if within else _prefix(folder, out.fs_path)
    files: dict[str, int] = {}

    def keep(entry: dict[str, str]) -> None:
        if (path := entry["relpath"]).startswith(cut):
            # A number takes half the memory of its digits.
            files[before + path[len(cut) :]] = int(entry["md5"], 16)

    if out.hash_info.isdir:
        listing = Stored(storage, odb.oid_to_path(digest), str(out))
        # Entry by entry: a list of all takes 500 bytes a file.
        json.loads(read_stored(listing).decode(), object_hook=keep)
    else:
        files[before.rstrip("/")] = int(digest, 16)

    def find(path: str) -> Stored | None:
        md5 = files.get(path)
        return None if md5 is None else Stored(storage, odb.oid_to_path(f"{md5:032x}"), str(folder / path))

    return find


def _prefix(path: str | Path, folder: str | Path) -> str:
    """Return how names of what is below a path begin in a folder."""
    inside = os.path.relpath(path, folder)
    return "" if inside == "." else f"{inside}/"


@contextlib.contextmanager
def _messages(folder: Path) -> Iterator[None]:
    """Turn what DVC raises into messages with a next step."""
    from dvc.config import NoRemoteError
    from dvc.exceptions import DvcException, NotDvcRepoError, OutputNotFoundError
    from dvc.fs import RemoteMissingDepsError

    unseen = f"the nodes that PIXMILL_COMPUTE names do not see {folder}"
    try:
        yield
    except (OutputNotFoundError, NotDvcRepoError):
        raise PixmillError(
            f"{unseen}, and DVC does not track it", next=f"{_SHARE} dvc add {folder} && dvc push"
        ) from None
    except NoRemoteError:
        raise PixmillError(
            f"{unseen}, and DVC has no default remote", next=f"{_SHARE} dvc remote add -d NAME URL && dvc push"
        ) from None
    except (ImportError, RemoteMissingDepsError) as error:
        raise PixmillError(
            f"{unseen}, and a package that DVC's remote needs is not installed ({error})",
            next="here and on the nodes: pip install dvc-s3, or what another storage needs (dvc-gs, …)",
        ) from error
    except DvcException as error:
        raise PixmillError(f"{unseen}, and DVC says: {error}", next="dvc remote list") from error
