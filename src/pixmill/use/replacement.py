"""Put a recipe in place of ``params.yaml``, lose no edit, and say what changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pixmill.errors import ParamsError
from pixmill.files import write_text
from pixmill.git import git
from pixmill.params import Params, flat, parse_params
from pixmill.use.entries import Entry, entries, text_of
from pixmill.use.recipe import Recipe, find_recipes

__all__ = ["Replacement", "use"]

_SHOWN = 30
"""So many changed keys are shown; a whole other project changes more than anybody reads."""

_PACKED = ("split.image_size", "split.aspect", "split.resize")
"""What a model sees of a picture; the other keys of split say which picture is in which part."""

_WEB = {"openverse", "wikimedia", "google", "bing", "yahoo", "duckduckgo", "amazon", "flipkart", "myntra"}


@dataclass(frozen=True)
class Replacement:
    """Hold what ``pixmill use`` did.

    Args:
        rewritten: Whether the file was another one.
        changes: Changed keys by dotted name, with the values before and after; a value that is not there is ``None``.
        backup: Where the former file lies, when Git does not have it.
        following: What to type next.
    """

    rewritten: bool
    changes: dict[str, tuple[object, object]]
    backup: Path | None
    following: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return what a person is told."""
        told = [f"  {name}: {_shown(was)} -> {_shown(now)}" for name, (was, now) in self.changes.items()]
        if len(told) > _SHOWN:
            told = [*told[:_SHOWN], f"  and {len(told) - _SHOWN} more"]
        if self.backup is not None:
            told.append(f"The former file is kept: cp {self.backup} params.yaml")
        return [*told, *(f"Next: {command}" for command in self.following)]


def use(root: Path, recipe: Recipe, *, keep_data: bool = False, force: bool = False) -> Replacement:
    """Put a recipe in place of ``params.yaml``.

    A file that is neither as Git has it nor a recipe as it came is somebody's work: it is replaced only by force, and
    a copy is kept.

    Args:
        root: The project's folder.
        recipe: The recipe.
        keep_data: Whether what says which pictures there are, and in which part, stays as it is: only ``train`` and the
            form in which split packs pictures are the recipe's.
        force: Whether an edited file is replaced too.

    Raises:
        ParamsError: The recipe or, where it is kept in part, the file is not sound; or the file is edited.
    """
    path = root / "params.yaml"
    recipe.params()
    before = path.read_text(encoding="utf-8") if path.exists() else None
    after = recipe.text
    if keep_data and before is not None:
        parse_params(before)
        after = _merged(before, recipe.text)
    now = parse_params(after)
    if before == after:
        return Replacement(False, {}, None, _following(root, now))
    backup = None
    if before is not None and not _safe(root, before):
        if not force:
            raise ParamsError(
                "params.yaml is edited, and Git does not have it as it is",
                next=f"git commit params.yaml, or: pixmill use {recipe.name} --force (a copy is kept)",
            )
        name = f"params-{hashlib.sha256(before.encode()).hexdigest()[:8]}.yaml"
        backup = Path(".pixmill") / "use" / name
        write_text(root / backup, before)
    write_text(path, after)
    return Replacement(True, _changes(before, now), backup, _following(root, now))


def _merged(before: str, recipe: str) -> str:
    """Return the file with the recipe's way to pack pictures and to train."""
    mine, theirs = entries(before), entries(recipe)
    training = {name: entry for name, entry in theirs.items() if _top(name) == "train"}
    parts: dict[str, Entry] = {}
    for name, entry in mine.items():
        if _top(name) != "train":
            parts[name] = entry.with_value_of(theirs[name]) if name in _PACKED else entry
        if name == "split":
            # What the file leaves out has a default, which need not be the recipe's.
            parts |= {packed: theirs[packed] for packed in _PACKED if packed not in mine}
        if name == "train":
            parts |= training
    return text_of(parts if "train" in mine else parts | training)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _safe(root: Path, text: str) -> bool:
    """Tell whether a text can be had again: Git has it as the last commit's file, or it is a recipe's."""
    if any(text in (recipe.text, _opened(recipe)) for recipe in find_recipes(root)):
        return True
    return git(root, "show", "HEAD:./params.yaml") == text


def _opened(recipe: Recipe) -> str | None:
    try:
        return recipe.opened().text
    except ParamsError:
        return None


def _changes(before: str | None, now: Params) -> dict[str, tuple[object, object]]:
    try:
        was = {} if before is None else flat(parse_params(before))
    except ParamsError:
        was = {}
    new = flat(now)
    return {
        name: (was.get(name), new.get(name))
        for name in dict.fromkeys((*was, *new))
        if was and was.get(name) != new.get(name)
    }


def _following(root: Path, params: Params) -> tuple[str, ...]:
    sources = {source for label in params.classes for source in params.scrape.sources_of(label)}
    if sources & _WEB:
        return ("pixmill scrape --dry-run", "dvc repro")
    if "folder" in sources:
        parts = ("train", "test") if params.scrape.folder.layout == "fixed" else ("",)
        lacking = [
            folder
            for part in parts
            for label in params.classes
            if not (root / (folder := "/".join(filter(None, ("data", part, label))))).is_dir()
        ]
        if lacking:
            return (f"put pictures into {', '.join(lacking[:3])}{', …' if len(lacking) > 3 else ''}", "dvc repro")
    return ("dvc repro",)


def _shown(value: object) -> str:
    text = "(none)" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
