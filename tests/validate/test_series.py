"""Series: names that count on, with images that look alike, and suffixes of tools."""

import hashlib
import re

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
WHO = [
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


def draw(*, alike: bool) -> np.ndarray:
    """Return images: those of one clip have a common ground, and are turned, mirrored and exposed.

    Args:
        alike: Whether there is a common ground.
    """
    rng = np.random.default_rng(7)
    scenes = rng.integers(0, 120, (len(CLASSES) * CLIPS, 1, 8, 8))
    own = rng.integers(0, 120, (len(scenes), FRAMES, 8, 8))
    images = (own + 2 * scenes if alike else own).reshape(-1, 8, 8).repeat(4, 1).repeat(4, 2)
    views = [np.rot90(image[:, :: (-1) ** (n % 2)], n % 4) for n, image in enumerate(images)]
    exposed = [view * rng.uniform(0.5, 0.7) for view in views]
    return np.array(exposed).astype(np.uint8)


def series(form: str, *, alike: bool = True, others: int = 0):
    """Return the series and all paths, named by a format of ``clip``, ``frame`` and ``n``."""
    names = [
        form.format(
            clip=n // FRAMES,
            frame=n % FRAMES,
            n=n,
            random=n * 37 % 9973,
            who=WHO[n // FRAMES],
            hash=hashlib.md5(b"%d" % n).hexdigest(),
        )
        for n in range(COUNT)
    ]
    paths = [f"data/{label}/{name}" for label in CLASSES for name in names]
    labels = [label for label in CLASSES for _ in names]
    paths += [f"data/dog/photo {chr(97 + n)}.jpg" for n in range(others)]
    labels += ["dog"] * others
    rest = np.random.default_rng(8).integers(0, 255, (others, 32, 32), np.uint8)
    greys = np.concatenate([draw(alike=alike), rest])
    return find_series(labels, paths, greys, np.arange(len(paths))), paths


def test_copies_are_no_evidence_of_numbers_in_other_names():
    names = [
        f"{n // FRAMES:04}_jpg.rf.{hashlib.md5(b'%d' % n).hexdigest()}.jpg" for n in range(COUNT)
    ]
    paths = [f"data/{label}/{name}" for label in CLASSES for name in names]
    paths += [f"http://shop/{hashlib.sha1(b'%d' % n).hexdigest()}.jpg" for n in range(300)]
    labels = [label for label in CLASSES for _ in names] + ["dog"] * 300
    rest = np.random.default_rng(8).integers(0, 255, (300, 32, 32), np.uint8)
    found = find_series(
        labels, paths, np.concatenate([draw(alike=True), rest]), np.arange(len(paths))
    )
    assert found is not None
    assert (found.series, found.images) == (len(CLASSES) * CLIPS, len(CLASSES) * COUNT)


def groups_of(paths, group_by):
    manifest = pd.DataFrame(
        {"image_url": paths, "path": paths, "source": "folder", "verdict": "keep"}
    )
    return group_names(manifest, group_by)


@pytest.mark.parametrize(
    ("form", "others"),
    [
        ("clip{clip:02}_frame{frame:05}.jpg", 0),
        ("clip{clip:02}_frame{frame:05}.jpg", 5),
        ("slide {clip}.x{frame}-y{n}.jp2", 0),
        ("{who}_{n}.png", 0),
        ("aug_{clip}_{random}.png", 0),
        ("{who}_{clip}_{n}_flip.png", 0),
    ],
)
def test_finds_series_and_the_pattern_that_groups_them(form, others):
    found, paths = series(form, others=others)
    assert found is not None
    assert (found.series, found.images) == (len(CLASSES) * CLIPS, len(CLASSES) * COUNT)
    assert set(found.example) <= set(paths)
    groups = groups_of(paths, found.group_by)
    # Numbers that count anew in each class name other clips; a name in two classes may be of one
    # patient.
    shared = 1 if "/([^/]+)/" in found.group_by else len(CLASSES)
    assert groups.nunique() == CLIPS * len(CLASSES) // shared + others
    assert (groups[: len(CLASSES) * COUNT].groupby(groups).size() == FRAMES * shared).all()


@pytest.mark.parametrize("stem", ["IMG_{clip:04}", "{label}_{clip}", "{who}"])
def test_an_original_is_in_the_series_of_its_numbered_copies(stem):
    paths = []
    for label in CLASSES:
        for n in range(COUNT):
            base = stem.format(clip=n // FRAMES, who=WHO[n // FRAMES], label=label)
            paths.append(f"data/{label}/{base}{f'_{n % FRAMES}' if n % FRAMES else ''}.jpg")
    labels = [path.split("/")[1] for path in paths]
    found = find_series(labels, paths, draw(alike=True), np.arange(len(paths)))
    assert (found.series, found.images) == (len(CLASSES) * CLIPS, len(CLASSES) * COUNT)
    groups = groups_of(paths, found.group_by)
    assert groups.groupby(np.arange(len(paths)) // FRAMES).nunique().eq(1).all()
    assert groups.nunique() >= CLIPS


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
        "image_jpg.rf.{hash}.jpg",
        "IMG_{n}_jpg.rf.{hash}.jpg",
        "IMG_{n}_flip.jpg",
        "{n} copy.jpg",
    ],
)
def test_counting_or_a_suffix_alone_makes_no_series(form):
    assert series(form)[0] is None


@pytest.mark.parametrize(
    "form", ["clip{clip:02}_frame{frame:05}.jpg", "{who}_{n}.png", "slide{clip}_u{frame}_v{n}.jpg"]
)
def test_unlike_neighbours_are_no_series(form):
    assert series(form, alike=False)[0] is None


def copies(endings, *, alike: bool):
    """Return the paths of copies of 40 images and of four other images, and the series found."""
    rng = np.random.default_rng(1)
    paths = []
    greys = []
    for label in CLASSES:
        for n in range(20):
            name = hashlib.md5(f"{label}{n}".encode()).hexdigest()
            paths += [f"data/{label}/IMG_{n}{end.format(hash=name)}.jpg" for end in endings]
            ground = rng.integers(0, 120, (1, 32, 32))
            greys += [*(alike * ground + rng.integers(0, 120, (len(endings), 32, 32)))]
        paths += [f"data/{label}/{name}.jpg" for name in ("IMG_100", "dog_aug")]
        greys += [*rng.integers(0, 240, (2, 32, 32))]
    labels = [path.split("/")[1] for path in paths]
    every = np.array(greys, np.uint8)
    return find_series(labels, paths, every, np.arange(len(paths))), paths


@pytest.mark.parametrize(
    ("endings", "is_certain"),
    [
        (["_jpg.rf.{hash}", "_jpg.rf.a{hash:.30}", "_png.rf.{hash:.20}"], True),
        (["_x151_y201", "_x151_y402", "_x2_y3"], True),
        (["_3f2504e0-4f89-11d3-9a0c-{hash:.12}", "_3f2504e0-4f89-41d3-9a0c-{hash:.12}"], True),
        (["", "_flip", "_rot90", "_aug3", "_Aug_3", "_augmented-2", "_hflip_rot90_x1_y2"], False),
        (["", "_HorizontalFlip", "_ShiftScaleRotate_2", "_RandomBrightnessContrast"], False),
        (["", " - Copy", " - Copy (2)", " (copy 2)", "_copy2", " - Kopie", "_aug_1 copy"], False),
    ],
    ids=["roboflow", "tiles", "augmentor", "words", "transforms", "copies"],
)
def test_series_by_endings(endings, is_certain):
    found, paths = copies(endings, alike=not is_certain)
    assert (found.series, found.images) == (40, 40 * len(endings))
    groups = groups_of(paths, found.group_by)
    assert sorted(groups.value_counts()) == [*[1] * 4, *[len(endings)] * 40]
    if not is_certain:
        assert copies(endings, alike=False)[0] is None


def numbered(of_classes, is_copied):
    """Return the paths of numbers in each class and of three copies of some, and what is found."""
    paths = [
        f"data/{label}/{n:04}{end}.jpg"
        for label, numbers in of_classes.items()
        for n in numbers
        for end in ("", "_jpg.rf.1a", "_jpg.rf.2b", "_jpg.rf.3c")
        if not end or is_copied(label, n)
    ]
    labels = [path.split("/")[1] for path in paths]
    return find_series(labels, paths, np.zeros((1, 32, 32), np.uint8), len(paths) * [0]), paths


@pytest.mark.parametrize(
    ("sizes", "first"),
    [((100, 100, 100), (0, 100, 100)), ((100, 80, 60), (0, 10, 20)), ((60, 80, 100), (0, 80, 90))],
    ids=["one class", "other numbers", "sizes"],
)
def test_each_class_counts_anew_although_others_have_no_such_copies(sizes, first):
    of_classes = {label: range(size) for label, size in zip("abc", sizes, strict=True)}
    copied = dict(zip("abc", first, strict=True))
    found, paths = numbered(of_classes, lambda label, n: n - copied[label] in range(30))
    groups = groups_of(paths, found.group_by)
    assert groups.nunique() == sum(sizes)


def test_patients_of_two_classes_stay_together():
    patients = np.random.default_rng(1).permutation(100)[:60].tolist()
    found, paths = numbered({"healthy": range(100), "ill": patients}, lambda *_: True)
    assert groups_of(paths, found.group_by).nunique() == 100


@pytest.mark.parametrize(("ending", "is_found"), [("_aug{}", True), ("_{}", False)])
def test_words_need_fewer_like_neighbours_than_numbers(ending, is_found):
    rng = np.random.default_rng(3)
    paths = [f"data/cat/{n:04}{ending.format(copy)}.jpg" for n in range(50) for copy in range(4)]
    greys = rng.integers(0, 240, (len(paths), 32, 32))
    # Of the 150 pairs of neighbours with one name, a fifth is alike.
    greys[1:120:4] = greys[:120:4]
    found = find_series(["cat"] * 200, paths, greys.astype(np.uint8), np.arange(200))
    assert (found is not None) == is_found


def test_a_month_is_no_evidence():
    assert copies(["-aug-1", "-aug-2", "-aug-3"], alike=False)[0] is None


@pytest.mark.parametrize(
    "name", ["_aug________copy" * 20 + "!", "_jpg.rf.a_augaug" * 20 + "!", "1a" * 200]
)
def test_a_hostile_name_is_read_in_a_moment(name):
    paths = [f"https://example.com/{name}/{name}{end}" for end in ("", "_flip/", "_jpg.rf.1.jpg")]
    paths += [f"data/cat/{n}{end}.jpg" for n in range(6) for end in ("", "_jpg.rf.1")]
    greys = np.zeros((len(paths), 32, 32), np.uint8)
    found = find_series(["cat"] * len(paths), paths, greys, np.arange(len(paths)))
    assert found is not None
    assert groups_of(paths, found.group_by).notna().all()


def test_a_few_copies_are_not_worth_a_remark():
    copies = [f"data/cat/{n}{end}.jpg" for n in range(6) for end in ("", "_jpg.rf.1")]
    for others, found in ((1000, True), (2000, False)):
        paths = [*copies, *(f"data/cat/{n}.jpg" for n in range(100, 100 + others))]
        greys = np.zeros((len(paths), 32, 32), np.uint8)
        series = find_series(["cat"] * len(paths), paths, greys, np.arange(len(paths)))
        assert (series is not None) == found


def test_sentence_has_a_valid_line_of_yaml():
    pattern = r"(Ann's clip\d+)_"
    sentence = Series(2, 12, ("clip1_1.jpg", "clip1_2.jpg"), pattern).sentence()
    line = re.search("group_by: '.*'", sentence)[0]
    assert yaml.safe_load(line) == {"group_by": pattern}
