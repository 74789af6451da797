"""Checks on the splits: no leakage, no missing classes, similar class shares."""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import pandas as pd

from pixmill.core.cells import by_label
from pixmill.core.expectations import Check, Describe, Result, Table
from pixmill.core.manifest import given_test, given_test_rows, shrinkage
from pixmill.core.params import Severity, SplitParams
from pixmill.core.words import first_of
from pixmill.images.parts import PARTS
from pixmill.split.grouping import rows_of
from pixmill.split.labelling import OneLabel, answers_of, show_answer

Side = TypeVar("Side", str, int)


def count_by(
    manifest: pd.DataFrame, column: str, sides: Iterable[Side], classes: Sequence[str]
) -> dict[Side, dict[str, int]]:
    """Return the number of images by split or fold and class, including zeros.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SPLIT`.
        column: ``split`` or ``fold``.
        sides: Values of the column.
        classes: The classes.
    """
    kept = manifest.loc[manifest["split"].notna(), [*{"split", column}, "label"]]
    sizes = by_label(kept).groupby([column, "label"]).size().to_dict()
    return {side: {label: int(sizes.get((side, label), 0)) for label in classes} for side in sides}


def tables(
    manifest: pd.DataFrame,
    pairs: pd.DataFrame,
    groups: pd.Series,
    classes: Sequence[str],
    labelling: OneLabel,
) -> dict[str, Table]:
    """Return the tables that :func:`checks` reads.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SPLIT`.
        pairs: The columns of :data:`pixmill.core.manifest.PAIRS`.
        groups: Group name of each row, null if it has none.
        classes: The classes.
        labelling: What labels are.
    """
    kept = manifest[manifest["split"].notna()]
    within = kept[kept["fold"].notna()]
    found = {
        "images": Table(kept[["id", "split"]].set_axis(["name", "side"], axis=1)),
        "pixels": Table(_sides_of(kept["pixels"], kept["split"])),
        "pairs": Table(_pairs(kept, pairs, "split")),
        "shares": Table(_shares(manifest, classes, labelling), named_by=("label", "part")),
        "groups": Table(_sides_of(groups[kept.index], kept["split"])),
        "pixels in folds": Table(_sides_of(within["pixels"], within["fold"])),
        "pairs in folds": Table(_pairs(within, pairs, "fold")),
        "groups in folds": Table(_sides_of(groups[within.index], within["fold"])),
        "given": Table(_given_rows(manifest)),
        "given and dropped": Table(given_test_rows(manifest)[["given_split", "reason"]]),
    }
    for part in PARTS:
        answers = answers_of(kept.loc[kept["split"] == part, "label"])
        found[part] = Table(pd.DataFrame({"label": [*map(show_answer, answers)]}, dtype=object))
    return found


def checks(
    params: SplitParams,
    classes: Sequence[str],
    salt: str | None = None,
    given: Collection[str] = (),
    *,
    labelling: OneLabel,
) -> list[Check]:
    """Return all checks in the order of the report.

    Args:
        params: The section ``split``.
        classes: The classes.
        salt: A salt with which each split has every class, to advise if one has not. Default:
            unknown.
        given: Splits without drawn images, which may lack classes: people chose them.
        labelling: What labels are.
    """
    return [
        *_of_sides(grouped=params.group_by is not None),
        *_of_parts(
            params, [*map(show_answer, labelling.answers(classes))], salt, given, labelling.share
        ),
    ]


def _of_sides(*, grouped: bool) -> Iterator[Check]:
    """Yield the checks that no image, pair or group is in two splits or folds."""
    yield _check(
        "not_empty",
        "images",
        "ExpectTableRowCountToBeBetween",
        {"min_value": 1},
        "at least 1",
        lambda result, _: [f"{result['observed_value']:,} images in all splits"],
    )
    yield _unique("ids_on_one_side", "images", "ids", "splits")
    for sides, place, suffix in (
        ("splits", "on_one_side", ""),
        ("folds", "in_one_fold", " in folds"),
    ):
        yield _unique(f"pixels_{place}", f"pixels{suffix}", "distinct images", sides)
        yield _equal(f"near_duplicates_{place}", f"pairs{suffix}", sides)
        if grouped:
            yield _unique(f"groups_{place}", f"groups{suffix}", "groups", sides)


def _of_parts(
    params: SplitParams,
    classes: Sequence[str],
    salt: str | None,
    given: Collection[str],
    share: str,
) -> Iterator[Check]:
    grouping = f", split.group_by ({params.group_by})" if params.group_by else ""
    advice = (
        f"change split.val ({params.val}), split.test ({params.test}){grouping} or split.salt in "
        "params.yaml; images "
        "that you put into data/train, data/val and data/test stay there (scrape.folder.layout)"
    )
    if salt:
        advice = (
            f"add to the section split of params.yaml: salt: '{salt}' (with it, each split "
            "has every class)"
        )
    for part in PARTS:
        yield _check(
            "same_classes",
            part,
            "ExpectColumnDistinctValuesToEqualSet",
            {"column": "label", "value_set": list(classes)},
            f"exactly {first_of(classes)} in each split",
            _describe_classes(part, classes),
            advice
            if part not in given
            else f"no figure of {part} speaks for these classes, until you add images",
            "warning" if part in given else "critical",
        )
    yield _check(
        "given_test_kept",
        "given",
        "ExpectColumnValuesToBeInSet",
        {"column": "part", "value_set": ["test"]},
        "all of them in test",
        lambda result, _: [
            (
                f"{result['unexpected_count']:,} of {result['element_count']:,} kept images of "
                "data/test are not in test"
            )
            if result["element_count"]
            else "no predefined test images"
        ],
    )
    yield Check(
        name="given_test_kept",
        table="given and dropped",
        expectation="ExpectColumnValuesToBeNull",
        kwargs={"column": "reason"},
        severity="warning",
        wanted="all of them kept",
        describe=lambda _, rows: [
            shrinkage(given_test(rows)) or f"0 of {len(rows):,} given test images dropped"
        ],
        advise=lambda *_: "open reports/validate.html, which shows the reasons",
    )
    shares = params.class_shares
    yield Check(
        name="class_shares",
        table="shares",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={
            "column": "difference",
            "min_value": -shares.tolerance,
            "max_value": shares.tolerance,
        },
        severity=shares.severity,
        parameters=("split.class_shares.tolerance",),
        wanted=f"a difference of at most {shares.tolerance:g}",
        describe=functools.partial(_describe_shares, share),
    )


