"""The checks on the data: each an expectation of Great Expectations, with its severity and its messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from pixmill.core.expectations import Check, Describe, Result
from pixmill.core.params import Severity, ValidateParams
from pixmill.core.words import count
from pixmill.validate.lookalikes import lookalikes_check
from pixmill.validate.shortcuts import shortcut_check

_NAMED = 20
"""Classes that a message names one by one."""

_CLASSES = 5
"""Classes that one line names, those with the most offenders first."""

_DECIDE = "review them with: pixmill review"

_MEASURES = (
    ("image_size", "width", "min_width", "are at least {:g} pixels wide"),
    ("image_size", "height", "min_height", "are at least {:g} pixels high"),
    ("aspect_ratio", "elongation", "max_ratio", "have a longer side of at most {:g} times the shorter"),
    ("dark", "brightness", "min_brightness", "have a brightness of at least {:g}"),
    ("blank", "entropy", "min_entropy", "have an entropy of at least {:g}"),
)
"""Each measure with a threshold: the section of its params, its column, the threshold's key, and the phrase."""


def checks(params: ValidateParams, classes: Sequence[str]) -> list[Check]:
    """Return every check, in the order of the report.

    They read the tables of :mod:`pixmill.validate.tables`, :func:`pixmill.validate.lookalikes.find_lookalikes` and
    :func:`pixmill.validate.shortcuts.shortcut_table`.

    Args:
        params: Thresholds and severities.
        classes: The declared labels.
    """
    of_images, of_labels = _of_images(params), _of_labels(params, classes)
    return [*of_images, *of_labels, *_of_repetition(params), *_of_classes(params), shortcut_check(params.shortcuts)]


def _of_images(params: ValidateParams) -> Iterator[Check]:
    # Great Expectations passes an empty table.
    yield Check(
        name="not_empty",
        table="images",
        expectation="ExpectTableRowCountToBeBetween",
        kwargs={"min_value": 1},
        severity="critical",
        parameters=("scrape",),
        wanted="at least 1",
        describe=lambda result, _: [f"{result['observed_value']:,} images"],
    )
    yield Check(
        name="unique_ids",
        table="images",
        expectation="ExpectColumnValuesToBeUnique",
        kwargs={"column": "id"},
        severity=params.unique_ids.severity,
        parameters=("validate.unique_ids.severity",),
        wanted="none",
        describe=lambda result, _: [
            f"{result['unexpected_count']:,} rows have a duplicate id"
            if result["unexpected_count"]
            else "no duplicate ids"
        ],
        advise=lambda *_: "rebuild the manifest with: dvc repro -f scrape",
    )
    yield _share(
        "readable",
        "pixels",
        params.readable,
        expectation="ExpectColumnValuesToNotBeNull",
        phrase="images decode completely",
        bad=lambda pixels: pixels.isna(),
    )
    measures = [_measure(params, *row) for row in _MEASURES]
    formats = params.formats
    allowed = _share(
        "formats",
        "format",
        formats,
        expectation="ExpectColumnValuesToBeInSet",
        kwargs={"value_set": list(formats.allowed)},
        parameter="allowed",
        phrase=f"readable images are in an allowed format ({', '.join(formats.allowed)})",
        bad=lambda values: values.notna() & ~values.isin(list(formats.allowed)),
    )
    blurred = _share(
        "blurred",
        "blur",
        params.blurred,
        kwargs={"max_value": 0},
        parameter="min_sharpness",
        phrase="readable images have a sharpness of at least "
        f"{params.blurred.min_sharpness:g}, or near that of the set",
        bad=lambda values: values > 0,
    )
    yield from (*measures[:3], allowed, measures[3], blurred, *measures[4:])


def _measure(params: ValidateParams, name: str, column: str, parameter: str, phrase: str) -> Check:
    """Return a check of a measure against its minimum or maximum."""
    section = getattr(params, name)
    limit = getattr(section, parameter)
    most = parameter.startswith("max")
    return _share(
        name,
        column,
        section,
        kwargs={"max_value" if most else "min_value": limit},
        parameter=parameter,
        phrase=f"readable images {phrase.format(limit)}",
        bad=lambda values: values > limit if most else values < limit,
    )


