"""Series: names that count on, with images that look alike."""

import numpy as np
import pandas as pd
import pytest
import yaml

from pixmill.split.grouping import group_names
from pixmill.validate.series import Series, find_series

CLASSES = ("cat", "dog")
CLIPS = 14
FRAMES = 12
COUNT = CLIPS * FRAMES


def hashes(*, alike: bool) -> np.ndarray:
    """Return hashes: those of one clip differ in 27 of 64 bits on average, others in 32."""
    rng = np.random.default_rng(7)
    scenes = rng.integers(0, 2, (len(CLASSES) * CLIPS, 1, 64), np.uint8)
    bits = (scenes if alike else 0) ^ (
        rng.random((len(scenes), FRAMES, 64)) < (0.3 if alike else 0.5)
    )
    return (
        np.packbits(bits.reshape(-1, 64).astype(bool), axis=1).view(">u8")[:, 0].astype(np.uint64)
    )


def series(form: str, *, alike: bool = True, others: int = 0):
    """Return the series and all paths, named by a format of ``clip``, ``frame`` and ``n``."""
    who = [
        "john",
        "mary",
        "ann",
        "bob",
        "eve",
        "dan",
        "joe",
        "kim",
        "lee",
        "max",
        "ned",
        "pat",
        "ron",
        "sue",
    ]
    names = [
        form.format(clip=n // FRAMES, frame=n % FRAMES, n=n, who=who[n // FRAMES])
        for n in range(COUNT)
    ]
    paths = [f"data/{label}/{name}" for label in CLASSES for name in names]
    labels = [label for label in CLASSES for _ in names]
    found = hashes(alike=alike)
    more = [f"data/dog/photo {chr(97 + n)}.jpg" for n in range(others)]
    rest = np.random.default_rng(8).integers(0, 2**63, others, np.uint64)
    paths = [*paths, *more]
    labels = [*labels, *["dog"] * others]
    return find_series(labels, paths, np.concatenate([found, rest])), paths


@pytest.mark.parametrize(
    ("form", "others", "pattern"),
    [
        ("clip{clip:02}_frame{frame:05}.jpg", 0, r"([^/]+/clip\d+)_frame"),
        ("clip{clip:02}_frame{frame:05}.jpg", 5, r"([^/]+/clip\d+)_frame|([^/]+)$"),
        ("slide {clip}.x{frame}-y{n}.jp2", 0, r"([^/]+/slide\ \d+)\.x"),
        ("{who}_{n}.png", 0, r"([^/]+?)(?<!\d)\d+[^\d/]*$"),
    ],
)
def test_finds_series_and_the_pattern_that_groups_them(form, others, pattern):
    found, paths = series(form, others=others)
    assert found is not None
    assert found.group_by == pattern
    assert (found.series, found.images) == (len(CLASSES) * CLIPS, len(CLASSES) * COUNT)
    assert set(found.example) <= set(paths)
    manifest = pd.DataFrame(
        {"image_url": paths, "path": paths, "source": "folder", "verdict": "keep"}
    )
    groups = group_names(manifest, found.group_by)
    # Numbers that count anew in each class name other clips; a name in two classes may be of one
    # patient.
    shared = 1 if "[^/]+/" in pattern else len(CLASSES)
    assert groups.nunique() == CLIPS * len(CLASSES) // shared + others
    assert (groups[: len(CLASSES) * COUNT].groupby(groups).size() == FRAMES * shared).all()


@pytest.mark.parametrize(
    "form",
    [
        "IMG_{n:04}.jpg",
        "cat.{n}.jpg",
        "{n}.png",
        "{n:05}_a.png",
        "photo ({n}).jpg",
        "IMG_2020-01-05_{n}.jpg",
        "{who}.jpg",
    ],
)
def test_counting_alone_makes_no_series(form):
    assert series(form) == (None, series(form)[1])


@pytest.mark.parametrize(
    "form", ["clip{clip:02}_frame{frame:05}.jpg", "{who}_{n}.png", "slide{clip}_x{frame}_y{n}.jpg"]
)
def test_unlike_neighbours_are_no_series(form):
    assert series(form, alike=False)[0] is None


def test_sentence_has_a_valid_line_of_yaml():
    pattern = r"(Ann's clip\d+)_"
    sentence = Series(2, 12, ("clip1_1.jpg", "clip1_2.jpg"), pattern).sentence()
    assert yaml.safe_load(sentence[sentence.index("group_by:") :]) == {"group_by": pattern}
