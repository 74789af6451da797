"""Put a recipe into ``params.yaml``, keeping a copy of uncommitted edits."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import ParamsError
from pixmill.core.files.writing import write_text
from pixmill.core.params import Params, flat, parse_params, read_text
from pixmill.core.params.reference import plain
from pixmill.core.repository.git import git
from pixmill.project.recipes.preflight import Issue, find_issues
from pixmill.project.recipes.recipe import Recipe
from pixmill.scrape.sources.source_list import is_on_web


@dataclass(frozen=True)
class Replacement:
    """The outcome of ``pixmill use``.

    Args:
        recipe: Name of the recipe.
        rewritten: Whether the file changed.
        changes: Old and new value of each changed key by dotted name; ``None`` for an absent value.
        backup: Copy of the previous file, if Git does not have it.
        kept: Whether the file keeps classes that are not those of the recipe.
        issues: Issues of the new params with local files.
        following: Commands to run next.
    """

    recipe: str
    rewritten: bool
    changes: dict[str, tuple[object, object]]
    backup: Path | None
    kept: bool
    issues: tuple[Issue, ...]
    following: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the lines to print."""
        lines = [
            f"  {name}: {plain(was)} -> {plain(now)}" for name, (was, now) in self.changes.items()
        ]
        if self.backup is not None:
            lines.append(f"To restore the previous file: cp {self.backup} params.yaml")
        if self.kept:
            lines.append(
                "Your classes, sources and splits stay. To replace them, too: pixmill use "
                f"{self.recipe} --all"
            )
        return [*lines, *map(str, self.issues), *(f"Next: {command}" for command in self.following)]


def use(root: Path, recipe: Recipe, *, full: bool = False) -> Replacement:
    """Put the model of a recipe into ``params.yaml``, or all of it if that file is missing.

    Args:
        root: Project folder.
        recipe: The recipe.
        full: Whether to replace all of ``params.yaml``, with classes and sources, except its
            section ``compare`` and the hosts, authors and images that ``scrape`` excludes.

    Raises:
        ParamsError: The recipe, or the file if it is kept in part, is not valid.
    """
    path = root / "params.yaml"
    content = recipe.params()
    before = read_text(path) if path.exists() else None
    if before is None:
        after = recipe.file(root)
    else:
        after = recipe.with_limits_of(before).file(root) if full else recipe.merge_into(before)
    now = parse_params(after)
    kept = now.classes != content.classes
    issues = tuple(find_issues(root, now))
    following = (
        ("pixmill scrape --dry-run", "dvc repro")
        if any(map(is_on_web, now.sources()))
        else ("dvc repro",)
    )
    if any(issue.stops for issue in issues):
        following = ("pixmill doctor --quick",)
    backup = None
    rewritten = before != after
    if rewritten and before is not None and git(root, "show", "HEAD:./params.yaml") != before:
        backup = (
            Path(".pixmill")
            / "use"
            / f"params-{hashlib.sha256(before.encode()).hexdigest()[:8]}.yaml"
        )
        write_text(root / backup, before)
    if rewritten:
        write_text(path, after)
    return Replacement(
        recipe.name, rewritten, _changes(before, now), backup, kept, issues, following
    )


def _changes(before: str | None, now: Params) -> dict[str, tuple[object, object]]:
    try:
        was = flat(parse_params(before or ""))
        new = flat(now)
    except ParamsError:
        return {}
    names = dict.fromkeys((*was, *new))
    return {
        name: (was.get(name), new.get(name)) for name in names if was.get(name) != new.get(name)
    }
