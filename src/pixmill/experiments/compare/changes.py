"""Find changed params, stages, packages and commits between two revisions."""

import contextlib
import functools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pixmill.core import decisions, review_csv
from pixmill.core.errors import DecisionsError, ParamsError, PixmillError
from pixmill.core.params import Params, flat, parse_params, parse_yaml
from pixmill.core.provenance.lock import FILE, parse_lock
from pixmill.core.repository.git import git
from pixmill.core.review_csv import rows_of
from pixmill.core.spellings import resolve
from pixmill.core.words import printable
from pixmill.experiments.compare.comparison import Change, Changes, Revision

_MAX_COMMITS = 50

_DECISIONS = (decisions.FILE, review_csv.FILE)
"""The table of decisions, and that of earlier versions."""

_Pins = dict[str, str]
"""Versions of packages by name."""

_Values = Mapping[str, Any]
"""Values by dotted name; or, by key, those of a stage in ``dvc.lock``."""

_Versions = Sequence[str | None]
"""Versions of Pixmill of base and head, if known."""

_HASH = re.compile(r"[0-9a-f]{7,64}")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]\n]*\])? *== *([^\s;\\#,]+)", re.MULTILINE)


def find_changes(base: Revision, head: Revision, root: Path) -> Changes:
    """Return all changes except those of data and results.

    A list is empty if one revision lacks the file it depends on: ``dvc.lock`` for stages,
    ``requirements.txt`` for packages, ``pixmill.lock`` for Pixmill. There are no commits if one of
    the two is unknown or not in this clone.

    Args:
        base: Revision to compare with.
        head: Revision under review.
        root: Folder of the project.

    Returns:
        Params and packages by name, stages in the order of ``dvc.lock``, and the newest 50 commits.
        Versions of a package for different platforms are one value, such as ``2.4.6, 2.5.5``.
    """
    versions = [_version(each) for each in (base, head)]
    return Changes(
        params=find_changed_params(base, head),
        stages=_find_stages(base, head, root, versions) if base.lock and head.lock else {},
        packages=_packages(base, head, versions),
        commits=_commits(root, base.commit, head.commit),
    )


def find_changed_params(base: Revision, head: Revision) -> tuple[Change, ...]:
    """Return the params that differ, by name; none if a revision has no ``params.yaml``.

    Defaults are those of the version that recorded a run, otherwise of the installed version. If
    the installed version rejects a file, only the values written in both files are compared.

    Args:
        base: Revision to compare with.
        head: Revision under review.
    """
    if base.params is None or head.params is None:
        return ()
    before = _resolved(base)
    after = _resolved(head)
    if before is not None and after is not None:
        return _different(before, after)
    with contextlib.suppress(ParamsError):
        return _different(_plain(base.params), _plain(head.params))
    return ()


def resolve_params(resolved: str | None, params: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return all params of a revision by name, and the names of those that its model does not use.

    If the installed version rejects the file, the values are those written in it, and all count as
    used.

    Args:
        resolved: Text of ``params.json``; only a run has one.
        params: Text of ``params.yaml``.
    """
    text = (params if resolved is None else resolved) or ""
    try:
        return list_params(parse_params(text))
    except ParamsError:
        with contextlib.suppress(ParamsError):
            return _plain(text), []
        return {}, []


def list_params(params: Params) -> tuple[dict[str, Any], list[str]]:
    """Return all params by name, and the names of those that the model does not use."""
    # Slow to import, and needed only by a ranking.
    from pixmill.train.training_key import deciding_params

    values = flat(params)
    used = {f"train.{name}" for name in deciding_params(params.train)}
    return values, [name for name in values if name.startswith("train.") and name not in used]


def _resolved(revision: Revision) -> _Values | None:
    """Return all params of a revision; ``None`` if the installed version rejects its files."""
    return next(filter(None, map(_parse, filter(None, (revision.resolved, revision.params)))), None)


@functools.lru_cache(maxsize=4)
def _parse(text: str) -> _Values | None:
    try:
        return flat(parse_params(text))
    except ParamsError:
        return None


def _plain(text: str) -> dict[str, Any]:
    content = parse_yaml(text)
    return flat(content) if isinstance(content, dict) else {}


def _different(base: _Values, head: _Values) -> tuple[Change, ...]:
    names = sorted(name for name in {*base, *head} if base.get(name) != head.get(name))
    changes = [Change(name, base.get(name), head.get(name)) for name in names]
    # Skip a section that is empty in one revision if its keys in the other are listed.
    sections = {name[: dot.start()] for name in names for dot in re.finditer(r"\.", name)}
    return tuple(
        change for change in changes if change.base or change.head or change.name not in sections
    )


def _find_stages(
    base: Revision, head: Revision, root: Path, versions: _Versions
) -> dict[str, list[str]]:
    """Return why stages ran; the same decisions in the other file are no reason."""
    changes = _stages(base.lock, head.lock, versions)
    moved = [_describe_path(name) for name in _DECISIONS]
    if not any({*moved} <= {*reasons} for reasons in changes.values()):
        return changes
    kept = [] if _read_decisions(base, root) == _read_decisions(head, root) else moved[:1]
    for stage, reasons in changes.items():
        if {*moved} <= {*reasons}:
            others = [reason for reason in reasons if reason not in moved]
            changes[stage] = [*others, *kept] or ["the form of the decisions"]
    return changes


def _read_decisions(revision: Revision, root: Path) -> set[tuple[str, ...]]:
    """Return image, label, answer and split of each row, in either form; none if they are malformed."""
    rows: list[decisions.Row] = []
    for name in _DECISIONS:
        text = (revision.read(name) or b"").decode("utf-8", "replace")
        with contextlib.suppress(DecisionsError):
            rows += rows_of(text)
    ids = resolve(root, {row.image for row in rows})
    return {(row.image, row.label, row.answer, row.split) for row in decisions.with_ids(rows, ids)}


def _stages(base: _Values, head: _Values, versions: _Versions) -> dict[str, list[str]]:
    found = {}
    for name in (*head, *(name for name in base if name not in head)):
        if name not in base:
            found[name] = ["new stage"]
        elif name not in head:
            found[name] = ["stage removed"]
        elif reasons := _reasons(name, base[name], head[name], versions):
            found[name] = reasons
    return found


def _reasons(stage: str, base: _Values, head: _Values, versions: _Versions) -> list[str]:
    """Return the reasons why a stage ran: its changed dependencies."""
    reasons = []
    if base.get("cmd") != head.get("cmd"):
        reasons.append("command")
    before = base.get("params", {})
    after = head.get("params", {})
    own = ("params.yaml", FILE)
    for file in sorted({**before, **after}, key=own.__contains__, reverse=True):
        changed = _different(flat(before.get(file, {})), flat(after.get(file, {})))
        if file == FILE and changed:
            reasons.append(f"code of {stage}{_describe_upgrade(versions)}")
        elif file == "params.yaml":
            reasons += [f"param {change.name}" for change in changed]
        else:
            reasons += [f"param {change.name} in {file}" for change in changed]
    reasons += [_describe_path(path) for path in _different_files(base, head, "deps")]
    if not reasons and _different_files(base, head, "outs"):
        return ["other results from the same inputs"]
    return reasons


def _describe_upgrade(versions: _Versions) -> str:
    """Return both versions of Pixmill in parentheses, after a space.

    Empty if they are equal or unknown.
    """
    old, new = versions
    if not old or not new or old == new:
        return ""
    return f" (pixmill {old} \N{RIGHTWARDS ARROW} {new})"


def _different_files(base: _Values, head: _Values, kind: str) -> list[str]:
    first = _files(base, kind)
    second = _files(head, kind)
    return [path for path in {**second, **first} if first.get(path) != second.get(path)]


def _files(stage: _Values, kind: str) -> dict[str, Any]:
    """Return the hash of each file by path, or its entry without one."""
    return {item["path"]: item.get("md5") or {**item} for item in stage.get(kind, ())}


def _describe_path(path: str) -> str:
    top, _, rest = path.partition("/")
    if top in ("src", "stages"):
        return f"code {path}"
    if top == "artifacts" and rest:
        return f"results of {rest.partition('/')[0]}"
    if path in _DECISIONS:
        return f"decisions in {path}"
    return "images in data/" if path == "data" else f"file {path}"


def _version(revision: Revision) -> str | None:
    """Return the version of Pixmill in ``pixmill.lock``; ``None`` without a valid one."""
    with contextlib.suppress(PixmillError):
        return parse_lock((revision.read(FILE) or b"").decode("utf-8", "replace")).version
    return None


def _packages(base: Revision, head: Revision, versions: _Versions) -> tuple[Change, ...]:
    pins = [_pins(each.read("requirements.txt")) for each in (base, head)]
    found = pins if all(pins) else [{}, {}]
    if all(versions):
        # The line of a wheel in the project has no version.
        found = [
            {**each, "pixmill": str(version)} for each, version in zip(found, versions, strict=True)
        ]
    return _different(*found)


def _pins(content: bytes | None) -> _Pins:
    from packaging.utils import canonicalize_name

    pins = defaultdict(list)
    for name, version in _PIN.findall((content or b"").decode("utf-8", "replace")):
        pins[canonicalize_name(name)].append(version)
    return {name: ", ".join(versions) for name, versions in pins.items()}


def _commits(root: Path, base: str | None, head: str | None) -> tuple[tuple[str, str], ...]:
    if not all(commit and _HASH.fullmatch(commit) for commit in (base, head)):
        return ()  # The commit of a run in MLflow may be any text.
    arguments = (
        "log",
        "-z",
        f"--max-count={_MAX_COMMITS}",
        "--no-show-signature",
        "--format=%h %<(200,trunc)%s",
    )
    found = git(root, *arguments, f"{base}..{head}", "--") or ""
    # Replace control characters and invalid Unicode.
    lines = (
        printable(line, instead="\N{REPLACEMENT CHARACTER}") for line in found.split("\0") if line
    )
    parts = (line.partition(" ") for line in lines)
    return tuple((abbreviated, subject.rstrip()) for abbreviated, _, subject in parts)
