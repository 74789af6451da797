"""Checks on the data, as expectations of Great Expectations with severity and messages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from pixmill.core.cells import by_label
from pixmill.core.expectations import Check, Describe, Result
from pixmill.core.params import Severity, ValidateParams
from pixmill.core.words import count
from pixmill.validate.labelling import OneLabel
from pixmill.validate.shortcuts import shortcut_check
from pixmill.validate.tables import lookalikes_advice

MAX_LISTED = 20
"""Maximum number of classes listed as allowed labels."""

MAX_FAILING = 5
"""Maximum number of classes named in a message, those with the most failures first."""

_DECIDE = "review them with: pixmill review"

_MEASURES = (
    ("image_size", "width", "min_width", "are at least {:g} pixels wide"),
    ("image_size", "height", "min_height", "are at least {:g} pixels high"),
    (
        "aspect_ratio",
        "elongation",
        "max_ratio",
        "have a longer side of at most {:g} times the shorter",
    ),
    ("dark", "brightness", "min_brightness", "have a brightness of at least {:g}"),
    ("blank", "entropy", "min_entropy", "have an entropy of at least {:g}"),
)
"""Measures with a threshold: section of the params, column, key of the threshold, and phrase."""


def checks(params: ValidateParams, classes: Sequence[str], labelling: OneLabel) -> list[Check]:
    """Return all checks in the order of the report.

    They read the tables of :mod:`pixmill.validate.tables`,
    :func:`pixmill.validate.tables.find_lookalikes` and
    :func:`pixmill.validate.shortcuts.shortcut_table`.

    Args:
        params: The section ``validate``.
        classes: The classes.
        labelling: What labels are.
    """
    share = functools.partial(_share, named=labelling.named)
    return [
        *_of_images(params, share),
        *_of_labels(params, classes, share, labelling),
        *_of_classes(params, labelling),
        shortcut_check(params.shortcuts),
    ]


def _of_images(params: ValidateParams, share: Callable[..., Check]) -> Iterator[Check]:
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
    yield share(
        "readable",
        "pixels",
        params.readable,
        expectation="ExpectColumnValuesToNotBeNull",
        phrase="images decode completely",
        bad=lambda pixels: pixels.isna(),
    )
    measures = [_measure(params, share, *row) for row in _MEASURES]
    formats = params.formats
    allowed = share(
        "formats",
        "format",
        formats,
        expectation="ExpectColumnValuesToBeInSet",
        kwargs={"value_set": list(formats.allowed)},
        parameter="allowed",
        phrase=f"readable images are in an allowed format ({', '.join(formats.allowed)})",
        bad=lambda values: values.notna() & ~values.isin(list(formats.allowed)),
    )
    blurred = share(
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


def _measure(
    params: ValidateParams,
    share: Callable[..., Check],
    name: str,
    column: str,
    parameter: str,
    phrase: str,
) -> Check:
    """Return the check of a measure against its threshold."""
    section = getattr(params, name)
    limit = getattr(section, parameter)
    is_maximum = parameter.startswith("max")
    return share(
        name,
        column,
        section,
        kwargs={"max_value" if is_maximum else "min_value": limit},
        parameter=parameter,
        phrase=f"readable images {phrase.format(limit)}",
        bad=lambda values: values > limit if is_maximum else values < limit,
    )


def _share(
    name: str,
    column: str,
    section: Any,
    *,
    phrase: str,
    bad: Callable[[pd.Series[Any]], pd.Series[bool]],
    named: str,
    expectation: str = "ExpectColumnValuesToBeBetween",
    kwargs: Mapping[str, Any] | None = None,
    parameter: str | None = None,
) -> Check:
    """Return a check that at least a share of the images passes.

    Args:
        name: Name of the check and of its section in the params.
        column: Checked column; null values are skipped, unless null is the failure.
        section: The section, with ``share`` and ``severity``.
        phrase: Description of images that pass (``readable images are at least 32 pixels wide``).
        bad: Function that returns a mask of failing values.
        named: Name of the images of a label.
        expectation: Class of Great Expectations.
        kwargs: Arguments of the expectation other than column and share.
        parameter: Key of the threshold in the section.
    """

    def describe(result: Result, rows: pd.DataFrame) -> list[str]:
        total = result["element_count"] - result.get("missing_count", 0)
        good = total - result["unexpected_count"]
        text = f"{good:,} of {total:,} {phrase}" + (f" (share {good / total:.3g})" if total else "")
        return [
            text + (f"; failing: {_offenders(rows, column, bad, named)}" if good < total else "")
        ]

    return Check(
        name=name,
        table="images",
        expectation=expectation,
        kwargs={"column": column, **(kwargs or {}), "mostly": section.share},
        severity=section.severity,
        parameters=tuple(f"validate.{name}.{key}" for key in (parameter, "share") if key),
        wanted=f"at least {section.share:g}",
        describe=describe,
    )


def _of_labels(
    params: ValidateParams,
    classes: Sequence[str],
    share: Callable[..., Check],
    labelling: OneLabel,
) -> Iterator[Check]:
    yield Check(
        name="labels_declared",
        table=labelling.declared_in,
        expectation="ExpectColumnValuesToBeInSet",
        kwargs={"column": "label", "value_set": list(classes)},
        severity=params.labels_declared.severity,
        parameters=("classes",),
        wanted=f"only {', '.join(classes)}"
        if len(classes) <= MAX_LISTED
        else f"only the {len(classes):,} classes",
        describe=functools.partial(_describe_undeclared, classes),
    )
    yield _none(
        "conflicts",
        params.conflicts.severity,
        "severity",
        "no conflicting labels",
        functools.partial(_conflicts, labelling.disputed),
        _DECIDE,
    )
    yield share(
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
        describe=_describe_pairs,
        advise=lambda *_: _DECIDE,
    )
    yield Check(
        # Shared with the check of labels across near-duplicates.
        name="near_duplicates",
        table="lookalikes",
        expectation="ExpectTableRowCountToBeBetween",
        kwargs={"max_value": 0},
        severity=params.near_duplicates.severity,
        parameters=("validate.duplicate_similarity",),
        wanted="copies only",
        describe=lambda _, rows: (
            list(rows["found"]) or ["no sign of look-alikes among the near-duplicates"]
        ),
        advise=lambda _, rows: lookalikes_advice(rows),
    )
    nothing = "no placeholders"
    yield _none(
        "placeholders", params.placeholders.severity, "repeats", nothing, _placeholders, _DECIDE
    )
    nothing = "no image is in two predefined splits under the same label"
    advice = "remove the images from one of the two folders"
    yield _none(
        "leaks",
        params.leaks.severity,
        "severity",
        nothing,
        functools.partial(_leaks, labelling.named),
        advice,
    )


def _none(
    name: str,
    severity: Severity,
    parameter: str,
    nothing: str,
    describe: Callable[[pd.DataFrame], list[str]],
    advice: str,
) -> Check:
    """Return a check that there are no findings of a kind.

    Args:
        name: Name of the check; its singular is the column of the findings.
        severity: Severity of a failure.
        parameter: Key in the section of the params.
        nothing: Message without findings.
        describe: Function that returns the messages for rows with a finding.
        advice: Advice on a failure.
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
        describe=lambda _, rows: describe(rows[rows[column].notna()]) or [nothing],
        advise=lambda *_: advice,
    )


