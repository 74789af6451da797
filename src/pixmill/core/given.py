"""What became of the test images of a predefined split: how many were given, how many are left, and why."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["given_test", "given_test_rows", "shrinkage"]


def given_test_rows(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the images that people put into test, kept or not; each different file is one.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`.
    """
    return manifest[(manifest["given_split"] == "test").fillna(False)]


def given_test(manifest: pd.DataFrame) -> dict[str, Any]:
    """Return how many test images were ``given``, how many are ``kept``, and ``dropped.<reason>``, the most first.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`.

    Returns:
        Nothing where no test images were given.
    """
    rows = given_test_rows(manifest)
    reasons = rows["reason"].dropna().astype(object)
    words = reasons.map(lambda reason: reason.partition(":")[0]).value_counts()
    dropped = {str(word): int(n) for word, n in sorted(words.items(), key=lambda item: (-item[1], item[0]))}
    return {"given": len(rows), "kept": len(rows) - len(reasons), "dropped": dropped} if len(rows) else {}


def shrinkage(found: dict[str, Any]) -> str:
    """Return in words how a given test set shrank; empty where it did not, or none was given.

    >>> shrinkage({"given": 3000, "kept": 2997, "dropped": {"label_conflict": 2, "too_small": 1}})
    '3,000 given test images became 2,997: 3 dropped (label conflict 2, too small 1)'

    Args:
        found: What :func:`given_test` returns.
    """
    if not found or found["given"] == found["kept"]:
        return ""
    given, kept = found["given"], found["kept"]
    reasons = ", ".join(f"{word.replace('_', ' ')} {n:,}" for word, n in found["dropped"].items())
    images = f"{given:,} given test image{'' if given == 1 else 's'}"
    return f"{images} became {kept:,}: {given - kept:,} dropped ({reasons})"
