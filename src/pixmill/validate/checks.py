"""What is expected of the data: each check an expectation of Great Expectations, with its severity and its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pixmill.expectations import Check, Tell
from pixmill.params import Severity, ValidateParams
from pixmill.validate import wording

__all__ = ["checks"]

_NAMED = 20
"""Classes that a message names one by one."""

_DECIDE = "decide on them (pixmill review shows them side by side and writes review.csv)"


def checks(params: ValidateParams, classes: Sequence[str]) -> list[Check]:
    """Return every check, in the order of the report.

    The tables that they look at are those of :mod:`pixmill.validate.tables`.

    Args:
        params: Thresholds and severities.
        classes: The declared labels.
    """
    return [
        *_of_files(params),
        *_of_pictures(params),
        *_of_labels(params, classes),
        *_of_repetition(params),
        *_of_classes(params),
    ]


def _of_files(params: ValidateParams) -> Iterator[Check]:
    # Great Expectations finds nothing to complain of in an empty table.
    yield Check(
        name="not_empty",
        table="images",
        expectation="ExpectTableRowCountToBeBetween",
        kwargs={"min_value": 1},
        severity="critical",
        parameters=("scrape",),
        wanted="at least 1",
        tell=lambda result, _: [f"there are {result['observed_value']:,} pictures"],
    )
    yield Check(
        name="unique_ids",
        table="images",
        expectation="ExpectColumnValuesToBeUnique",
        kwargs={"column": "id"},
        severity=params.unique_ids.severity,
        parameters=("validate.unique_ids.severity",),
        wanted="none",
        tell=lambda result, _: [
            f"{result['unexpected_count']:,} rows share their id with another"
            if result["unexpected_count"]
            else "no id occurs twice"
        ],
        advise=lambda *_: "make the manifest anew (dvc repro -f scrape)",
    )
    yield Check(
        name="readable",
        table="images",
        expectation="ExpectColumnValuesToNotBeNull",
        kwargs={"column": "pixels", "mostly": params.readable.share},
        severity=params.readable.severity,
        parameters=("validate.readable.share",),
        wanted=f"at least {params.readable.share:g}",
        tell=wording.share("pictures can be decoded to the end", "pixels", lambda pixels: pixels.isna()),
        advise=wording.restore,
    )


def _of_pictures(params: ValidateParams) -> Iterator[Check]:
    size = params.image_size
    yield _at_least(
        "image_size", "width", size.min_width, size.share, size.severity, "min_width", "are at least {} pixels wide"
    )
    yield _at_least(
        "image_size", "height", size.min_height, size.share, size.severity, "min_height", "are at least {} pixels high"
    )
    ratio = params.aspect_ratio
    yield Check(
        name="aspect_ratio",
        table="images",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": "elongation", "max_value": ratio.max_ratio, "mostly": ratio.share},
        severity=ratio.severity,
        parameters=("validate.aspect_ratio.max_ratio", "validate.aspect_ratio.share"),
        wanted=f"at least {ratio.share:g}",
        tell=wording.share(
            f"readable pictures are at most {ratio.max_ratio:g} times as long as wide",
            "elongation",
            lambda values: values > ratio.max_ratio,
        ),
    )
    formats = params.formats
    yield Check(
        name="formats",
        table="images",
        expectation="ExpectColumnValuesToBeInSet",
        kwargs={"column": "format", "value_set": list(formats.allowed), "mostly": formats.share},
        severity=formats.severity,
        parameters=("validate.formats.allowed", "validate.formats.share"),
        wanted=f"at least {formats.share:g}",
        tell=wording.share(
            f"readable pictures are {' or '.join(formats.allowed)}",
            "format",
            lambda values: values.notna() & ~values.isin(list(formats.allowed)),
        ),
    )
    dark, blurred, blank = params.dark, params.blurred, params.blank
    yield _at_least(
        "dark",
        "brightness",
        dark.min_brightness,
        dark.share,
        dark.severity,
        "min_brightness",
        "have a brightness of at least {}",
    )
    yield _at_least(
        "blurred",
        "sharpness",
        blurred.min_sharpness,
        blurred.share,
        blurred.severity,
        "min_sharpness",
        "have a sharpness of at least {}",
    )
    yield _at_least(
        "blank",
        "entropy",
        blank.min_entropy,
        blank.share,
        blank.severity,
        "min_entropy",
        "have an entropy of at least {}",
    )


def _at_least(
    name: str, column: str, least: float, share: float, severity: Severity, parameter: str, phrase: str
) -> Check:
    """Return a check of a measure that has a least value."""
    return Check(
        name=name,
        table="images",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": column, "min_value": least, "mostly": share},
        severity=severity,
        parameters=(f"validate.{name}.{parameter}", f"validate.{name}.share"),
        wanted=f"at least {share:g}",
        tell=wording.share(f"readable pictures {phrase.format(f'{least:g}')}", column, lambda values: values < least),
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
        tell=wording.undeclared(classes),
    )
    yield _none(
        "conflicts",
        "conflict",
        params.conflicts.severity,
        ("validate.conflicts.severity",),
        wording.absent("no picture came under several labels", wording.conflicts, "conflict"),
        _DECIDE,
    )


def _of_repetition(params: ValidateParams) -> Iterator[Check]:
    yield Check(
        name="duplicates",
        table="images",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": "redundant", "max_value": 0, "mostly": params.duplicates.share},
        severity=params.duplicates.severity,
        parameters=("validate.duplicates.share",),
        wanted=f"at least {params.duplicates.share:g}",
        tell=wording.share(
            "readable pictures are neither the copy nor the near-duplicate of another",
            "redundant",
            lambda values: values > 0,
        ),
    )
    yield Check(
        name="near_duplicates",
        table="pairs",
        expectation="ExpectColumnPairValuesToBeEqual",
        kwargs={"column_A": "label_a", "column_B": "label_b"},
        severity=params.near_duplicates.severity,
        parameters=("validate.near_duplicates.severity",),
        wanted="none of different labels",
        tell=wording.unlike,
        advise=lambda *_: _DECIDE,
    )
    yield _none(
        "placeholders",
        "placeholder",
        params.placeholders.severity,
        ("validate.placeholders.repeats",),
        wording.absent("no picture stands in the place of many", wording.placeholders, "placeholder"),
        _DECIDE,
    )
    yield _none(
        "leaks",
        "leak",
        params.leaks.severity,
        ("validate.leaks.severity",),
        wording.absent("no picture lies in two parts of a given split", wording.leaks, "leak"),
        "take the pictures out of one of the two parts",
    )


def _none(name: str, column: str, severity: Severity, parameters: tuple[str, ...], tell: Tell, advice: str) -> Check:
    """Return a check of findings that should not be there."""
    return Check(
        name=name,
        table="images",
        expectation="ExpectColumnValuesToBeNull",
        kwargs={"column": column},
        severity=severity,
        parameters=parameters,
        wanted="none",
        tell=tell,
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
        tell=wording.per_class(lambda row, _: f"class '{row['label']}' has {wording.pictures(row['n'])}"),
    )
    yield Check(
        name="class_balance",
        table="classes",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": "ratio_to_largest", "min_value": params.class_balance.ratio},
        severity=params.class_balance.severity,
        parameters=("validate.class_balance.ratio",),
        wanted=f"at least {params.class_balance.ratio:g}",
        tell=wording.per_class(
            lambda row, largest: (
                f"class '{row['label']}' has {wording.pictures(row['n'])}, a ratio of {row['ratio_to_largest']:.3g} "
                f"to the largest class '{largest['label']}' ({largest['n']:,})"
            )
        ),
    )