def _of_classes(params: ValidateParams, labelling: OneLabel) -> Iterator[Check]:
    yield Check(
        name="min_per_class",
        table="classes",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": labelling.least, "min_value": params.min_per_class.count},
        severity=params.min_per_class.severity,
        parameters=("validate.min_per_class.count",),
        wanted=f"at least {params.min_per_class.count:,}{labelling.each}",
        describe=_per_class(
            lambda row, _: labelling.counted.format_map({**row, "s": "" if row["n"] == 1 else "s"}),
            labelling.least,
        ),
        advise=lambda *_: labelling.advice,
    )
    for severity in labelling.balanced:
        yield _balance(severity, params, labelling)


def _balance(
    severity: Literal["warning", "critical"], params: ValidateParams, labelling: OneLabel
) -> Check:
    """Return the check of class sizes against a limit of ``validate.class_balance``."""
    least = getattr(params.class_balance, severity)
    # Class weights do not affect the critical check.
    otherwise = "; or set train.class_weights: true" if severity == "warning" else ""
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
                f"{labelling.named.format(row['label'])} has {count(row['n'], 'image')}, "
                f"{row['ratio_to_largest']:.3g} of the largest "
                f"{labelling.named.format(largest['label'])} ({largest['n']:,})"
            )
        ),
        advise=lambda *_: f"collect more images of the small classes{otherwise}",
    )


