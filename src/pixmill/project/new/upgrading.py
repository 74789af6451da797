"""Adapt a project to the installed Pixmill, and list the changes."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from packaging.version import Version

from pixmill.core.errors import ParamsError, PixmillError
from pixmill.core.files.writing import write_bytes, write_text
from pixmill.core.install.origin import Origin, running_origin
from pixmill.core.params import flat, parse_params, parse_yaml, read_text
from pixmill.core.params.document import value_at
from pixmill.core.params.reference import plain
from pixmill.core.provenance.lock import (
    FILE,
    Lock,
    installed_lock,
    other_stages,
    read_lock,
    text_digest,
    write_lock,
)
from pixmill.core.repository.merging import add_drivers
from pixmill.project.new.supply import Supply, find_supply, supply_of
from pixmill.project.new.template import (
    SCHEMA,
    install_project,
    managed_files,
    project_names,
    render,
)

_PIN = re.compile(r"""(?P<quote>["'])pixmill(?P<extras>\[[^]"']*\])?\s*(==|@)[^"';]*(?P=quote)""")
_SECTION = re.compile(r"^## (?P<version>\d+\.\d+\.\d+)\b.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Upgrade:
    """Changes that adapt a project to another version.

    Args:
        pending: Whether anything changes.
        lines: Description of the changes.
        texts: Contents of files to write by path, in this order.
        removed: Files to delete.
        lock: New lock of the project.
        wheel: Content of the wheel at ``lock.origin``; ``None`` if it is unchanged.
    """

    pending: bool
    lines: tuple[str, ...]
    texts: Mapping[str, str]
    removed: tuple[str, ...]
    lock: Lock
    wheel: bytes | None = None


def plan_upgrade(root: Path) -> Upgrade:
    """Compute the changes that adapt a project to the installed Pixmill; nothing is written.

    A template file is rewritten or deleted only if it matches the digest in the lock. If it was
    edited, the new version is written to ``<file>.new``; if it was deleted, it stays deleted.

    Args:
        root: Project folder.

    Raises:
        PixmillError: ``pixmill.lock`` is missing or not valid.
    """
    old = read_lock(root)
    if old is None:
        raise PixmillError(
            (
                f"{root} has no {FILE}, which `pixmill new` writes and upgrades need, except for "
                "Pixmill's own repository"
            ),
            next=(
                f"git checkout {FILE} if it was deleted; else: pixmill new . (adds missing "
                "files, "
                "changes no other)"
            ),
        )
    new = installed_lock()
    supply = _supply(root, old, new)
    extras = project_extras(root) or "pipeline"
    rendered = render(*project_names(root), supply, extras)
    new = replace(
        new,
        template={path: text_digest(text) for path, text in managed_files(rendered).items()},
        origin=supply.origin,
        extras=extras,
    )
    texts: dict[str, str] = {}
    lines: list[str] = []
    # The schema comes last: it has the old defaults, which an upgrade after an interruption needs.
    for path in sorted(new.template, key=SCHEMA.__eq__):
        current = _text(root / path)
        was = old.template.get(path)
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
            lines.append(
                f"Keep your edited {path}: merge {path}.new into it, then delete {path}.new"
            )
    if kept := _keep_scrape(root, texts):
        lines.append(
            "Change: dvc.lock gets the new hash of stages/scrape.py, so that scrape does not run "
            "again"
        )
    texts = kept | texts  # dvc.lock first, in case of a kill before the script is written
    gone = {
        path: text
        for path in old.template
        if path not in rendered and (text := _text(root / path)) is not None
    }
    removed = [path for path, text in gone.items() if text_digest(text) == old.template[path]]
    place = root / supply.origin.text
    wheel = None if place.is_file() and place.read_bytes() == supply.wheel else supply.wheel
    if wheel is not None:
        lines.append(f"Add: {supply.origin.text}")
    if (
        old.origin not in (None, supply.origin)
        and old.origin.is_path
        and (root / old.origin.text).is_file()
    ):
        removed.append(old.origin.text)
    lines += [f"Remove: {path}" for path in removed]
    texts |= _pin(root, supply.origin, extras, lines)
    command = install_project(supply.origin, extras)
    if " -e ." in (readme := _text(root / "README.md") or "") and command not in readme:
        lines.append(f"README.md: the command that installs the project is now: {command}")
    pending = bool(texts or removed or wheel) or new != old
    summary = [*_head(old, new), *_defaults(root, rendered[SCHEMA]), *_describe_refusal(root)]
    summary += [*_changelog(old.version, new.version), *lines]
    return Upgrade(pending, tuple(summary), texts, tuple(removed), new, wheel)


def apply_upgrade(root: Path, upgrade: Upgrade) -> None:
    """Write the changes, the lock last; another upgrade completes an interrupted one."""
    if (lock := read_lock(root)) is not None and lock.extras != upgrade.lock.extras:
        write_lock(root, replace(lock, extras=upgrade.lock.extras))  # pyproject.toml may lose them
    if upgrade.wheel is not None and upgrade.lock.origin is not None:
        write_bytes(root / upgrade.lock.origin.text, upgrade.wheel)
    for path, text in upgrade.texts.items():
        write_text(root / path, text)
    for path in upgrade.removed:
        (root / path).unlink()
    add_drivers(root)
    write_lock(root, upgrade.lock)


def project_extras(root: Path) -> str:
    """Return the project's extras, such as ``pipeline,heic``, from ``pyproject.toml`` or else ``pixmill.lock``."""
    pins = [*_PIN.finditer(_text(root / "pyproject.toml") or "")]
    if not pins:
        return "pipeline" if (lock := read_lock(root)) is None else lock.extras
    names = (
        name for pin in pins for name in re.findall(r"[a-z0-9-]+", (pin["extras"] or "").lower())
    )
    return ",".join(dict.fromkeys(names))


def _supply(root: Path, old: Lock, new: Lock) -> Supply:
    """Return the origin of Pixmill; the project keeps its own if that is the same code as the running one.

    A local folder, editable checkout or package index does not replace a shared origin.
    """
    running = running_origin()
    is_local = running.from_index or (running.is_path and not Path(running.text).is_file())
    same = old.version == new.version and not other_stages(old, new)
    if old.origin is None or (old.origin.is_path and not (root / old.origin.text).is_file()):
        return find_supply()
    # uv does not record the hash of a URL.
    keeps = is_local or old.origin.text.partition("#")[0] == running.text.partition("#")[0]
    return supply_of(root, old.origin) if same and keeps else find_supply()


def _text(path: Path) -> str | None:
    """Return the text of a file; ``None`` if it does not exist."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _pin(root: Path, new: Origin, extras: str, lines: list[str]) -> dict[str, str]:
    """Return ``pyproject.toml`` with the new requirement, or without one if the project has a wheel."""
    name = "pyproject.toml"
    text = _text(root / name) or ""
    wanted = new.requirement(extras)

    def pin(match: re.Match[str]) -> str:
        return f"{match['quote']}{new.requirement((match['extras'] or '').strip('[]'))}{match['quote']}"

    if new.is_path:
        changed = re.sub(_PIN.pattern + r"\s*,?[ \t]*", "", text)
        required = f"no pixmill, which is {wanted}"
    else:
        changed = _PIN.sub(pin, text)
        required = new.requirement()
        if not _PIN.search(changed):
            lines.append(f"{name} does not pin pixmill: add '{wanted}' to its dependencies")
    if changed == text:
        return {}
    lines.append(f"Change: {name} now requires {required}")
    return {name: changed}


def _keep_scrape(root: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Return ``dvc.lock`` with the digest of the rewritten ``stages/scrape.py``, so that scrape does not run again."""
    script = "stages/scrape.py"
    lock = _text(root / "dvc.lock")
    if script not in texts or lock is None:
        return {}
    before, after = (
        ((root / script).read_bytes(), texts[script].encode())
        if (root / script).is_file()
        else (b"", b"")
    )
    entry = "path: {}\n      hash: md5\n      md5: {}\n      size: {}\n"
    old, new = (
        entry.format(script, hashlib.md5(each).hexdigest(), len(each))  # noqa: S324
        for each in (before, after)
    )
    return {"dvc.lock": lock.replace(old, new)} if old in lock else {}


def _head(old: Lock, new: Lock) -> Iterator[str]:
    if old.version != new.version:
        yield f"pixmill {old.version} -> {new.version}"
    if stages := other_stages(old, new):
        yield f"Will run again, because code or defaults changed: {', '.join(stages)}"
    elif old.version != new.version:
        yield "No stage runs again: code and defaults are the same"


def _defaults(root: Path, schema: str) -> Iterator[str]:
    """Yield the changed defaults, and whether the project overrides them."""
    old = _old_defaults(root)
    new = _by_name(json.loads(schema))
    if old is None:
        yield f"Changed defaults are unknown: {SCHEMA} is missing or not valid"
        return
    content = parse_yaml(read_text(root / "params.yaml"))
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"Removed param: {name}"
        elif name not in old:
            yield f"New param: {name}, default {plain(new[name])}"
        elif old[name] != new[name]:
            is_set = value_at(content, re.split(r"\.(?=\d)", name)[0], ...) is not ...
            own = " (params.yaml has its own value)" if is_set else ""
            yield f"Default: {name} {plain(old[name])} -> {plain(new[name])}{own}"


def _old_defaults(root: Path) -> dict[str, Any] | None:
    """Return the defaults in the project's schema; ``None`` if it is missing or not valid."""
    try:
        return _by_name(json.loads(_text(root / SCHEMA) or ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _describe_refusal(root: Path) -> Iterator[str]:
    try:
        parse_params(_text(root / "params.yaml") or "")
    except ParamsError as error:
        yield f"Edit params.yaml: {error.message}"


def _by_name(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a JSON Schema by dotted name."""
    sections = {
        name: field.get("default") or _properties(schema, field)
        for name, field in schema["properties"].items()
    }
    return flat({name: {} if section is None else section for name, section in sections.items()})


def _properties(schema: Mapping[str, Any], field: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of a section with a required key, which has no default as a whole."""
    section = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
    return {
        name: each["default"]
        for name, each in section.get("properties", {}).items()
        if "default" in each
    }


def _changelog(old: str, new: str) -> Iterator[str]:
    """Yield the sections of the changelog between two versions."""
    low, high = sorted((Version(old), Version(new)))
    text = files("pixmill").joinpath("CHANGELOG.md").read_text(encoding="utf-8")
    for section in _SECTION.finditer(text):
        if low < Version(section["version"]) <= high:
            yield section[0].strip()
