"""Which labels of published lists stand for which class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pixmill.errors import DataError

__all__ = ["Names", "Wanted", "wanted_labels"]

Names = Mapping[str, frozenset[str]]
"""The labels that go by a name, by the name in small letters: ``{"cat": {"/m/01yrx"}}``."""

Wanted = dict[str, list[str]]
"""The classes that a label stands for."""


def wanted_labels(classes: Sequence[str], given: Mapping[str, Sequence[str]], names: Names) -> Wanted:
    """Return the labels that are looked for.

    Args:
        classes: The classes.
        given: What the lists call a class; a class that is not in it goes by its own name.
        names: What the lists say that their labels mean.

    Raises:
        DataError: A name has several labels: "crane" is a bird, and a machine.
    """
    wanted: Wanted = {}
    for label in classes:
        for text in given.get(label, [label]):
            meant = names.get(text.casefold(), frozenset())
            if len(meant) > 1:
                raise DataError(
                    f"the lists of scrape.urls have several labels for '{text}': {', '.join(sorted(meant))}",
                    next=f"say in scrape.urls.classes.{label} in params.yaml which of them are meant",
                )
            for found in sorted({text} | meant):
                into = wanted.setdefault(found, [])
                if label not in into:
                    into.append(label)
    return wanted