def _offenders(
    rows: pd.DataFrame,
    column: str,
    bad: Callable[[pd.Series[Any]], pd.Series[bool]],
    named: str,
) -> str:
    rows = by_label(rows[["label", column]])
    failing = bad(rows[column]).fillna(False).astype(bool)
    checked = rows[column].notna() | failing
    # The empty string marks images without a label.
    labels = rows["label"].fillna("").astype(object)
    counts = pd.DataFrame({"bad": labels[failing].value_counts()}).rename_axis("name")
    counts = counts.assign(all=labels[checked].value_counts()).reset_index()
    counts = counts.sort_values(["bad", "name"], ascending=[False, True])
    lines = [
        f"{bad:,} of {of:,} "
        + (f"in {named.format(label)}" if label else "with conflicting labels")
        for bad, of, label in counts[["bad", "all", "name"]]
        .head(MAX_FAILING)
        .itertuples(index=False)
    ]
    more = len(counts) - len(lines)
    return ", ".join(lines) + (f" and {more:,} more classes" if more > 0 else "")


def _conflicts(disputed: str, rows: pd.DataFrame) -> list[str]:
    """Return the number of images by conflicting labels."""
    return [disputed.format(count(n, "image"), labels) for labels, n in _counts(rows["conflict"])]


def _placeholders(rows: pd.DataFrame) -> list[str]:
    """Return one line per placeholder with its short id."""
    ordered = rows.sort_values(["addresses", "id"], ascending=[False, True])
    return [
        f"image {name[:12]} {text}"
        for name, text in zip(ordered["id"], ordered["placeholder"], strict=True)
    ]


def _leaks(named: str, rows: pd.DataFrame) -> list[str]:
    """Return the number of leaking images by class and splits, with an example."""
    counts = (
        by_label(rows)
        .groupby(["label", "leak"], as_index=False)
        .agg(n=("id", "size"), places=("leak_places", "first"))
    )
    return [
        f"{count(n, 'image')} of {named.format(label)} {'is' if n == 1 else 'are'} in both {parts}, "
        f"for example {places}"
        for label, parts, n, places in counts.itertuples(index=False)
    ]


def _describe_pairs(_: Result, pairs: pd.DataFrame) -> list[str]:
    """Return the number of near-duplicate pairs by their two labels."""
    across = pairs[pairs["label_a"] != pairs["label_b"]]
    labels = (sorted(pair) for pair in zip(across["label_a"], across["label_b"], strict=True))
    both = pd.Series([f"'{one}' and '{other}'" for one, other in labels], dtype=object)
    lines = [
        f"{n:,} near-duplicate pair{' is' if n == 1 else 's are'} labelled {text}"
        for text, n in _counts(both)
    ]
    return lines or ["no near-duplicate pair has different labels"]


def _describe_undeclared(classes: Sequence[str], _: Result, rows: pd.DataFrame) -> list[str]:
    """Return the number of images by undeclared label."""
    labels = rows["label"].dropna()
    counts = labels[~labels.isin(list(classes))].value_counts().sort_index()
    return [
        f"{count(n, 'image')} with the undeclared label '{label}'" for label, n in counts.items()
    ] or ["no undeclared labels"]


def _per_class(
    sentence: Callable[[Mapping[str, Any], Mapping[str, Any]], str], column: str = "n"
) -> Describe:
    """Return a function that describes failing classes, one line each.

    Args:
        sentence: Function that returns the line from the rows of the class and of the largest
            class.
        column: What is counted.
    """

    def describe(result: Result, classes: pd.DataFrame) -> list[str]:
        rows: dict[str, Any] = {row["label"]: row for row in classes.to_dict("records")}
        largest = max(rows.values(), key=lambda row: row["n"])
        short = [rows[item["label"]] for item in result.get("unexpected_index_list") or []]
        # If no class fails, report the smallest.
        return [
            sentence(row, largest)
            for row in short or [min(rows.values(), key=lambda row: row[column])]
        ]

    return describe


def _counts(texts: pd.Series[Any]) -> list[tuple[Hashable, int]]:
    """Return the distinct texts with their counts, most frequent first, then by text."""
    counts = texts.value_counts().sort_index()
    return list(counts.sort_values(ascending=False, kind="stable").items())
