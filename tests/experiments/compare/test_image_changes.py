"""Changed images and drift."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from pixmill.core.params import CompareParams
from pixmill.experiments.compare.comparison import DataDifference, Revision
from pixmill.experiments.compare.image_changes import compare_data
from tests.experiments.compare.made_revisions import (
    LABELS,
    from_probabilities,
    make_predictions,
    make_revision,
)

FACTS = ["base_label", "head_label", "base_split", "head_split", "base_reason", "head_reason"]
COLUMNS = ["id", "change", *FACTS, "source", "image_url", "path"]
PARAMS = "{{classes: [coat, shirt], scrape: {{snapshot: '2026-11-20'}}, split: {{{}}}}}"


def manifest(images: dict[str, Any], **columns: Any) -> pd.DataFrame:
    """Return a manifest of images: ``(label, split)``, or ``(label, None, reason)`` if dropped."""
    rows = {name: (*row, None)[:3] for name, row in sorted(images.items())}
    table = {
        "id": pd.array(list(rows), dtype="str"),
        "label": pd.array([label for label, _, _ in rows.values()], dtype="str"),
        "split": pd.array([split for _, split, _ in rows.values()], dtype="str"),
        "reason": pd.array([reason for _, _, reason in rows.values()], dtype="str"),
        "verdict": ["keep" if reason is None else "drop" for _, _, reason in rows.values()],
        "source": "folder",
        "image_url": [f"data/{name}.jpg" for name in rows],
        "path": [f"images/{name}.jpg" for name in rows],
        "short_side": 100,
        "aspect_ratio": np.float32(1),
        "brightness": np.float32(2),
        "sharpness": np.float32(3),
    }
    return pd.DataFrame({**table, **columns})


def revision(
    images: dict[str, Any] | None = None, predictions: pd.DataFrame | None = None, **fields: Any
) -> Revision:
    return make_revision(predictions, None if images is None else manifest(images), **fields)


def compare(base: Revision, head: Revision, drift: float = 0.1) -> DataDifference:
    data = compare_data(base, head, CompareParams(drift=drift))
    assert data is not None
    return data


def changes(data: DataDifference) -> dict[str, str]:
    return dict(zip(data.images["id"], data.images["change"], strict=True))


BEFORE = {
    "a": ("coat", "train"),
    "b": ("coat", "val"),
    "c": ("coat", None, "straddles:a"),
    "d": ("coat", "test"),
    "e": ("coat", "test"),
    "f": ("shirt", None, "too_small"),
    "g": ("shirt", "train"),
    "h": ("shirt", None, "too_small"),
}
AFTER = {
    "a": ("coat", "train"),
    "b": ("shirt", "train"),
    "c": ("coat", "test"),
    "d": ("shirt", None, "duplicate_pixels:a"),
    "e": ("coat", "train"),
    "f": ("coat", None, "review"),
    "i": ("coat", "train"),
    "j": (None, None, "label_conflict:a"),
}


def test_changed_images_have_one_row() -> None:
    data = compare(revision(BEFORE), revision(AFTER))
    assert list(data.images.columns) == COLUMNS
    assert changes(data) == {
        "i": "added",
        "j": "added",
        "g": "removed",
        "h": "removed",
        "b": "relabelled",
        "e": "moved",
        "d": "dropped",
        "c": "restored",
    }
    assert list(data.images["id"]) == ["i", "j", "g", "h", "b", "e", "d", "c"]
    assert (data.base_images, data.head_images, (data.images["change"] == "added").sum()) == (
        5,
        5,
        2,
    )
    (moved,) = data.images[data.images["id"] == "b"].to_dict("records")
    assert moved == {
        "id": "b",
        "change": "relabelled",
        "base_label": "coat",
        "head_label": "shirt",
        "base_split": "val",
        "head_split": "train",
        "base_reason": None,
        "head_reason": None,
        "source": "folder",
        "image_url": "data/b.jpg",
        "path": "images/b.jpg",
    }
    assert data.images["head_reason"].iloc[0] is pd.NA


def test_inbox_images_have_source_feedback() -> None:
    urls = {
        "folder": "data/coat/feedback-2026-11-22-0123456789abcdef.jpg",
        "shop": "http://shop.pixmill.test/media/feedback-2026-11-22-0123.jpg",
        "google": "https://example.org/feedback-2026-11-22-0123.jpg",
        "keras": None,
    }
    head = manifest(
        dict.fromkeys("abcd", ("coat", "train")), source=list(urls), image_url=list(urls.values())
    )
    data = compare(revision({"z": ("coat", "train")}), make_revision(None, head))
    assert data.images["source"].tolist() == ["feedback", "feedback", "google", "keras", "folder"]


@pytest.mark.parametrize(
    ("before", "after", "sentences"),
    [
        ("", "salt: second", ("split.salt changed from pixmill to second",)),
        (
            "folds: 4",
            "folds: 3, group_by: page",
            ("split.folds changed from 4 to 3", "split.group_by changed from null to page"),
        ),
        ("val: 0.1", "val: 0.1, image_size: 32", ()),
    ],
)
def test_resplitting_params(before: str, after: str, sentences: tuple[str, ...]) -> None:
    data = compare(
        revision(BEFORE, params=PARAMS.format(before)), revision(AFTER, params=PARAMS.format(after))
    )
    assert data.resplit == sentences


def test_without_one_manifest_compares_kept_images() -> None:
    predictions = make_predictions([0, 1, 1], [0, 1, 1], ids=["a", "b", "i"], split="train")
    forth = compare(revision(BEFORE), make_revision(predictions))
    assert changes(forth) == {
        "i": "added",
        "d": "removed",
        "e": "removed",
        "g": "removed",
        "b": "relabelled",
    }
    assert (forth.base_images, forth.head_images) == (5, 3)
    sources = dict(zip(forth.images["id"], forth.images["source"], strict=True))
    assert sources.pop("i") is pd.NA
    assert set(sources.values()) == {"folder"}, "from the only manifest"


def test_identical_data_has_no_differences() -> None:
    images = {f"image-{place:05d}": (LABELS[place % 3], "test") for place in range(30)}
    here = revision(images, make_predictions(np.arange(30) % 3, np.zeros(30, int)))
    data = compare(here, here, drift=0)
    assert data.images.empty
    assert data.near_test.empty
    assert [(drift.what, drift.distance, drift.p, drift.drifted) for drift in data.drift] == [
        (what, 0, 1, False)
        for what in ("class shares", "short side", "aspect ratio", "brightness", "sharpness")
    ]


def test_drift_matches_scipy_with_holm() -> None:
    rng = np.random.default_rng(1)
    before = manifest({f"a{place:03}": (LABELS[place % 3], "train") for place in range(300)})
    after = manifest({f"b{place:03}": (LABELS[place % 4 % 3], "train") for place in range(200)})
    for table, shift in ((before, 0), (after, 0.9)):
        table["brightness"] = rng.normal(shift, 1, len(table)).astype(np.float32)
        table["sharpness"] = rng.normal(0, 1, len(table)).astype(np.float32)
    counts = [[table["label"].eq(label).sum() for label in LABELS] for table in (before, after)]
    brightness, sharpness = (
        ks_2samp(before[name], after[name], method="asymp") for name in ("brightness", "sharpness")
    )
    shares = chi2_contingency(counts).pvalue
    assert brightness.pvalue < shares < 0.05 < sharpness.pvalue

    found = {
        drift.what: drift
        for drift in compare(make_revision(None, before), make_revision(None, after)).drift
    }
    assert found["brightness"].distance == pytest.approx(brightness.statistic, rel=1e-9, abs=0)
    assert found["brightness"].p == pytest.approx(5 * brightness.pvalue, rel=1e-9, abs=0)
    assert found["class shares"].distance == pytest.approx(0.5 - 1 / 3, rel=1e-9, abs=0)
    assert found["class shares"].p == pytest.approx(4 * shares, rel=1e-9, abs=0)
    assert found["sharpness"].p == pytest.approx(min(1, 3 * sharpness.pvalue), rel=1e-9, abs=0)
    assert {what for what, drift in found.items() if drift.drifted} == {
        "brightness",
        "class shares",
    }


def test_drift_of_each_of_several_labels() -> None:
    texts = ['{"dark":true,"long":true}', '{"dark":false,"long":true}', '{"dark":true}']
    before = manifest({f"a{place:03}": (texts[place % 2], "train") for place in range(100)})
    after = manifest({f"b{place:03}": (texts[place % 4 % 3], "train") for place in range(100)})
    found = {
        drift.what: drift.distance
        for drift in compare(make_revision(None, before), make_revision(None, after)).drift
    }
    assert found["the label dark"] == pytest.approx(0.25, rel=1e-9, abs=0)
    assert found["the label long"] == 0
    assert "class shares" not in found


def test_drift_of_colour_modes() -> None:
    before = manifest({f"a{place:03}": ("coat", "train") for place in range(100)}, mode="RGB")
    modes = ["L" if place % 4 == 0 else "RGB" for place in range(80)]
    after = manifest({f"b{place:03}": ("coat", "train") for place in range(80)}, mode=modes)
    found = {
        drift.what: drift
        for drift in compare(make_revision(None, before), make_revision(None, after)).drift
    }
    assert {what for what, drift in found.items() if drift.drifted} == {"colour modes"}
    assert found["colour modes"].distance == pytest.approx(0.25)
    # Of six p-values the lowest.
    assert found["colour modes"].p == pytest.approx(
        6 * chi2_contingency([[100, 60], [0, 20]]).pvalue
    )


def _with_added(added: int, *, shift: float, split: str = "test") -> tuple[Revision, Revision]:
    """Return revisions of 200 images and some added ones, with a confidence higher by ``shift``."""
    rng = np.random.default_rng(2)
    names = [f"{place:04}" for place in range(200 + added)]
    first = rng.uniform(0.3, 0.6, len(names)) + shift * (np.arange(len(names)) >= 200)
    given = np.column_stack([first, (1 - first) / 2, (1 - first) / 2])
    predictions = from_probabilities(np.zeros(len(names), int), given, ids=names)
    predictions["split"] = np.where(np.arange(len(names)) < 200, "test", split)
    images = {
        name: ("coat", split) for name, split in zip(names, predictions["split"], strict=True)
    }
    return revision(dict(list(images.items())[:200])), revision(images, predictions)


def test_feature_drift_of_added_images() -> None:
    base, head = _with_added(40, shift=0.2)
    assert head.predictions is not None
    given = head.predictions["p_coat"]
    expected = ks_2samp(given[200:], given[:200], method="asymp")
    *others, features = compare(base, head).drift
    assert features.what == "features of added images"
    assert features.distance == pytest.approx(expected.statistic, rel=1e-9, abs=0)
    assert features.p == pytest.approx(3 * 6 * expected.pvalue, rel=1e-9, abs=0), (
        "Bonferroni over classes, Holm over all"
    )
    assert features.drifted
    assert not any(drift.drifted for drift in others)
    base, head = _with_added(40, shift=0)
    assert not compare(base, head).drift[-1].drifted


@pytest.mark.parametrize(("added", "split"), [(9, "test"), (40, "train")])
def test_no_feature_drift_of_few_or_training_images(added: int, split: str) -> None:
    drift = compare(*_with_added(added, shift=0.2, split=split)).drift
    assert "features of added images" not in [item.what for item in drift]


def test_new_near_duplicates_of_test_images() -> None:
    base = {
        "a": ("coat", "test"),
        "b": ("coat", "train"),
        "c": ("coat", "train"),
        "d": ("coat", "test"),
    }
    head = {
        **base,
        "d": ("coat", "train"),
        "m": ("coat", "test"),
        "n": ("coat", "train"),
        "o": ("coat", "test"),
    }
    pairs = [
        ("a", "n", 0.98),
        ("b", "n", 0.99),
        ("d", "n", 0.97),
        ("a", "c", 0.99),
        ("m", "o", 0.99),
        ("c", "m", 0.99),
    ]
    table = pd.DataFrame(pairs, columns=["a", "b", "similarity"])
    near = compare(revision(base), revision(head, pairs=table)).near_test
    assert [tuple(row) for row in near.itertuples(index=False)] == [
        ("m", "o", 0.99),
        ("o", "m", 0.99),
        ("n", "a", 0.98),
    ]
