"""What checks tell a person: how many, of which class, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pixmill.expectations import Result, Tell

__all__ = [
    "absent",
    "conflicts",
    "leaks",
    "per_class",
    "pictures",
    "placeholders",
    "restore",
    "share",
    "undeclared",
    "unlike",
]

_CLASSES = 5
"""Classes that one line names, those with the most offenders first."""


def share(phrase: str, column: str, bad: Callable[[pd.Series[Any]], pd.Series[bool]]) -> Tell:
    """Return a tell of a share: how many are as they must be, and how many are not in which class.

    Args:
        phrase: What the good ones are or do (``readable pictures are at least 32 pixels wide``).
        column: What is looked at; what is absent is not, except where absence is what is looked for.
        bad: Tells which values of it are not as they must be.
    """

    def tell(result: Result, rows: pd.DataFrame) -> list[str]:
        total = result["element_count"] - result.get("missing_count", 0)
        good = total - result["unexpected_count"]
        text = f"{good:,} of {total:,} {phrase}" + (f" (a share of {good / total:.3g})" if total else "")
        return [text + (f"; not so {_offenders(rows, column, bad)}" if good < total else "")]

    return tell


def _offenders(rows: pd.DataFrame, column: str, bad: Callable[[pd.Series[Any]], pd.Series[bool]]) -> str:
    failing = bad(rows[column]).fillna(False).astype(bool)
    looked_at = rows[column].notna() | failing
    # A word of its own for what has no label; no class can have it, since a class is not empty.
    labels = rows["label"].fillna("").astype(object)
    counts = pd.DataFrame({"bad": labels[failing].value_counts()}).rename_axis("name")
    counts = counts.assign(all=labels[looked_at].value_counts()).reset_index()
    counts = counts.sort_values(["bad", "name"], ascending=[False, True])
    told = [
        f"{bad:,} of {of:,} " + (f"in class '{label}'" if label else "without one label")
        for bad, of, label in counts[["bad", "all", "name"]].head(_CLASSES).itertuples(index=False)
    ]
    more = len(counts) - len(told)
    return ", ".join(told) + (f" and some in {more:,} more" if more > 0 else "")


def absent(nothing: str, sentences: Callable[[pd.DataFrame], Iterable[str]], column: str) -> Tell:
    """Return a tell of findings that should not be there.

    Args:
        nothing: What is said where there are none.
        sentences: What is said of the rows that have one.
        column: Where findings stand; null elsewhere.
    """
    return lambda _, rows: list(sentences(rows[rows[column].notna()])) or [nothing]


def conflicts(rows: pd.DataFrame) -> list[str]:
    """Say how many pictures came under which labels."""
    return [f"{pictures(n)} came under several labels: {labels}" for labels, n in _counts(rows["conflict"])]


def placeholders(rows: pd.DataFrame) -> list[str]:
    """Name every placeholder, by the first digits of its id."""
    ordered = rows.sort_values(["addresses", "id"], ascending=[False, True])
    return [f"picture {name[:12]} {text}" for name, text in zip(ordered["id"], ordered["placeholder"], strict=True)]


def leaks(rows: pd.DataFrame) -> list[str]:
    """Say of how many pictures of a class lie in which parts, and where one of them does."""
    counts = rows.groupby(["label", "leak"], as_index=False).agg(n=("id", "size"), places=("leak_places", "first"))
    return [
        f"{pictures(n)} of class '{label}' lie{'s' if n == 1 else ''} in {parts} of the given split, such as {places}"
        for label, parts, n, places in counts.itertuples(index=False)
    ]


def unlike(_: Result, pairs: pd.DataFrame) -> list[str]:
    """Say how many near-duplicates carry which two labels."""
    across = pairs[pairs["label_a"] != pairs["label_b"]]
    labels = (sorted(pair) for pair in zip(across["label_a"], across["label_b"], strict=True))
    both = pd.Series([f"'{one}' and '{other}'" for one, other in labels], dtype=object)
    told = [
        f"{n:,} pair{'' if n == 1 else 's'} of near-duplicates carr{'ies' if n == 1 else 'y'} the labels {text}"
        for text, n in _counts(both)
    ]
    return told or ["no near-duplicates carry different labels"]


def undeclared(classes: Sequence[str]) -> Tell:
    """Return a tell of the labels that are not among the classes."""

    def tell(_: Result, rows: pd.DataFrame) -> list[str]:
        labels = rows["label"].dropna()
        counts = labels[~labels.isin(list(classes))].value_counts().sort_index()
        return [f"{pictures(n)} came with the label '{label}'" for label, n in counts.items()] or [
            "no picture came with another label"
        ]

    return tell


def per_class(sentence: Callable[[Mapping[str, Any], Mapping[str, Any]], str]) -> Tell:
    """Return a tell with one line a class that fails.

    Args:
        sentence: Returns it, of the class's row and that of the largest class.
    """

    def tell(result: Result, classes: pd.DataFrame) -> list[str]:
        rows: dict[str, Any] = {row["label"]: row for row in classes.to_dict("records")}
        largest = max(rows.values(), key=lambda row: row["n"])
        short = [rows[item["label"]] for item in result.get("unexpected_index_list") or []]
        # Where all is well the smallest class shows how well.
        return [sentence(row, largest) for row in short or [min(rows.values(), key=lambda row: row["n"])]]

    return tell


def restore(_: Result, rows: pd.DataFrame) -> str | None:
    """Say how to bring back files that the manifest knows, where they are gone or others now."""
    missing, changed = (int((rows["failure"] == word).sum()) for word in ("missing_file", "changed_bytes"))
    if not missing + changed:
        return None
    count = f"{missing + changed:,} file{'' if missing + changed == 1 else 's'}"
    what = "missing" if not changed else "changed" if not missing else "missing or changed"
    # Without force DVC leaves a changed file alone.
    return (
        f"{count} of artifacts/scrape {'is' if missing + changed == 1 else 'are'} {what}: "
        f"dvc checkout {'--force ' if changed else ''}artifacts/scrape brings back what was there, "
        "dvc repro -f scrape fetches it anew"
    )


def _counts(texts: pd.Series[Any]) -> list[tuple[str, int]]:
    """Return different texts, the most frequent first, of equals by name."""
    counts = texts.value_counts()
    return sorted(((str(text), int(n)) for text, n in counts.items()), key=lambda item: (-item[1], item[0]))


def pictures(count: int) -> str:
    """Return a number of pictures in words."""
    return f"{count:,} picture{'' if count == 1 else 's'}"
