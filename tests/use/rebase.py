"""Give the recipes the comments and the order of ``params.yaml`` again: ``python -m tests.use.rebase``.

Run it after a key or a comment of ``params.yaml`` has changed. Values stay, and so do comments that begin with ``#:``;
a key that a recipe lacks comes with the value of ``params.yaml``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pixmill.use.entries import Entry, entries, text_of
from pixmill.use.recipe import OWN

ROOT = Path(__file__).resolve().parents[2]


def rebased(recipe: str, reference: str) -> str:
    """Return a recipe with the comments of the reference.

    Args:
        recipe: The recipe's text; it may lack keys.
        reference: A complete params file.
    """
    given = entries(recipe)
    parts: dict[str, Entry] = {}
    for place, (name, entry) in enumerate(entries(reference).items()):
        mine = given.get(name, entry)
        own = tuple(line for line in mine.above if line.lstrip().startswith(OWN))
        common = tuple(line for line in entry.above if not line.lstrip().startswith(OWN))
        parts[name] = replace(mine, above=(*own, *common) if place == 0 else (*common, *own))
    return text_of(parts)


def main() -> None:
    reference = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        path.write_text(rebased(path.read_text(encoding="utf-8"), reference), encoding="utf-8")


if __name__ == "__main__":
    main()
