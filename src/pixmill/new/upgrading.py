"""Adapt a project to the installed Pixmill, and say what that changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from packaging.version import Version

from pixmill.core.errors import ParamsError, PixmillError
from pixmill.core.files import write_text
from pixmill.core.lock import FILE, Lock, installed_lock, other_stages, read_lock, text_digest, write_lock
from pixmill.core.params import load_params, parse_yaml, read_text
from pixmill.core.params.reference import has_key, plain
from pixmill.new.names import names_of
from pixmill.new.template import SCHEMA, managed, render

__all__ = ["Upgrade", "apply_upgrade", "pinned_extras", "plan_upgrade"]

_PIN = re.compile(r"(?<![\w.-])pixmill(?P<extras>\[[^]]*\])?\s*==\s*[\w.!+*-]+")
_SECTION = re.compile(r"^## (?P<version>\d+\.\d+\.\d+)\b.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Upgrade:
    """Hold what adapting a project changes.

    Args:
        pending: Whether anything changes besides the versions of libraries.
        lines: What it changes, for people.
        texts: Files to write by path, in this order.
        removed: Files to remove.
        lock: The project's new lock.
    """

    pending: bool
    lines: tuple[str, ...]
    texts: Mapping[str, str]
    removed: tuple[str, ...]
    lock: Lock


def plan_upgrade(root: Path) -> Upgrade:
    """Find what adapting a project to the installed Pixmill changes; nothing is written.

    A file of the template is rewritten, or removed, only if it is as the lock recorded it. An edited one stays, and
    the template's is put beside it as ``<file>.new``; a deleted one stays deleted.

    Args:
        root: The project's folder.

    Raises:
        PixmillError: There is no ``pixmill.lock``, or it is not valid.
    """
    old = read_lock(root)
    if old is None:
        raise PixmillError(f"{root} has no {FILE}, so it was not made by `pixmill new`", next="pixmill new --help")
    new = installed_lock()
    rendered = render(*names_of(root), new.version)
    # What is not installed here is not known to have changed.
    new = replace(
        new,
        libraries={**old.libraries, **new.libraries},
        template={path: text_digest(text) for path, text in managed(rendered).items()},
    )
    texts: dict[str, str] = {}
    lines: list[str] = []
    # The schema, from which the old defaults are read, comes last: an upgrade that was killed tells them again.
    for path in sorted(new.template, key=SCHEMA.__eq__):
        current, was = _text(root / path), old.template.get(path)
        if current is None and was is None:
            texts[path] = rendered[path]
            lines.append(f"Add: {path}")
        elif current is None or current == rendered[path]:
            continue
        elif text_digest(current) == was:
            texts[path] = rendered[path]
            lines.append(f"Rewrite: {path}")
        elif new.template[path] != was:
            texts[f"{path}.new"] = rendered[path]
            lines.append(f"Keep your edited {path}: merge {path}.new into it, then delete {path}.new")
    gone = {path: text for path in old.template if path not in rendered and (text := _text(root / path)) is not None}
    removed = [path for path, text in gone.items() if text_digest(text) == old.template[path]]
    lines += [f"Remove: {path}" for path in removed]
    texts |= _pin(root, new.version, lines)
    pending = bool(texts or removed) or replace(new, libraries=old.libraries) != old
    told = [*_head(old, new), *_defaults(root, rendered[SCHEMA]), *_refused(root)]
    told += [*_changelog(old.version, new.version), *lines]
    return Upgrade(pending, tuple(told), texts, tuple(removed), new)


def apply_upgrade(root: Path, upgrade: Upgrade) -> None:
    """Write what an upgrade changes, the lock last: after a kill, another upgrade does the rest."""
    for path, text in upgrade.texts.items():
        write_text(root / path, text)
    for path in upgrade.removed:
        (root / path).unlink()
    write_lock(root, upgrade.lock)


def pinned_extras(root: Path) -> str:
    """Return the extras that ``pyproject.toml`` asks for, such as ``[pipeline]``, which is also the default."""
    pin = _PIN.search(_text(root / "pyproject.toml") or "")
    return "[pipeline]" if pin is None else pin["extras"] or ""


def _text(path: Path) -> str | None:
    """Return a file's text with Unix line ends; ``None`` where there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _pin(root: Path, version: str, lines: list[str]) -> dict[str, str]:
    name = "pyproject.toml"
    text = _text(root / name) or ""
    pinned = _PIN.sub(lambda match: f"pixmill{match['extras'] or ''}=={version}", text)
    if not _PIN.search(text):
        lines.append(f"{name} does not pin pixmill: add 'pixmill[pipeline]=={version}' to its dependencies")
    elif pinned != text:
        lines.append(f"Change: {name} now requires pixmill {version}")
        return {name: pinned}
    return {}


def _head(old: Lock, new: Lock) -> Iterator[str]:
    if old.version != new.version:
        back = " (a downgrade)" if Version(new.version) < Version(old.version) else ""
        yield f"pixmill {old.version} -> {new.version}{back}"
    if stages := other_stages(old, new):
        yield f"Will run again, since code or defaults changed: {', '.join(stages)}"
    elif old.version != new.version:
        yield "No stage runs again: code and defaults are the same"
    for name, version in new.libraries.items():
        if (was := old.libraries.get(name)) != version:
            yield f"Library: {name} {was or 'none'} -> {version}"


def _defaults(root: Path, schema: str) -> Iterator[str]:
    """Yield the defaults that differ, and whether the project depends on them."""
    try:
        old, new = _by_name(json.loads(_text(root / SCHEMA) or "")), _by_name(json.loads(schema))
    except (ValueError, LookupError, TypeError, AttributeError):
        yield f"Changed defaults are unknown: {SCHEMA} is missing or not valid"
        return
    content = parse_yaml(read_text(root / "params.yaml"))
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"Removed param: {name}"
        elif name not in old:
            yield f"New param: {name}, default {plain(new[name])}"
        elif old[name] != new[name]:
            own = " (params.yaml has its own value)" if has_key(content, name.partition("[]")[0]) else ""
            yield f"Default: {name} {plain(old[name])} -> {plain(new[name])}{own}"


def _refused(root: Path) -> Iterator[str]:
    try:
        load_params(root)
    except ParamsError as error:
        yield f"Edit params.yaml: {error.message}"


def _by_name(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults in a JSON Schema by dotted name, those of a list's items with brackets."""
    found: dict[str, Any] = {}

    def walk(section: Mapping[str, Any], prefix: str) -> None:
        for key, field in section.get("properties", {}).items():
            for part, name in ((field, f"{prefix}{key}"), (field.get("items", {}), f"{prefix}{key}[]")):
                if "$ref" in part:
                    walk(schema["$defs"][part["$ref"].rpartition("/")[2]], f"{name}.")
            leaves(f"{prefix}{key}", field)

    def leaves(name: str, field: Mapping[str, Any]) -> None:
        if isinstance(default := field.get("default", ...), Mapping) and default:
            for key, value in default.items():
                leaves(f"{name}.{key}", {"default": value})
        elif default is not ...:
            found[name] = default

    walk(schema, "")
    return found


def _changelog(old: str, new: str) -> Iterator[str]:
    """Yield the sections of the changelog between two versions."""
    low, high = sorted((Version(old), Version(new)))
    text = files("pixmill").joinpath("CHANGELOG.md").read_text(encoding="utf-8")
    for section in _SECTION.finditer(text):
        if low < Version(section["version"]) <= high:
            yield section[0].strip()
