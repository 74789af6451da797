"""What is expected of the data: each check an expectation of Great Expectations, with its severity and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pixmill.params import Severity, ValidateParams

__all__ = ["Check", "checks"]

Result = Mapping[str, Any]
Tell = Callable[[Result, pd.DataFrame], list[str]]


@dataclass(frozen=True)
class Check:
    """Hold one expectation of one table.

    Args:
        name: What metrics and messages call it; several checks may share a name.
        table: ``images`` (one row a picture) or ``classes`` (one row a declared class).
        expectation: The class of :mod:`great_expectations.expectations`.
        kwargs: Its arguments; thresholds stand here, so that its record shows them.
        severity: What a failure does.
        parameters: The keys of ``params.yaml`` that govern it.
        wanted: What is expected, in words.
        tell: Returns what was found, in words, from Great Expectations' result and the table: one line for each class
            or label that fails, or one for all.
    """

    name: str
    table: Literal["images", "classes"]
    expectation: str
    kwargs: Mapping[str, Any]
    severity: Severity
    parameters: tuple[str, ...]
    wanted: str
    tell: Tell


def checks(params: ValidateParams, classes: Sequence[str]) -> list[Check]:
    """Return every check, in the order of the report.

    Args:
        params: Thresholds and severities.
        classes: The declared labels.
    """
    return [*_of_images(params, classes), *_of_classes(params)]


def _of_images(params: ValidateParams, classes: Sequence[str]) -> Iterator[Check]:
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
        name="readable",
        table="images",
        expectation="ExpectColumnValuesToNotBeNull",
        kwargs={"column": "pixels", "mostly": params.readable.share},
        severity=params.readable.severity,
        parameters=("validate.readable.share",),
        wanted=f"at least {params.readable.share:g}",
        tell=_share("pictures can be decoded to the end"),
    )
    size = params.image_size
    for column, least, adjective in (("width", size.min_width, "wide"), ("height", size.min_height, "high")):
        yield Check(
            name="image_size",
            table="images",
            expectation="ExpectColumnValuesToBeBetween",
            kwargs={"column": column, "min_value": least, "mostly": size.share},
            severity=size.severity,
            parameters=(f"validate.image_size.min_{column}", "validate.image_size.share"),
            wanted=f"at least {size.share:g}",
            tell=_share(f"readable pictures are at least {least} pixels {adjective}"),
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
        tell=_share(f"readable pictures are {' or '.join(formats.allowed)}"),
    )
    yield Check(
        name="labels_declared",
        table="images",
        expectation="ExpectColumnValuesToBeInSet",
        kwargs={"column": "label", "value_set": list(classes)},
        severity=params.labels_declared.severity,
        parameters=("classes",),
        wanted=f"only {', '.join(classes)}",
        tell=_undeclared(classes),
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
        tell=_per_class(lambda row, _: f"class '{row['label']}' has {_pictures(row['n'])}"),
    )
    yield Check(
        name="class_balance",
        table="classes",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": "ratio_to_largest", "min_value": params.class_balance.ratio},
        severity=params.class_balance.severity,
        parameters=("validate.class_balance.ratio",),
        wanted=f"at least {params.class_balance.ratio:g}",
        tell=_per_class(
            lambda row, largest: (
                f"class '{row['label']}' has {_pictures(row['n'])}, a ratio of {row['ratio_to_largest']:.3g} to the "
                f"largest class '{largest['label']}' ({largest['n']:,})"
            )
        ),
    )


def _share(phrase: str) -> Tell:
    def tell(result: Result, _: pd.DataFrame) -> list[str]:
        # What is absent is not looked at, except where absence is what is looked for.
        total = result["element_count"] - result.get("missing_count", 0)
        good = total - result["unexpected_count"]
        share = f" (a share of {good / total:.3g})" if total else ""
        return [f"{good:,} of {total:,} {phrase}{share}"]

    return tell


def _undeclared(classes: Sequence[str]) -> Tell:
    def tell(_: Result, images: pd.DataFrame) -> list[str]:
        labels = images["label"].dropna()
        counts = labels[~labels.isin(list(classes))].value_counts().sort_index()
        return [f"{_pictures(n)} came with the label '{label}'" for label, n in counts.items()] or [
            "no picture came with another label"
        ]

    return tell


def _per_class(sentence: Callable[[Mapping[str, Any], Mapping[str, Any]], str]) -> Tell:
    def tell(result: Result, classes: pd.DataFrame) -> list[str]:
        rows: dict[str, Any] = {row["label"]: row for row in classes.to_dict("records")}
        largest = max(rows.values(), key=lambda row: row["n"])
        short = [rows[item["label"]] for item in result.get("unexpected_index_list") or []]
        # Where all is well the smallest class shows how well.
        return [sentence(row, largest) for row in short or [min(rows.values(), key=lambda row: row["n"])]]

    return tell


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"