def _share(
    name: str,
    column: str,
    section: Any,
    *,
    phrase: str,
    bad: Callable[[pd.Series[Any]], pd.Series[bool]],
    expectation: str = "ExpectColumnValuesToBeBetween",
    kwargs: Mapping[str, Any] | None = None,
    parameter: str | None = None,
) -> Check:
    """Return a check that at least a share of the images passes.

    Args:
        name: The check, and its section of params.
        column: The column that is checked; absent values are skipped, unless absence is the failure.
        section: That section; it has a ``share`` and a ``severity``.
        phrase: What images that pass are or do (``readable images are at least 32 pixels wide``).
        bad: Returns which values fail.
        expectation: Of Great Expectations.
        kwargs: Its arguments besides column and share.
        parameter: The key of the threshold in the section.
    """

    def tell(result: Result, rows: pd.DataFrame) -> list[str]:
        total = result["element_count"] - result.get("missing_count", 0)
        good = total - result["unexpected_count"]
        text = f"{good:,} of {total:,} {phrase}" + (f" (share {good / total:.3g})" if total else "")
        return [text + (f"; failing: {_offenders(rows, column, bad)}" if good < total else "")]

    return Check(
        name=name,
        table="images",
        expectation=expectation,
        kwargs={"column": column, **(kwargs or {}), "mostly": section.share},
        severity=section.severity,
        parameters=tuple(f"validate.{name}.{key}" for key in (parameter, "share") if key),
        wanted=f"at least {section.share:g}",
        describe=tell,
    )


def _of_labels(params: ValidateParams, classes: Sequence[str]) -> Iterator[Check]:
    yield Check(
        name="labels_declared",
        table="images",
        expectation="ExpectColumnValuesToBeInSet",
        kwargs={"column": "label", "value_set": list(classes)},
        severity=params.labels_declared.severity,
        parameters=("classes",),
        wanted=f"only {', '.join(classes)}" if len(classes) <= _NAMED else f"only the {len(classes):,} classes",
        describe=_tell_undeclared(classes),
    )
    yield _none("conflicts", params.conflicts.severity, "severity", "no conflicting labels", _conflicts, _DECIDE)


def _of_repetition(params: ValidateParams) -> Iterator[Check]:
    yield _share(
        "duplicates",
        "redundant",
        params.duplicates,
        kwargs={"max_value": 0},
        phrase="readable images are neither duplicates nor near-duplicates of another",
        bad=lambda values: values > 0,
    )
    yield Check(
        name="near_duplicates",
        table="pairs",
        expectation="ExpectColumnPairValuesToBeEqual",
        kwargs={"column_A": "label_a", "column_B": "label_b"},
        severity=params.near_duplicates.severity,
        parameters=("validate.near_duplicates.severity",),
        wanted="none across labels",
        describe=_across_labels,
        advise=lambda *_: _DECIDE,
    )
    yield lookalikes_check(params.near_duplicates.severity)
    nothing = "no placeholders"
    yield _none("placeholders", params.placeholders.severity, "repeats", nothing, _placeholders, _DECIDE)
    nothing, advice = (
        "no image is in two predefined splits under the same label",
        "remove the images from one of the two folders",
    )
    yield _none("leaks", params.leaks.severity, "severity", nothing, _leaks, advice)


def _none(
    name: str,
    severity: Severity,
    parameter: str,
    nothing: str,
    sentences: Callable[[pd.DataFrame], list[str]],
    advice: str,
) -> Check:
    """Return a check that there are no findings of a kind.

    Args:
        name: The check; its singular is the column that holds the findings, null elsewhere.
        severity: Of a failure.
        parameter: The key in its section of params.
        nothing: The message where there are none.
        sentences: The messages for the rows that have one.
        advice: What to do next.
    """
    column = name.removesuffix("s")
    return Check(
        name=name,
        table="images",
        expectation="ExpectColumnValuesToBeNull",
        kwargs={"column": column},
        severity=severity,
        parameters=(f"validate.{name}.{parameter}",),
        wanted="none",
        describe=lambda _, rows: sentences(rows[rows[column].notna()]) or [nothing],
        advise=lambda *_: advice,
    )


def _of_classes(params: ValidateParams) -> Iterator[Check]:
    yield Check(
        name="min_per_class",
        table="classes",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": "n", "min_value": params.min_per_class.count},
        severity=params.min_per_class.severity,
        parameters=("validate.min_per_class.count",),
        wanted=f"at least {params.min_per_class.count:,}",
        describe=_per_class(lambda row, _: f"class '{row['label']}' has {count(row['n'], 'image')}"),
    )
    yield _balance("warning", params.class_balance.warning, "; or set train.class_weights: true")
    # Weights do not move the gate.
    yield _balance("critical", params.class_balance.critical, "")


