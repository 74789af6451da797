"""DVC: run its commands, read its cache, its locks and ``data.dvc``."""

import functools
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_digest, file_mark, read_if_any

DEFAULT_CACHE = Path(".dvc", "cache", "files", "md5")
"""DVC's default cache folder."""

_ATTEMPTS = 20
_RETRY_SECONDS = 0.005
"""Attempts, and seconds between them, to read a file that DVC may be writing."""

LITTER = {".DS_Store", "Thumbs.db"}
"""Files that file managers create in folders of images."""


def dvc(root: Path, *words: str, quiet: bool = False) -> None:
    """Run DVC with this interpreter; its progress and errors go to standard error.

    Args:
        root: The project's folder.
        words: The command, such as ``add data``.
        quiet: Whether to show only the last line, and only if the command fails.

    Raises:
        DataError: The command failed.
    """
    done = _run(root, *words, quiet=quiet)
    if done.returncode:
        text = " ".join(("dvc", *words))
        last = (done.stderr or "").strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        reason = f": {last}" if quiet else "; its message is above"
        raise DataError(f"`{text}` failed{reason}", next=text)


def _run(root: Path, *words: str, quiet: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (no untrusted input)
        [sys.executable, "-m", "dvc", *words],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        errors="replace",  # file names need not be UTF-8
    )


@dataclass(frozen=True)
class RunningDvc:
    """A running DVC command that holds files of a project.

    Args:
        pid: Its process id.
        command: The command line, such as ``/usr/bin/dvc repro``.
        writes: Files and folders that it writes, relative to the project's folder: the outputs of a
            running stage, or ``data`` during ``dvc add``.
        reads: Files and folders that it reads.
    """

    pid: int
    command: str
    writes: tuple[str, ...]
    reads: tuple[str, ...]


def running_dvc(root: Path) -> list[RunningDvc]:
    """Return the DVC commands that are reading or writing files of this project, from DVC's own lock file.

    Args:
        root: The project's folder.
    """
    found: dict[tuple[int, str], dict[str, list[str]]] = {}
    for kind, holders in _read_rwlock(root / ".dvc/tmp/rwlock").items():
        for path, held in holders.items():
            for each in held if isinstance(held, list) else [held]:
                try:
                    paths = found.setdefault(
                        (int(each["pid"]), str(each["cmd"])), {"write": [], "read": []}
                    )
                    paths[kind].append(Path(path).relative_to(root.resolve()).as_posix())
                except (LookupError, TypeError, ValueError):
                    continue  # malformed, or outside of the project
    return [
        RunningDvc(pid, command, tuple(paths["write"]), tuple(paths["read"]))
        for (pid, command), paths in found.items()
        if any(paths.values()) and _runs_dvc(pid)
    ]


def is_dvc_writing(root: Path) -> bool:
    """Return whether a DVC command writes files of a project."""
    return any(each.writes for each in running_dvc(root))


def is_dvc_locked(root: Path) -> bool:
    """Return whether a running DVC command holds the lock of a project; does not take the lock."""
    try:
        return _runs_dvc(int((root / ".dvc/tmp/lock").read_bytes()))
    except (OSError, ValueError):
        return False


def _read_rwlock(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the holders of each path under ``read`` and ``write``; empty if DVC has never run."""
    for _ in range(_ATTEMPTS):
        try:
            held = json.loads(path.read_bytes())
            return {
                kind: held[kind] for kind in ("write", "read") if isinstance(held.get(kind), dict)
            }
        except (OSError, AttributeError):
            return {}  # DVC has never run.
        except ValueError:  # DVC is writing it.
            time.sleep(_RETRY_SECONDS)
    return {}


def _runs_dvc(pid: int) -> bool:
    """Return whether a process is alive and may be DVC; ids of killed processes are reused."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any(
            "dvc" in word for word in process.cmdline()
        )
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return True  # another user's process


def cache_folder(root: Path) -> Path | None:
    """Return DVC's cache folder; ``None`` without DVC.

    The result is cached until DVC's configuration changes.

    Args:
        root: The project's folder.
    """
    if not (root / ".dvc").is_dir():
        return None
    files = [root / ".dvc" / name for name in ("config", "config.local")]
    return _ask_cache_folder(root.resolve(), *map(file_mark, files))


