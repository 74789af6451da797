"""A comparison as plain values, terminal text, and Markdown for a pull request."""

from __future__ import annotations

import functools
import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from pixmill.core.cells import show_cells
from pixmill.core.files.writing import json_text
from pixmill.core.params.compare import METRICS
from pixmill.core.words import printable, shorten
from pixmill.experiments.compare.comparison import (
    LOWER_IS_BETTER,
    Change,
    Changes,
    Comparison,
    DataDifference,
    Numbers,
    Revision,
)
from pixmill.experiments.compare.image_changes import CHANGES
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.metrics.significance import Difference
from pixmill.pages.page import make_environment, render_text
from pixmill.validate.reasons import word

if TYPE_CHECKING:
    import jinja2


RECORDED = ("accuracy", "macro_f1", "log_loss", "ece", "n")
"""Metrics of each revision's own test split, shown if the two cannot be compared by image."""

_FACTS = ("n", "clusters", "metric", "margin", "confidence", "remark", "cross_validated")
"""Fields of :class:`pixmill.experiments.compare.comparison.Numbers` that are plain values."""

Document = dict[str, Any]
"""A JSON object, or one within it."""

ImageRow = dict[Any, Any]

MAX_BYTES = 64_000
"""Size of the Markdown; GitHub rejects a comment of more than 65,536 characters."""

_MAX_ROWS = 6
"""Rows per table or list in terminal text."""

_SIZES = ((20, 300), (10, 200), (3, 100), (1, 50))
"""Rows per table and characters per line in Markdown, tried in order until the text is short
enough."""

_SPECIAL = re.compile(r"[\\`*_\[\]|~$]")
"""Markdown markup within a line."""

_BLOCK = re.compile(r"^(\d*)([#+=.)-])")
"""Start of a Markdown heading or list."""

_LINKING = re.compile(
    r"""[@#!%&~$^](?=[\w"'.?&-])|:(?=//|[\w+-]+:)|\[(?=\w+:)|\bGH-(?=\d)|\bwww(?=\.)""",
    re.IGNORECASE,
)
"""Start of a mention, reference, link or emoji on GitHub or GitLab, which a backslash does not
escape."""

_URL = re.compile(r"https?://(?!127\.0\.0\.1\b|localhost\b)[^\s<>\\]{1,500}")
"""A URL that is not local to this machine."""


class ShownComparison(Comparison):
    """A comparison that prints as ``pixmill compare`` does, and in a notebook as a report."""

    def __repr__(self) -> str:
        return comparison_text(self, page="").strip()

    def _repr_markdown_(self) -> str:
        return comparison_markdown(self, page="")


def view(comparison: Comparison) -> Document:
    """Return the comparison as nested dictionaries, described in ``docs/reference/json.md``."""
    data = comparison.data
    changes = comparison.changes
    return {
        "verdict": comparison.verdict,
        "sentence": comparison.sentence,
        "gate": comparison.gate.result,
        "rules": [asdict(rule) for rule in comparison.gate.rules],
        "base": None if comparison.base is None else _revision(comparison.base),
        "head": _revision(comparison.head),
        **_numbers(comparison.numbers),
        "data": None if data is None else _data(data),
        "changes": None if changes is None else _changes(changes),
        "missing": list(comparison.missing),
    }


def comparison_json(comparison: Comparison) -> str:
    """Return the comparison as one JSON object: six significant digits, never NaN."""
    return json_text(view(comparison), default=str)


def better_or_worse(difference: dict[str, float] | None, metric: str = "f1") -> str:
    """Return ``better`` or ``worse``; empty if the interval contains 0."""
    if difference is None or difference["low"] <= 0 <= difference["high"]:
        return ""
    return "better" if (difference["low"] > 0) != (metric in LOWER_IS_BETTER) else "worse"