def _check(
    name: str,
    table: str,
    expectation: str,
    kwargs: Mapping[str, object],
    wanted: str,
    describe: Describe,
    advice: str = (
        "rebuild the tables with: dvc repro -f validate (if that fails, too, please report a bug)"
    ),
    severity: Severity = "critical",
) -> Check:
    return Check(
        name=name,
        table=table,
        expectation=expectation,
        kwargs=kwargs,
        severity=severity,
        wanted=wanted,
        describe=describe,
        advise=lambda *_: advice,
    )


def _unique(name: str, table: str, things: str, sides: str) -> Check:
    """Return a check that each name is on one side, for a table with one row per name and side."""

    def describe(_: Result, rows: pd.DataFrame) -> list[str]:
        count = rows.loc[rows["name"].duplicated(), "name"].nunique()
        return [f"{count:,} of {rows['name'].nunique():,} {things} are in two {sides}"]

    return _check(name, table, "ExpectColumnValuesToBeUnique", {"column": "name"}, "none", describe)


def _equal(name: str, table: str, sides: str) -> Check:
    """Return a check that both images of each pair are on the same side."""

    def describe(result: Result, rows: pd.DataFrame) -> list[str]:
        return [
            (
                f"{result['unexpected_count']:,} of {len(rows):,} near-duplicate pairs are in two "
                f"{sides}"
            )
        ]

    columns = {"column_A": "side_a", "column_B": "side_b"}
    return _check(name, table, "ExpectColumnPairValuesToBeEqual", columns, "none", describe)


def _describe_classes(part: str, classes: Sequence[str]) -> Describe:
    def describe(_: Result, rows: pd.DataFrame) -> list[str]:
        there = set(rows["label"])
        lines = [f"{part} has no image of '{label}'" for label in classes if label not in there]
        lines += [f"{part} has images of '{label}'" for label in sorted(there - set(classes))]
        return lines or [f"{part} has all {len(classes):,} classes"]

    return describe


def _describe_shares(share: str, result: Result, rows: pd.DataFrame) -> list[str]:
    far = result.get("unexpected_index_list") or []
    by_name = {(row["label"], row["part"]): row for row in rows.to_dict("records")}
    # If all pass, report the largest difference.
    chosen = [by_name[item["label"], item["part"]] for item in far] or [
        max(by_name.values(), key=lambda row: abs(row["difference"]))
    ]
    return [share.format_map(row) for row in chosen]


def _sides_of(names: pd.Series, sides: pd.Series) -> pd.DataFrame:
    """Return one row per name and side."""
    both = pd.DataFrame({"name": names, "side": sides}).dropna(subset=["name"])
    return both.drop_duplicates(ignore_index=True)


def _pairs(kept: pd.DataFrame, pairs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the pairs of kept images with the side of each."""
    first = kept.drop_duplicates("id")[["id", column]]
    ends = [
        first.iloc[rows].set_axis([name, f"side_{name}"], axis=1).reset_index(drop=True)
        for name, rows in zip("ab", rows_of(pairs, first["id"].to_numpy(object)), strict=True)
    ]
    return pd.concat(ends, axis=1)


def _shares(manifest: pd.DataFrame, classes: Sequence[str], labelling: OneLabel) -> pd.DataFrame:
    """Return per class and split its share of the split, of all images, and the difference."""
    counts = count_by(manifest, "split", PARTS, classes)
    known = {part: labelling.known(manifest, part, classes) for part in PARTS}
    rows = []
    for part in PARTS:
        for label in classes:
            share = counts[part][label] / max(1, known[part][label])
            of_all = sum(counts[other][label] for other in PARTS) / max(
                1, sum(known[other][label] for other in PARTS)
            )
            # Rounded, because rounding errors differ between processors.
            rows.append((label, part, share, of_all, round(share - of_all, 9)))
    return pd.DataFrame(rows, columns=["label", "part", "share", "of_all", "difference"])


def _given_rows(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the predefined test images that validate kept, with their split."""
    here = manifest["split"].notna() | manifest["reason"].fillna("").astype(object).str.startswith(
        "straddles"
    )
    rows = manifest[here & (manifest["given_split"] == "test").fillna(False)]
    return pd.DataFrame(
        {"id": rows["id"].astype(object), "part": rows["split"].astype(object).fillna("nowhere")}
    )