@functools.lru_cache(maxsize=16)
def _ask_cache_folder(root: Path, *marks: tuple[int, ...]) -> Path | None:  # noqa: ARG001 (part of the cache's key)
    done = _run(root, "cache", "dir")
    return None if done.returncode else root / done.stdout.strip() / "files/md5"


def has_remote(root: Path) -> bool:
    """Return whether DVC has a default remote, which ``dvc pull`` and ``dvc push`` need.

    Args:
        root: The project's folder.
    """
    files = [root / ".dvc" / name for name in ("config", "config.local")]
    text = "\n".join(read_if_any(path) or "" for path in files)
    return any(
        f'remote "{name}"' in text
        for name in re.findall(r"^\s*remote\s*=\s*(.*\S)", text, re.MULTILINE)
    )


def is_cached(cache: Path, md5: str) -> bool:
    """Return whether DVC's cache contains a file, or a folder with all of its files.

    Args:
        cache: Folder from :func:`cache_folder`.
        md5: Hash from ``dvc.lock`` or ``data.dvc``.
    """
    if not md5.endswith(".dir"):
        return object_file(cache, md5).is_file()
    listing = read_listing(cache, md5)
    return listing is not None and all(
        object_file(cache, each).is_file() for each in listing.values()
    )


def read_listing(cache: Path, md5: str) -> Mapping[str, str] | None:
    """Return the MD5 of each file of a folder by relative path; ``None`` if the cache lacks the listing.

    Args:
        cache: Folder from :func:`cache_folder`.
        md5: Hash of the folder, which ends in ``.dir``.
    """
    try:
        return {
            entry["relpath"]: entry["md5"]
            for entry in json.loads(object_file(cache, md5).read_bytes())
        }
    except FileNotFoundError:
        return None


def read_record(root: Path, text: str | None = None) -> Mapping[str, Any] | None:
    """Return ``md5``, ``nfiles`` and ``size`` (in bytes) from ``data.dvc``; ``None`` if the file is missing.

    Args:
        root: The project's folder.
        text: Content of the file; default: read it.

    Raises:
        DataError: The file is not valid.
    """
    path = root / "data.dvc"
    if text is None and not path.exists():
        return None
    try:
        out = yaml.safe_load(path.read_text(encoding="utf-8") if text is None else text)["outs"][0]
        return {
            "md5": str(out["md5"]),
            **{key: int(out[key]) for key in ("nfiles", "size") if key in out},
        }
    except (yaml.YAMLError, LookupError, TypeError, ValueError, OSError, RecursionError) as error:
        advice = "mv data.dvc data.dvc.broken && git checkout data.dvc"
        raise DataError(f"{path} is not a valid .dvc file: {error!r}", next=advice) from error


def object_file(cache: Path, md5: str) -> Path:
    """Return where DVC's cache has a file, or the listing of a folder.

    Args:
        cache: Folder from :func:`cache_folder`.
        md5: Hash from ``dvc.lock`` or ``data.dvc``.
    """
    return cache / md5[:2] / md5[2:]


def folder_md5(folder: Path) -> str:
    """Return DVC's hash of a folder: the MD5 of the sorted list of its files and their MD5s.

    Source: ``Tree.as_bytes`` of dvc-data; caches and remotes of DVC 3 depend on it.
    """
    paths = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if is_data(path)
    }
    return listing_md5({name: file_digest(path, "md5") for name, path in paths.items()})


def listing_md5(files: Mapping[str, str]) -> str:
    """Return DVC's hash of a folder, given the MD5 of each file by relative path."""
    return hashlib.md5(listing_text(files).encode(), usedforsecurity=False).hexdigest() + ".dir"


def listing_text(files: Mapping[str, str]) -> str:
    """Return DVC's listing of a folder, given the MD5 of each file by relative path."""
    return json.dumps(
        [{"md5": files[name], "relpath": name} for name in sorted(files)], sort_keys=True
    )


def is_data(path: Path) -> bool:
    """Return whether a path in ``data/`` is a file that DVC versions: not a folder, not :data:`LITTER`."""
    return not path.is_dir() and path.name not in LITTER
