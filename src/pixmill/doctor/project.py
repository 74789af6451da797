"""Look at the project: its parameters, its pictures, and what DVC keeps of it."""

from __future__ import annotations

import configparser
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from pixmill.doctor.finding import Finding, State
from pixmill.errors import ParamsError

__all__ = ["look_at_data", "look_at_dvc", "look_at_params"]

_LITTER = {".DS_Store", "Thumbs.db"}


def look_at_params(root: Path) -> Iterator[Finding]:
    """Tell whether ``params.yaml`` is sound.

    Args:
        root: The project's folder.
    """
    from pixmill.params import load_params
    from pixmill.report import shorten

    try:
        params = load_params(root)
    except ParamsError as error:
        yield Finding("params", State.BAD, error.message, next=error.next or "edit params.yaml, then: pixmill check")
    else:
        yield Finding("params", State.OK, f"{len(params.classes)} classes: {shorten(', '.join(params.classes), 300)}")


def look_at_data(root: Path) -> Iterator[Finding]:
    """Compare ``data/`` with what ``data.dvc`` records, by the number and size of files.

    Args:
        root: The project's folder.
    """
    try:
        recorded = _recorded(root / "data.dvc")
    except (yaml.YAMLError, LookupError, TypeError, ValueError, OSError) as error:
        yield Finding("data", State.BAD, f"data.dvc cannot be read: {error}", next="git checkout data.dvc")
        return
    sizes = [path.stat().st_size for path in (root / "data").rglob("*") if path.is_file() and path.name not in _LITTER]
    found = f"{len(sizes)} files of {sum(sizes) / 1e6:.1f} MB"
    if not sizes:
        # What was never made or pulled: the bundled pictures where nothing else is recorded.
        yield Finding(
            "data", State.BAD, "data/ is empty", next="make data, or for pictures of yours: dvc pull data.dvc"
        )
    elif recorded is None:
        yield Finding("data", State.WARNING, f"{found}, which nothing records", next="dvc add data")
    elif recorded != (len(sizes), sum(sizes)):
        words = f"{found}, where data.dvc records {recorded[0]} of {recorded[1] / 1e6:.1f} MB"
        yield Finding("data", State.WARNING, words, next="dvc add data, or to go back: dvc checkout data.dvc")
    else:
        yield Finding("data", State.OK, f"{found}, as data.dvc records")


def look_at_dvc(root: Path) -> Iterator[Finding]:
    """Tell whether DVC can keep what the pipeline makes, here and elsewhere.

    Args:
        root: The project's folder.
    """
    if not (root / ".dvc").is_dir():
        yield Finding("DVC", State.BAD, f"{root} is no repository of DVC", next="dvc init")
        return
    try:
        settings = _settings(root)
    except (configparser.Error, OSError) as error:
        yield Finding("DVC", State.BAD, f".dvc/config cannot be read: {error}", next="git checkout .dvc/config")
        return
    yield _cache(root, settings)
    yield _remote(root, settings)


def _cache(root: Path, settings: configparser.ConfigParser) -> Finding:
    folder = root / ".dvc" / settings.get("cache", "dir", fallback="cache")
    holder = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(holder, os.W_OK):
        return Finding("DVC cache", State.BAD, f"{holder} may not be written", next=f"sudo chown -R $USER '{holder}'")
    return Finding("DVC cache", State.OK, f"{folder}, {shutil.disk_usage(holder).free / 2**30:.1f} GiB free")


def _remote(root: Path, settings: configparser.ConfigParser) -> Finding:
    name = settings.get("core", "remote", fallback=None)
    if name is None:
        return Finding(
            "DVC remote",
            State.WARNING,
            "none: what the pipeline makes stays on this machine",
            next="dvc remote add --default storage <a folder or address>",
        )
    url = settings.get(f"'remote \"{name}\"'", "url", fallback=None)
    if url is None:
        return Finding(
            "DVC remote", State.BAD, f"'{name}' has no address", next=f"dvc remote add --default {name} <address>"
        )
    if urlsplit(url).scheme not in {"", "file"}:
        return Finding("DVC remote", State.OK, f"{url} (to try it: dvc status --cloud)")
    folder = root / ".dvc" / url.removeprefix("file://")
    if not folder.is_dir():
        return Finding("DVC remote", State.WARNING, f"{folder} is not there", next=f"mkdir -p '{folder}', or mount it")
    return Finding("DVC remote", State.OK, str(folder))


def _settings(root: Path) -> configparser.ConfigParser:
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    # A person's own file overrules the project's (https://dvc.org/doc/user-guide/project-structure/configuration).
    for name in ("config", "config.local"):
        if (path := root / ".dvc" / name).is_file():
            settings.read_string(path.read_text(encoding="utf-8"))
    return settings


def _recorded(path: Path) -> tuple[int, int] | None:
    if not path.exists():
        return None
    out: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["outs"][0]
    return int(out["nfiles"]), int(out["size"])
