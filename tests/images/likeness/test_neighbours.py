"""Near-duplicates are found, and merely similar images are not."""

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixmill.images.likeness.groups import MAX_NEAR_DUPLICATES, groups
from pixmill.images.likeness.hashing import SIDE, perceptual_hashes, small_grey
from pixmill.images.likeness.neighbours import VerifiedPairs, near_duplicates
from pixmill.images.likeness.similarity import Compared, correlations, views

Edit = Callable[[Image.Image], Image.Image]


def links_of(images: list[Image.Image], **options) -> VerifiedPairs:
    greys = np.stack([small_grey(np.asarray(image.convert("L"))) for image in images])
    return near_duplicates(greys, **{"distance": 16, "similarity": 0.99, **options})


@pytest.fixture(scope="module")
def bundled(bundled_images: Path) -> dict[str, list[Image.Image]]:
    """The bundled images by class."""
    found: dict[str, list[Image.Image]] = {}
    for path in sorted(bundled_images.glob("*/*.png")):
        with Image.open(path) as image:
            found.setdefault(path.parent.name, []).append(image.convert("RGB"))
    return found


def test_no_group_of_the_bundled_photographs_exceeds_five(bundled) -> None:
    images = [image for some in bundled.values() for image in some]
    labels = [label for label, some in bundled.items() for _ in some]
    links = links_of(images)
    sizes = Counter(groups(len(images), links).tolist())
    assert max(sizes.values()) <= 5
    assert len(links.a) <= 10
    assert all(labels[a] == labels[b] for a, b in zip(links.a, links.b, strict=True))


def brightened(factor: float) -> Edit:
    return lambda image: image.point(lambda value: min(255, round(value * factor)))


def cropped(left: int, top: int, right: int, bottom: int) -> Edit:
    return lambda image: image.crop((left, top, image.width - right, image.height - bottom))


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


@pytest.mark.parametrize(
    ("edit", "recall"),
    [
        pytest.param(
            lambda image: image.resize((56, 56), Image.Resampling.BICUBIC), 0.995, id="half"
        ),
        pytest.param(recompressed, 0.995, id="jpeg-40"),
        pytest.param(brightened(1.1), 0.995, id="brighter"),
        pytest.param(brightened(0.9), 0.995, id="darker"),
        pytest.param(cropped(1, 1, 1, 1), 0.99, id="centre-1.8%"),
        pytest.param(cropped(2, 2, 2, 2), 0.99, id="centre-3.6%"),
        pytest.param(cropped(3, 3, 3, 3), 0.99, id="centre-5.4%"),
        pytest.param(cropped(3, 3, 0, 0), 0.97, id="corner-2.7%"),
    ],
)
def test_slightly_edited_copies_are_found(bundled, edit: Edit, recall: float) -> None:
    images = [image for some in bundled.values() for image in some[:40]]
    links = links_of(images + [edit(image) for image in images])
    found = np.count_nonzero(links.b - links.a == len(images))
    assert found / len(images) >= recall


def by_definition(
    hashes, greys, *, distance: int, similarity: float, mirror: bool
) -> dict[tuple[int, int], float]:
    """Return all pairs with their similarity, by brute force."""
    found: dict[tuple[int, int], float] = {}
    lively = ~Compared(greys).flat
    for one in np.flatnonzero(lively).tolist():
        seen = views(greys[[one]], mirror=mirror)[0]
        scores = correlations(Compared(seen), Compared(greys))
        near = np.bitwise_count(perceptual_hashes(seen)[:, None] ^ hashes) <= distance
        best = np.where(near & (scores >= similarity) & lively, scores, 0).max(axis=0)
        for other in np.flatnonzero(best).tolist():
            if other != one:
                pair = (min(one, other), max(one, other))
                found[pair] = max(found.get(pair, 0), float(best[other]))
    return found


def pairs_of(links: VerifiedPairs) -> dict[tuple[int, int], float]:
    return dict(
        zip(
            zip(links.a.tolist(), links.b.tolist(), strict=True),
            links.similarity.tolist(),
            strict=True,
        )
    )


@st.composite
def families(draw):
    """Draw greys, some of which are slight changes of others, in random order."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 4))
    coarse = generator.integers(0, 256, (count, 6, 6), dtype=np.uint8)
    parents = np.stack(
        [
            np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            for one in coarse
        ]
    )
    some = [parents]
    for parent in parents:
        seen = views(parent[None], mirror=True)[0]
        chosen = seen[generator.integers(0, len(seen), draw(st.integers(0, 4)))].astype(np.int16)
        noise = draw(st.sampled_from([0, 3, 9]))
        some.append(
            np.clip(chosen + generator.integers(-noise, noise + 1, chosen.shape), 0, 255).astype(
                np.uint8
            )
        )
    greys = np.concatenate(some)
    return greys[generator.permutation(len(greys))]


@settings(max_examples=12)
@given(
    families(),
    st.sampled_from([0, 6, 16]),
    st.sampled_from([0.97, 0.99]),
    st.booleans(),
    st.sampled_from([0, 2]),
)
def test_pairs_match_brute_force(greys, distance, similarity, mirror, workers) -> None:
    hashes = perceptual_hashes(greys)
    options = {"distance": distance, "similarity": similarity, "mirror": mirror}
    found = near_duplicates(greys, workers=workers, **options)
    assert pairs_of(found) == by_definition(hashes, greys, **options)
    backwards = near_duplicates(greys[::-1], workers=workers, **options)
    last = len(greys) - 1
    turned = {(last - b, last - a): score for (a, b), score in pairs_of(backwards).items()}
    assert turned == pairs_of(found)


def test_mirror_images_are_near_duplicates_by_option(bundled) -> None:
    images = bundled["sneaker"][:40]
    mirrored = images + [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images]
    found = links_of(mirrored, mirror=True)
    assert np.count_nonzero(found.b - found.a == 40) == 40
    without = links_of(mirrored)
    assert np.count_nonzero(without.b - without.a == 40) == 0


def test_search_is_restricted_by_among() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
    greys = np.concatenate([noise, noise])
    links = near_duplicates(greys, distance=16, similarity=0.99, among=np.array([0, 1, 3, 5]))
    assert pairs_of(links) == {(0, 3): 1.0}


def test_one_image_represents_many(bundled) -> None:
    placeholder = np.asarray(bundled["coat"][0].resize((SIDE, SIDE)).convert("L"), np.int16)
    noise = np.random.default_rng(0).integers(-2, 3, (600, SIDE, SIDE))
    others = np.stack(
        [small_grey(np.asarray(image.convert("L"))) for image in bundled["trouser"][:50]]
    )
    greys = np.concatenate([np.clip(placeholder + noise, 0, 255).astype(np.uint8), others])
    links = near_duplicates(greys, distance=16, similarity=0.99)
    assert len(links.repeats) == 599
    assert set(links.repeats[:, 1].tolist()) == {0}
    assert (links.a >= 600).all()
    some = greys[: MAX_NEAR_DUPLICATES + 1]
    few = near_duplicates(some, distance=16, similarity=0.99)
    assert len(few.repeats) == 0


def test_flat_images_have_no_near_duplicates() -> None:
    flat = [Image.new("L", (40, 40), value) for value in (0, 0, 7, 128, 255)]
    links = links_of(flat)
    assert len(links.a) == 0
    assert links.similarity.shape == (0,)