def _balance(severity: Literal["warning", "critical"], least: float, otherwise: str) -> Check:
    """Return the check of the size of each class against one of the bounds of ``validate.class_balance``."""
    return Check(
        name="class_balance",
        table="classes",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": "ratio_to_largest", "min_value": least},
        severity=severity,
        parameters=(f"validate.class_balance.{severity}",),
        wanted=f"at least {least:g}",
        describe=_per_class(
            lambda row, largest: (
                f"class '{row['label']}' has {count(row['n'], 'image')}, "
                f"{row['ratio_to_largest']:.3g} of the largest class "
                f"'{largest['label']}' ({largest['n']:,})"
            )
        ),
        advise=lambda *_: f"collect more images of the small classes{otherwise}",
    )


def _offenders(rows: pd.DataFrame, column: str, bad: Callable[[pd.Series[Any]], pd.Series[bool]]) -> str:
    failing = bad(rows[column]).fillna(False).astype(bool)
    looked_at = rows[column].notna() | failing
    # The empty string stands for no label: no class has it.
    labels = rows["label"].fillna("").astype(object)
    counts = pd.DataFrame({"bad": labels[failing].value_counts()}).rename_axis("name")
    counts = counts.assign(all=labels[looked_at].value_counts()).reset_index()
    counts = counts.sort_values(["bad", "name"], ascending=[False, True])
    lines = [
        f"{bad:,} of {of:,} " + (f"in class '{label}'" if label else "with conflicting labels")
        for bad, of, label in counts[["bad", "all", "name"]].head(_CLASSES).itertuples(index=False)
    ]
    more = len(counts) - len(lines)
    return ", ".join(lines) + (f" and {more:,} more classes" if more > 0 else "")


def _conflicts(rows: pd.DataFrame) -> list[str]:
    """Return how many images were found under which labels."""
    return [f"{count(n, 'image')} found under several labels: {labels}" for labels, n in _counts(rows["conflict"])]


def _placeholders(rows: pd.DataFrame) -> list[str]:
    """Return one line a placeholder, with the first digits of its id."""
    ordered = rows.sort_values(["addresses", "id"], ascending=[False, True])
    return [f"image {name[:12]} {text}" for name, text in zip(ordered["id"], ordered["placeholder"], strict=True)]


def _leaks(rows: pd.DataFrame) -> list[str]:
    """Return how many images of each class are in which splits, with an example."""
    counts = rows.groupby(["label", "leak"], as_index=False).agg(n=("id", "size"), places=("leak_places", "first"))
    return [
        f"{count(n, 'image')} of class '{label}' {'is' if n == 1 else 'are'} in both {parts}, for example {places}"
        for label, parts, n, places in counts.itertuples(index=False)
    ]


def _across_labels(_: Result, pairs: pd.DataFrame) -> list[str]:
    """Return how many near-duplicate pairs have which two labels."""
    across = pairs[pairs["label_a"] != pairs["label_b"]]
    labels = (sorted(pair) for pair in zip(across["label_a"], across["label_b"], strict=True))
    both = pd.Series([f"'{one}' and '{other}'" for one, other in labels], dtype=object)
    lines = [f"{n:,} near-duplicate pair{' is' if n == 1 else 's are'} labelled {text}" for text, n in _counts(both)]
    return lines or ["no near-duplicate pair has different labels"]


def _tell_undeclared(classes: Sequence[str]) -> Describe:
    """Return the messages about labels that are not among the classes."""

    def tell(_: Result, rows: pd.DataFrame) -> list[str]:
        labels = rows["label"].dropna()
        counts = labels[~labels.isin(list(classes))].value_counts().sort_index()
        return [f"{count(n, 'image')} with the undeclared label '{label}'" for label, n in counts.items()] or [
            "no undeclared labels"
        ]

    return tell


def _per_class(sentence: Callable[[Mapping[str, Any], Mapping[str, Any]], str]) -> Describe:
    """Return the messages of a check by class: one line for each that fails.

    Args:
        sentence: Returns that line, from the row of the class and that of the largest class.
    """

    def tell(result: Result, classes: pd.DataFrame) -> list[str]:
        rows: dict[str, Any] = {row["label"]: row for row in classes.to_dict("records")}
        largest = max(rows.values(), key=lambda row: row["n"])
        short = [rows[item["label"]] for item in result.get("unexpected_index_list") or []]
        # Where no class fails, report the smallest.
        return [sentence(row, largest) for row in short or [min(rows.values(), key=lambda row: row["n"])]]

    return tell


def _counts(texts: pd.Series[Any]) -> list[tuple[str, int]]:
    """Return different texts, the most frequent first, of equals by name."""
    counts = texts.value_counts()
    return sorted(((str(text), int(n)) for text, n in counts.items()), key=lambda item: (-item[1], item[0]))
