"""DVC, run for a project as a command of its own, and what its cache holds."""

import functools
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_digest

DEFAULT_CACHE = Path(".dvc", "cache", "files", "md5")
"""Where DVC keeps files by their MD5 in a project that names no other place."""

_ATTEMPTS, _AGAIN_SECONDS = 20, 0.005
"""How often, and how many seconds apart, a file is read that DVC may be writing."""

LITTER = {".DS_Store", "Thumbs.db"}
"""What file managers leave in folders of images."""


def dvc(root: Path, *words: str, quiet: bool = False) -> None:
    """Run this interpreter's DVC, whose progress and errors go to standard error.

    Args:
        root: The project's folder.
        words: The command, such as ``add data``.
        quiet: Whether only the last line of what it says is shown, and only where it fails.

    Raises:
        DataError: It failed.
    """
    done = _run(root, *words, quiet=quiet)
    if done.returncode:
        text = " ".join(("dvc", *words))
        reason = f": {_message(done).splitlines()[-1]}" if quiet else "; its message is above"
        raise DataError(f"`{text}` failed{reason}", next=text)


def _run(root: Path, *words: str, quiet: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (no part of the command comes from outside)
        [sys.executable, "-m", "dvc", *words],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        errors="replace",  # it quotes names of files, which need be no text
    )


def _message(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip() or f"exit code {done.returncode}"


@dataclass(frozen=True)
class RunningDvc:
    """A DVC command that runs and holds files of a project.

    Args:
        pid: Its process.
        command: As it was typed, such as ``dvc repro``; with the path of the program.
        writes: The files and folders that it writes, relative to the project's folder: the outputs of a stage that
            runs, or ``data`` where ``dvc add`` does.
        reads: Those that it reads.
    """

    pid: int
    command: str
    writes: tuple[str, ...]
    reads: tuple[str, ...]


def running_dvc(root: Path) -> list[RunningDvc]:
    """Return the DVC commands that read or write files of this project just now, as stages do.

    Only a file of DVC's is read: neither is its lock taken, nor DVC started.

    Args:
        root: The project's folder.
    """
    found: dict[tuple[int, str], dict[str, list[str]]] = {}
    for kind, holders in _read_rwlock(root / ".dvc" / "tmp" / "rwlock").items():
        for path, held in holders.items():
            for each in held if isinstance(held, list) else [held]:
                try:
                    paths = found.setdefault((int(each["pid"]), str(each["cmd"])), {"write": [], "read": []})
                    paths[kind].append(Path(path).relative_to(root.resolve()).as_posix())
                except (LookupError, TypeError, ValueError):
                    continue  # Not as DVC writes it, or outside of the project.
    return [
        RunningDvc(pid, command, tuple(paths["write"]), tuple(paths["read"]))
        for (pid, command), paths in found.items()
        if any(paths.values()) and _runs_dvc(pid)
    ]


def is_dvc_locked(root: Path) -> bool:
    """Tell whether a DVC command holds the lock of a project, by the process's number in it; the lock is not taken."""
    try:
        return _runs_dvc(int((root / ".dvc" / "tmp" / "lock").read_bytes()))
    except (OSError, ValueError):
        return False


def _read_rwlock(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return who reads and writes which paths, by ``read`` and ``write``; nothing where DVC has never run."""
    for _ in range(_ATTEMPTS):
        try:
            held = json.loads(path.read_bytes())
            return {kind: held[kind] for kind in ("write", "read") if isinstance(held.get(kind), dict)}
        except (OSError, AttributeError):
            return {}  # DVC has never run.
        except ValueError:  # DVC is writing it.
            time.sleep(_AGAIN_SECONDS)
    return {}


def _runs_dvc(pid: int) -> bool:
    """Tell whether a process is alive and may be DVC: a killed one leaves its number, which another may have by now."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any("dvc" in word for word in process.cmdline())
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return True  # Somebody else's, of which nothing more can be known.


def cache_folder(root: Path) -> Path | None:
    """Return where DVC keeps files by their MD5; ``None`` where there is no DVC.

    DVC is asked again where the project's configuration was written since.

    Args:
        root: The project's folder.
    """
    if not (root / ".dvc").is_dir():
        return None
    files = [root / ".dvc" / name for name in ("config", "config.local")]
    return _ask_cache_folder(root.resolve(), *(path.stat().st_mtime_ns if path.exists() else 0 for path in files))


@functools.lru_cache(maxsize=16)
def _ask_cache_folder(root: Path, *written: int) -> Path | None:  # noqa: ARG001 (each writing has an entry of its own)
    done = _run(root, "cache", "dir")
    return None if done.returncode else root / done.stdout.strip() / "files" / "md5"


def is_cached(cache: Path, md5: str) -> bool:
    """Tell whether DVC's cache holds a file, or a folder with all its files.

    Args:
        cache: As :func:`cache_folder` returns it.
        md5: As ``dvc.lock`` and ``data.dvc`` name it.
    """
    if not md5.endswith(".dir"):
        return _file(cache, md5).is_file()
    listing = read_listing(cache, md5)
    return listing is not None and all(_file(cache, each).is_file() for each in listing.values())


def read_listing(cache: Path, md5: str) -> Mapping[str, str] | None:
    """Return the MD5 of each file of a folder, by its path within; ``None`` where the cache does not hold the list.

    Args:
        cache: As :func:`cache_folder` returns it.
        md5: Of the folder, with ``.dir`` behind it.
    """
    try:
        return {entry["relpath"]: entry["md5"] for entry in json.loads(_file(cache, md5).read_bytes())}
    except FileNotFoundError:
        return None


def read_record(root: Path, text: str | None = None) -> Mapping[str, Any] | None:
    """Return ``md5``, ``nfiles`` and ``size`` (in bytes) of ``data/`` by ``data.dvc``; ``None`` where there is none.

    Args:
        root: The project's folder.
        text: What the file says; default: it is read.

    Raises:
        DataError: It is not valid.
    """
    path = root / "data.dvc"
    if text is None and not path.exists():
        return None
    try:
        out = yaml.safe_load(path.read_text(encoding="utf-8") if text is None else text)["outs"][0]
        return {"md5": str(out["md5"]), **{key: int(out[key]) for key in ("nfiles", "size") if key in out}}
    except (yaml.YAMLError, LookupError, TypeError, ValueError, OSError, RecursionError) as error:
        advice = "mv data.dvc data.dvc.broken && git checkout data.dvc"
        raise DataError(f"{path} is not a valid .dvc file: {error!r}", next=advice) from error


def _file(cache: Path, md5: str) -> Path:
    return cache / md5[:2] / md5[2:]


def folder_md5(folder: Path) -> str:
    """Return the digest by which DVC knows a folder: the MD5 of its sorted list of files and their MD5s.

    Source: ``Tree.as_bytes`` of dvc-data; caches and remotes of DVC 3 depend on it.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if is_data(path)}
    return listing_md5({name: file_digest(path, "md5") for name, path in paths.items()})


def listing_md5(files: Mapping[str, str]) -> str:
    """Return the digest of a folder, as :func:`folder_md5`, by the MD5 of each file at its path within."""
    entries = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def is_data(path: Path) -> bool:
    """Tell whether DVC versions a path of ``data/`` as a file: not a folder, nor what file managers leave."""
    return not path.is_dir() and path.name not in LITTER
