"""Put a recipe in place of ``params.yaml``, lose no edit, and say what changed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import ParamsError
from pixmill.core.files.writing import write_text
from pixmill.core.params import Params, flat, parse_params, read_text
from pixmill.core.repository.git import git
from pixmill.project.recipes.preflight import Issue, find_issues
from pixmill.project.recipes.recipe import Recipe
from pixmill.scrape.sources import is_on_web


@dataclass(frozen=True)
class Replacement:
    """The outcome of ``pixmill use``.

    Args:
        recipe: The recipe's name.
        rewritten: Whether the file was another one.
        changes: Changed keys by dotted name, with the values before and after; a value that is not there is ``None``.
        backup: Where the former file lies, when Git does not have it.
        lacking: What is amiss with the local files that the params name.
        following: What to type next.
    """

    recipe: str
    rewritten: bool
    changes: dict[str, tuple[object, object]]
    backup: Path | None
    lacking: tuple[Issue, ...]
    following: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return what is printed."""
        lines = [f"  {name}: {_format_value(was)} -> {_format_value(now)}" for name, (was, now) in self.changes.items()]
        back = "git checkout params.yaml" if self.backup is None else f"cp {self.backup} params.yaml"
        if self.backup is not None:
            lines.append(f"To restore the previous file: {back}")
        if any(name.startswith("classes") for name in self.changes):
            lines.append(f"To keep your own classes and sources: {back} && pixmill use {self.recipe} --keep-data")
        return [*lines, *map(str, self.lacking), *(f"Next: {command}" for command in self.following)]


def use(root: Path, recipe: Recipe, *, keep_data: bool = False) -> Replacement:
    """Put a recipe in place of ``params.yaml``, whose section ``review`` stays as it is.

    A file that is not as the last commit has it is kept as a copy.

    Args:
        root: The project's folder.
        recipe: The recipe.
        keep_data: Whether what says which images there are, and in which part, stays as it is: only ``train`` and the
            form in which split packs images are the recipe's.

    Raises:
        ParamsError: The recipe or, where it is kept in part, the file is not sound.
    """
    path = root / "params.yaml"
    recipe.params()
    before = read_text(path) if path.exists() else None
    after = recipe.file(root) if before is None else recipe.with_compare_of(before).file(root)
    if keep_data and before is not None:
        parse_params(before)
        after = recipe.merge_into(before)
    now = parse_params(after)
    lacking = tuple(find_issues(root, now))
    following = ("pixmill check",) if any(issue.stops for issue in lacking) else _next_commands(now)
    if before == after:
        return Replacement(recipe.name, False, {}, None, lacking, following)
    backup = None
    if before is not None and git(root, "show", "HEAD:./params.yaml") != before:
        backup = Path(".pixmill") / "use" / f"params-{hashlib.sha256(before.encode()).hexdigest()[:8]}.yaml"
        write_text(root / backup, before)
    write_text(path, after)
    return Replacement(recipe.name, True, _changes(before, now), backup, lacking, following)


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


def _next_commands(params: Params) -> tuple[str, ...]:
    return (
        ("pixmill scrape --dry-run", "dvc repro")
        if any(is_on_web(name) for name in params.sources())
        else ("dvc repro",)
    )


def _format_value(value: object) -> str:
    return "(none)" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