def rows_of(table: pd.DataFrame) -> list[ImageRow]:
    """Return a table's rows as dictionaries; missing values are ``None``."""
    rows: list[ImageRow] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def labels_of(row: ImageRow) -> str:
    """Return the label of a changed image, or both labels if it was relabelled."""
    labels = [row["base_label"]] if row["change"] == "removed" else [row["head_label"]]
    if row["change"] == "relabelled":
        labels = [row["base_label"], *labels]
    return " → ".join(
        "no label" if label is None else shorten(show_cells(label), 40) for label in labels
    )


def _revision(revision: Revision) -> Document:
    run = revision.run
    return {
        "name": revision.name,
        "title": revision.title,
        "commit": revision.commit,
        "recorded": revision.metrics and _recorded(revision.metrics),
        "run": run
        and {
            key: getattr(run, key)
            for key in ("id", "name", "url", "seconds", "megabytes", "command")
        },
    }


def _recorded(metrics: Mapping[str, Any]) -> Document:
    names = (*METRICS["labels"], "n") if "exact_match" in metrics else RECORDED
    return {name: metrics.get(name) for name in names}


def _numbers(numbers: Numbers | None) -> Document:
    if numbers is None:
        unknown = dict.fromkeys((*_FACTS, "on_test", "mcnemar", "flips"))
        return {
            **unknown,
            "metrics": {},
            "per_class": {},
            "own_classes": [],
            "slices": [],
            "steps": [],
        }
    gained = int(numbers.flips["gained"].sum())
    # The deciding metric is first.
    names = dict.fromkeys([numbers.metric, *numbers.metrics])
    return {
        **{name: getattr(numbers, name) for name in _FACTS},
        "on_test": numbers.on_test and _difference(numbers.on_test),
        "metrics": {name: _difference(numbers.metrics[name]) for name in names},
        "per_class": _classes(numbers),
        "own_classes": list(numbers.own_classes),
        "slices": [
            asdict(row)
            | {
                "accuracy": _difference(row.accuracy),
                "p": row.accuracy.p,
                "changed": numbers.is_changed(row),
            }
            for row in numbers.slices
        ],
        "mcnemar": (test := numbers.mcnemar) and {"p": test.p, "mid_p": test.mid_p},
        "steps": [asdict(step) for step in numbers.steps],
        "flips": {
            "gained": gained,
            "lost": len(numbers.flips) - gained,
            "images": rows_of(numbers.flips),
        },
    }


def _classes(numbers: Numbers) -> dict[str, Document]:
    """Return the scores of each class, the largest change first."""
    rows = {}
    change = {}
    for label, row in numbers.per_class.items():
        score = row.score and _difference(row.score)
        rows[label] = {
            "support": row.support,
            "precision": row.precision,
            "recall": row.recall,
            numbers.label_metric: score,
            "p_adjusted": row.p_adjusted,
            "changed": numbers.is_changed(row),
        }
        change[label] = abs(score["diff"]) if score else 0
    return {label: rows[label] for label in sorted(rows, key=lambda label: -change[label])}


def _difference(item: Difference) -> dict[str, float]:
    return {
        "base": item.first,
        "head": item.second,
        "diff": item.difference,
        "low": item.low,
        "high": item.high,
    }


def _data(data: DataDifference) -> Document:
    images = rows_of(data.images)
    of_change = {change: [row for row in images if row["change"] == change] for change in CHANGES}
    return {
        "base_images": data.base_images,
        "head_images": data.head_images,
        "resplit": data.resplit,
        **{change: len(rows) for change, rows in of_change.items()},
        "kinds": {
            change: dict(Counter(map(_kind, rows)).most_common())
            for change, rows in of_change.items()
            if rows
        },
        "sources": dict(
            Counter(row["source"] or "unknown" for row in of_change["added"]).most_common()
        ),
        "images": images,
        "drift": [asdict(item) for item in data.drift],
        "near_test": rows_of(data.near_test),
    }


