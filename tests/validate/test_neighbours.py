"""Near-duplicates are found, look-alikes are not, and groups are whole."""

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixmill.validate.greys import SIDE, small_grey
from pixmill.validate.neighbours import Links, groups, near_duplicates
from pixmill.validate.phash import perceptual_hash

Edit = Callable[[Image.Image], Image.Image]


def links_of(pictures: list[Image.Image], **options) -> Links:
    greys = np.stack([small_grey(np.asarray(picture.convert("L"))) for picture in pictures])
    hashes = np.array([perceptual_hash(grey) for grey in greys], np.uint64)
    return near_duplicates(hashes, greys, **{"distance": 16, "similarity": 0.99, **options})


@pytest.fixture(scope="module")
def bundled(bundled_pictures: Path) -> dict[str, list[Image.Image]]:
    """The bundled photographs, by class."""
    found: dict[str, list[Image.Image]] = {}
    for path in sorted(bundled_pictures.glob("*/*.png")):
        with Image.open(path) as picture:
            found.setdefault(path.parent.name, []).append(picture.convert("RGB"))
    return found


def test_no_group_of_the_bundled_photographs_exceeds_five(bundled) -> None:
    pictures = [picture for some in bundled.values() for picture in some]
    labels = [label for label, some in bundled.items() for _ in some]
    links = links_of(pictures)
    sizes = Counter(groups(len(pictures), links.a, links.b).tolist())
    assert max(sizes.values()) <= 5
    assert len(links.a) <= 10
    assert all(labels[a] == labels[b] for a, b in zip(links.a, links.b, strict=True))


def brightened(factor: float) -> Edit:
    return lambda picture: picture.point(lambda value: min(255, round(value * factor)))


def cropped(left: int, top: int, right: int, bottom: int) -> Edit:
    return lambda picture: picture.crop((left, top, picture.width - right, picture.height - bottom))


def recompressed(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


@pytest.mark.parametrize(
    ("edit", "recall"),
    [
        pytest.param(lambda picture: picture.resize((56, 56), Image.Resampling.BICUBIC), 0.995, id="half"),
        pytest.param(recompressed, 0.995, id="jpeg-40"),
        pytest.param(brightened(1.1), 0.995, id="brighter"),
        pytest.param(brightened(0.9), 0.995, id="darker"),
        pytest.param(cropped(1, 1, 1, 1), 0.99, id="centre-1.8%"),
        pytest.param(cropped(2, 2, 2, 2), 0.99, id="centre-3.6%"),
        pytest.param(cropped(3, 3, 3, 3), 0.99, id="centre-5.4%"),
        pytest.param(cropped(3, 3, 0, 0), 0.88, id="corner-2.7%"),  # the hash loses the rest
    ],
)
def test_slightly_edited_copies_are_found(bundled, edit: Edit, recall: float) -> None:
    pictures = [picture for some in bundled.values() for picture in some[:80]]
    links = links_of(pictures + [edit(picture) for picture in pictures])
    found = np.count_nonzero(links.b - links.a == len(pictures))
    assert found / len(pictures) >= recall


def test_a_pair_is_told_once_sorted_with_its_similarity() -> None:
    generator = np.random.default_rng(0)
    first, second = (
        Image.fromarray(generator.integers(0, 256, (8, 8), dtype=np.uint8)).resize((64, 64)) for _ in range(2)
    )
    links = links_of([first, second, first, second, first])
    assert list(zip(links.a.tolist(), links.b.tolist(), strict=True)) == [(0, 2), (0, 4), (1, 3), (2, 4)]
    assert links.similarity.tolist() == [1.0] * 4


def test_the_hash_decides_who_is_compared_and_the_pixels_who_is_alike() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE), dtype=np.uint8)
    twins, others = np.repeat(grey, 2, axis=0), np.concatenate([grey, 255 - grey])
    near, far = np.array([0, 0xFFFF], np.uint64), np.array([0, 0x1FFFF], np.uint64)
    assert len(near_duplicates(near, twins, distance=16, similarity=0.99).a) == 1
    assert len(near_duplicates(far, twins, distance=16, similarity=0.99).a) == 0
    assert len(near_duplicates(near, others, distance=16, similarity=0.99).a) == 0


def test_flat_pictures_are_like_none() -> None:
    flat = [Image.new("L", (40, 40), value) for value in (0, 0, 7, 128, 255)]
    links = links_of(flat)
    assert len(links.a) == 0
    assert links.similarity.shape == (0,)


def test_of_no_pictures_there_are_no_pairs() -> None:
    empty = near_duplicates(np.empty(0, np.uint64), np.empty((0, SIDE, SIDE), np.uint8), distance=16, similarity=0.99)
    assert len(empty.a) == len(empty.b) == 0


@st.composite
def linked(draw) -> tuple[int, np.ndarray, np.ndarray]:
    count = draw(st.integers(1, 30))
    place = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(place, place), max_size=40))
    places = np.array(pairs, np.int64).reshape(-1, 2)
    return count, places[:, 0], places[:, 1]


@given(linked())
def test_groups_are_the_smallest_equivalence_relation_that_holds_the_links(case) -> None:
    count, a, b = case
    found = groups(count, a, b)
    # What is linked is together,
    assert (found[a] == found[b]).all()
    # each group is named by its smallest member,
    for name in set(found.tolist()):
        assert name == np.flatnonzero(found == name).min()
    # and what no chain of links joins is apart.
    reach = np.eye(count, dtype=bool)
    reach[a, b] = reach[b, a] = True
    for _ in range(count):
        reach = reach @ reach
    assert np.array_equal(found[:, None] == found[None, :], reach)


def test_a_long_chain_is_one_group() -> None:
    places = np.arange(999)
    assert (groups(1000, places[::-1] + 1, places[::-1]) == 0).all()
