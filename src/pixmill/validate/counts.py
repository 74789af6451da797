"""The numbers of the stage, as a reviewer diffs them."""

from __future__ import annotations

from typing import Any

from pixmill.expectations import verdicts_by_name, warnings
from pixmill.validate.reasons import word
from pixmill.validate.validation import Validation

__all__ = ["metrics"]


def metrics(validation: Validation) -> dict[str, Any]:
    """Return what ``metrics/validate.json`` holds.

    Returns:
        ``n`` pictures, ``kept`` of them, ``dropped.<reason>``, ``class_counts.<label>`` (kept), ``gate.<expectation>``
        (whether it holds), ``near_duplicates.{pairs,groups,largest_group}`` among the kept, ``conflicts`` and
        ``placeholders`` (pictures, however many copies of each there are) and ``leaks`` that nobody has decided on, and
        ``warnings.<what>``.
    """
    manifest = validation.manifest
    dropped = manifest["reason"].dropna().map(word).value_counts()
    sizes = manifest["group"].value_counts()
    kinds = {str(kind): int(n) for kind, n in validation.repeated["kind"].value_counts().items()}
    return {
        "n": len(manifest),
        "kept": int((manifest["verdict"] == "keep").sum()),
        "dropped": {str(name): int(n) for name, n in dropped.items()},
        "class_counts": dict(zip(validation.classes["label"], validation.classes["n"].tolist(), strict=True)),
        "gate": verdicts_by_name(validation.outcomes),
        "near_duplicates": {
            "pairs": len(validation.pairs),
            "groups": int((sizes > 1).sum()),
            "largest_group": int(sizes.max()) if len(sizes) else 0,
        },
        "conflicts": kinds.get("conflict", 0),
        "placeholders": kinds.get("placeholder", 0),
        "leaks": validation.leaks["id"].nunique(),
        "warnings": {
            "decisions_not_followed": len(validation.review.powerless),
            "expectations_failed": len(warnings(validation.outcomes)),
            "near_duplicates_across_labels": len(validation.pairs_across_labels()),
        },
    }