def _kind(row: ImageRow) -> str:
    """Return the kind by which images of a change are counted: splits, reason or label."""
    if row["change"] == "moved":
        return f"{row['base_split']} → {row['head_split']}"
    reason = {"dropped": row["head_reason"], "restored": row["base_reason"]}.get(row["change"])
    return word(reason).replace("_", " ") if reason else labels_of(row)


def _changes(changes: Changes) -> Document:
    return {
        "params": _values(changes.params),
        "stages": changes.stages,
        "packages": _values(changes.packages),
        "commits": [{"commit": commit, "subject": subject} for commit, subject in changes.commits],
    }


def _values(changes: Sequence[Change]) -> dict[str, Document]:
    return {item.name: {"base": item.base, "head": item.head} for item in changes}


def comparison_text(comparison: Comparison, page: str = "compare") -> str:
    """Return plain text: verdict, gate, and all differences, with at most 100 characters per line.

    Args:
        comparison: The comparison.
        page: Name of its page in ``reports/``; empty if there is none.
    """
    return render_text(
        "pixmill.experiments.compare",
        "comparison.txt",
        most=_MAX_ROWS,
        page=page,
        **content(comparison),
    )


def comparison_markdown(comparison: Comparison, page: str = "compare") -> str:
    """Return Markdown of at most 64,000 bytes, shortened as far as necessary.

    Names of classes, files, params and commits are escaped: they cannot add markup, mentions or
    links.

    Args:
        comparison: The comparison.
        page: Name of its page in ``reports/``; empty if there is none.
    """
    made = {**content(comparison), "page": page}
    templates = (_environment(*size).get_template("comparison.txt") for size in _SIZES)
    texts = (
        re.sub(r"\n{3,}", "\n\n", template.render(made)).strip() + "\n" for template in templates
    )
    return next(text for text in texts if len(text.encode("utf-8")) <= MAX_BYTES)


def content(comparison: Comparison) -> dict[str, Any]:
    """Return the variables and functions of the templates."""
    made = view(comparison)
    sides = [side["recorded"] for side in (made["base"], made["head"]) if side and side["recorded"]]
    names = dict.fromkeys(name for side in sides for name in side)
    recorded = [name for name in names if any(side.get(name) is not None for side in sides)]
    numbers = comparison.numbers
    image = "test image" if numbers is None else numbers.image
    score = "f1" if numbers is None else numbers.label_metric
    functions = {"better_or_worse": better_or_worse, "metric_name": metric_name}
    return {**made, **functions, "recorded": recorded, "image": image, "score": score}


def metric_name(name: str) -> str:
    """Return the display name of a metric, within a sentence."""
    return METRIC_NAMES.get(name, re.sub(r"^top_(\d+)_", r"top-\1 ", name))


def escape(text: str, letters: int) -> str:
    """Return Markdown that shows a text literally: on one line, without markup, mentions and links.

    Args:
        text: Text, such as the name of a class.
        letters: Number of characters to keep.
    """
    # A zero-width space separates the sign from the name it would refer to.
    harmless = _LINKING.sub("\\g<0>\u200b", printable(shorten(text, letters)))
    return _SPECIAL.sub(r"\\\g<0>", html.escape(harmless, quote=False))


@functools.cache
def _environment(most: int, letters: int) -> jinja2.Environment:
    from markupsafe import Markup

    def show(value: Any) -> Any:
        return value if hasattr(value, "__html__") else Markup(escape(str(value), letters))  # noqa: S704 (escaped)

    def link(name: str, url: str) -> Any:
        return Markup(f"[{show(name)}](<{url}>)") if _URL.fullmatch(url) else name  # noqa: S704 (likewise)

    environment = make_environment("pixmill.experiments.compare", finalize=show)
    environment.filters["linked"] = link
    environment.filters["item"] = lambda text: Markup(_BLOCK.sub(r"\1\\\2", show(text.strip())))  # noqa: S704
    environment.globals.update(layout="markdown.txt", most=most, letters=letters)
    return environment
