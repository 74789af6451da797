"""A comparison as the JSON document of ``pixmill compare --json``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pixmill.compare.comparison import Change, Changes, Comparison, DataDifference, Numbers, Revision
from pixmill.compare.description import RECORDED, rows_of
from pixmill.compare.image_changes import CHANGES
from pixmill.core.files import significant
from pixmill.metrics.significance import Difference


def comparison_json(comparison: Comparison) -> str:
    """Return one JSON object, described in ``docs/comparing.md``: six significant digits, never NaN."""
    numbers, data, changes = comparison.numbers, comparison.data, comparison.changes
    document = {
        "verdict": comparison.verdict,
        "sentence": comparison.sentence,
        "gate": comparison.gate.result,
        "rules": [asdict(rule) for rule in comparison.gate.rules],
        "base": None if comparison.base is None else _revision(comparison.base),
        "head": _revision(comparison.head),
        **_numbers(numbers),
        "data": None if data is None else _data(data),
        "changes": None if changes is None else _changes(changes),
        "missing": list(comparison.missing),
    }
    return json.dumps(significant(document), indent=2, allow_nan=False, ensure_ascii=False, default=str)


def _revision(revision: Revision) -> dict[str, Any]:
    recorded = None if revision.metrics is None else {name: revision.metrics.get(name) for name in RECORDED}
    run = None if revision.run is None else {"id": revision.run.id, "name": revision.run.name, "url": revision.run.url}
    return {"name": revision.name, "title": revision.title, "commit": revision.commit, "recorded": recorded, "run": run}


def _numbers(numbers: Numbers | None) -> dict[str, Any]:
    if numbers is None:
        unknown = dict.fromkeys(("n", "clusters", "metric", "margin", "confidence", "mcnemar", "flips"))
        return {**unknown, "metrics": {}, "per_class": {}, "slices": [], "steps": []}
    test = numbers.mcnemar
    return {
        "n": numbers.n,
        "clusters": numbers.clusters,
        "metric": numbers.metric,
        "margin": numbers.margin,
        "confidence": numbers.confidence,
        "metrics": {name: _difference(item) for name, item in numbers.metrics.items()},
        "per_class": {
            label: asdict(row) | {"f1": None if row.f1 is None else _difference(row.f1)}
            for label, row in numbers.per_class.items()
        },
        "slices": [
            asdict(row) | {"accuracy": _difference(row.accuracy), "p": row.accuracy.p} for row in numbers.slices
        ],
        "mcnemar": {"p": test.p, "mid_p": test.mid_p},
        "steps": [asdict(step) for step in numbers.steps],
        "flips": {"gained": test.gained, "lost": test.lost, "images": rows_of(numbers.flips)},
    }


def _difference(item: Difference) -> dict[str, float]:
    return {"base": item.first, "head": item.second, "diff": item.difference, "low": item.low, "high": item.high}


def _data(data: DataDifference) -> dict[str, Any]:
    return {
        "base_images": data.base_images,
        "head_images": data.head_images,
        "resplit": data.resplit,
        **{change: data.count(change) for change in CHANGES},
        "images": rows_of(data.images),
        "drift": [asdict(item) for item in data.drift],
        "near_test": rows_of(data.near_test),
    }


def _changes(changes: Changes) -> dict[str, Any]:
    return {
        "params": _values(changes.params),
        "stages": {item.stage: item.reasons for item in changes.stages},
        "packages": _values(changes.packages),
        "commits": [{"commit": commit, "subject": subject} for commit, subject in changes.commits],
    }


def _values(changes: Sequence[Change]) -> dict[str, Mapping[str, Any]]:
    return {item.name: {"base": item.base, "head": item.head} for item in changes}
