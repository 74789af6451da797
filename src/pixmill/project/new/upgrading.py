"""Adapt a project to the installed Pixmill, and list the changes."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from packaging.version import Version

from pixmill.core.decided_cells import written_task
from pixmill.core.errors import ParamsError, PixmillError
from pixmill.core.files.writing import read_if_any, write_bytes, write_text
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
from pixmill.core.repository.git import change
from pixmill.core.repository.merging import add_drivers
from pixmill.core.review_csv import FILE as REVIEW
from pixmill.project.new.converting import is_unresolved, plan_conversion
from pixmill.project.new.supply import Supply, find_supply, supply_of
from pixmill.project.new.template import (
    SCHEMA,
    install_project,
    lock_of,
    project_names,
    render,
)

_PIN = re.compile(r"""(?P<quote>["'])pixmill(?P<extras>\[[^]"']*\])?\s*(==|@)[^"';]*(?P=quote)""")
_SECTION = re.compile(r"^## (?P<version>\d+\.\d+\.\d+)\b.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass
class Upgrade:
    """Changes that adapt a project to another version.

    Args:
        lock: New lock of the project; ``None`` without one, as in Pixmill's own repository.
        lines: Description of the changes.
        texts: Contents of files to write by path, in this order.
        removed: Files to delete after that.
        wheel: Content of the wheel at ``lock.origin``; ``None`` if it is unchanged.
        pending: Whether anything changes.
    """

    lock: Lock | None = None
    lines: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    wheel: bytes | None = None
    pending: bool = False


def plan_upgrade(root: Path) -> Upgrade:
    """Compute the changes that adapt a project to the installed Pixmill; nothing is written.

    A template file is rewritten or deleted only if it matches the digest in the lock. If it was
    edited, the new version is written to ``<file>.new``; if it was deleted, it stays deleted.
    Decisions of earlier versions become rows of ``decisions.csv``, and edited files name it.

    Args:
        root: Project folder.

    Raises:
        PixmillError: ``pixmill.lock`` is missing or not valid, or decisions cannot be converted.
    """
    old = read_lock(root)
    if old is None:
        return _plan_without_lock(root)
    supply = _supply(root, old, installed_lock())
    extras = project_extras(root) or "pipeline"
    rendered = render(*project_names(root), supply, extras, task=written_task(root))
    new = lock_of(rendered, supply, extras)
    upgrade = Upgrade(new)
    _plan_template(root, old, new, rendered, upgrade)
    _keep_scrape(root, upgrade)
    _plan_removals(root, old, rendered, upgrade)
    _plan_wheel(root, old, supply, upgrade)
    _pin(root, supply.origin, extras, upgrade)
    _plan_conversion(root, upgrade)
    command = install_project(supply.origin, extras)
    readme = read_if_any(root / "README.md") or ""
    if " -e ." in readme and command not in readme:
        upgrade.lines.append(f"README.md: the command that installs the project is now: {command}")
    upgrade.pending = bool(upgrade.texts or upgrade.removed or upgrade.wheel) or new != old
    upgrade.lines = [
        *_head(old, new),
        *_defaults(root, rendered[SCHEMA]),
        *_describe_refusal(root),
        *_changelog(old.version, new.version),
        *upgrade.lines,
    ]
    return upgrade


def apply_upgrade(root: Path, upgrade: Upgrade) -> None:
    """Write the changes, the lock last; another upgrade completes an interrupted one."""
    new = upgrade.lock
    old = read_lock(root)
    if old is not None and new is not None and old.extras != new.extras:
        write_lock(root, replace(old, extras=new.extras))  # pyproject.toml may lose them
    if upgrade.wheel is not None and new is not None and new.origin is not None:
        write_bytes(root / new.origin.text, upgrade.wheel)
    for path, text in upgrade.texts.items():
        write_text(root / path, text)
    for path in upgrade.removed:
        (root / path).unlink()
    if is_unresolved(root):
        change(root, "rm", "-q", "--cached", "--", REVIEW)
    add_drivers(root)
    if new is not None:
        write_lock(root, new)


def _plan_without_lock(root: Path) -> Upgrade:
    """Plan the conversion of decisions alone.

    Raises:
        PixmillError: There is nothing to convert.
    """
    upgrade = Upgrade()
    _plan_conversion(root, upgrade)
    upgrade.pending = bool(upgrade.texts or upgrade.removed)
    if upgrade.pending:
        return upgrade
    raise PixmillError(
        f"{root} has no {FILE}, which `pixmill new` writes and upgrades need, except for "
        "Pixmill's own repository",
        next=f"git checkout {FILE} if it was deleted; else: pixmill new . (adds missing files, "
        "changes no other)",
    )


def _plan_template(
    root: Path, old: Lock, new: Lock, rendered: Mapping[str, str], upgrade: Upgrade
) -> None:
    """Plan the files of the template."""
    # The schema comes last: it has the old defaults, which an upgrade after an interruption needs.
    for path in sorted(new.template, key=SCHEMA.__eq__):
        current = read_if_any(root / path)
        was = old.template.get(path)
        if current is None and was is None:
            upgrade.texts[path] = rendered[path]
            upgrade.lines.append(f"Add: {path}")
        elif current is None or current == rendered[path]:
            continue
        elif text_digest(current) == was:
            upgrade.texts[path] = rendered[path]
            upgrade.lines.append(f"Rewrite: {path}")
        elif new.template[path] != was:
            upgrade.texts[f"{path}.new"] = rendered[path]
            upgrade.lines.append(
                f"Keep your edited {path}: merge {path}.new into it, then delete {path}.new"
            )


def _plan_removals(root: Path, old: Lock, rendered: Mapping[str, str], upgrade: Upgrade) -> None:
    """Plan the removal of unedited files that the template no longer has."""
    for path in old.template:
        text = read_if_any(root / path)
        if path not in rendered and text is not None and text_digest(text) == old.template[path]:
            upgrade.removed.append(path)
            upgrade.lines.append(f"Remove: {path}")


def _plan_wheel(root: Path, old: Lock, supply: Supply, upgrade: Upgrade) -> None:
    """Plan the wheel of the project, and the removal of its old one."""
    name = supply.origin.text
    place = root / name
    if supply.wheel is not None and not (place.is_file() and place.read_bytes() == supply.wheel):
        upgrade.wheel = supply.wheel
        upgrade.lines.append(f"Add: {name}")
    before = old.origin
    if before is None or before == supply.origin or not before.is_path:
        return
    if (root / before.text).is_file():
        upgrade.removed.append(before.text)
        upgrade.lines.append(f"Remove: {before.text}")


def _plan_conversion(root: Path, upgrade: Upgrade) -> None:
    """Plan the conversion of decisions, whose rows are written first."""
    conversion = plan_conversion(root, upgrade.texts)
    upgrade.texts = {**conversion.texts, **upgrade.texts}
    upgrade.removed += conversion.removed
    upgrade.lines += conversion.lines


def project_extras(root: Path) -> str:
    """Return the project's extras, such as ``pipeline,heic``; ``pyproject.toml`` comes first."""
    pins = [*_PIN.finditer(read_if_any(root / "pyproject.toml") or "")]
    if not pins:
        return "pipeline" if (lock := read_lock(root)) is None else lock.extras
    names = (
        name for pin in pins for name in re.findall(r"[a-z0-9-]+", (pin["extras"] or "").lower())
    )
    return ",".join(dict.fromkeys(names))


def _supply(root: Path, old: Lock, new: Lock) -> Supply:
    """Return the origin of Pixmill; a project keeps its own if that is the running code.

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


def _pin(root: Path, new: Origin, extras: str, upgrade: Upgrade) -> None:
    """Plan ``pyproject.toml`` with the new requirement, or without one if there is a wheel."""
    name = "pyproject.toml"
    text = read_if_any(root / name) or ""
    wanted = new.requirement(extras)

    def pin(match: re.Match[str]) -> str:
        requirement = new.requirement((match["extras"] or "").strip("[]"))
        return f"{match['quote']}{requirement}{match['quote']}"

    if new.is_path:
        changed = re.sub(_PIN.pattern + r"\s*,?[ \t]*", "", text)
        required = f"no pixmill, which is {wanted}"
    else:
        changed = _PIN.sub(pin, text)
        required = new.requirement()
        if not _PIN.search(changed):
            upgrade.lines.append(f"{name} does not pin pixmill: add '{wanted}' to its dependencies")
    if changed != text:
        upgrade.texts[name] = changed
        upgrade.lines.append(f"Change: {name} now requires {required}")


def _keep_scrape(root: Path, upgrade: Upgrade) -> None:
    """Put the digest of the rewritten script into ``dvc.lock``: scrape does not run again."""
    script = "stages/scrape.py"
    lock = read_if_any(root / "dvc.lock")
    if script not in upgrade.texts or lock is None or not (root / script).is_file():
        return
    entry = "path: {}\n      hash: md5\n      md5: {}\n      size: {}\n"
    old, new = (
        entry.format(script, hashlib.md5(each).hexdigest(), len(each))  # noqa: S324
        for each in ((root / script).read_bytes(), upgrade.texts[script].encode())
    )
    if old in lock:
        # Before the script, in case of a kill.
        upgrade.texts = {"dvc.lock": lock.replace(old, new), **upgrade.texts}
        upgrade.lines.append(
            "Change: dvc.lock gets the new hash of stages/scrape.py, so that scrape does not run "
            "again"
        )


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
        return _by_name(json.loads(read_if_any(root / SCHEMA) or ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _describe_refusal(root: Path) -> Iterator[str]:
    try:
        parse_params(read_if_any(root / "params.yaml") or "")
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
