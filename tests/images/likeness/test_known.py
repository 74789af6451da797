"""A search that continues an earlier one finds the same as one from nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.images.likeness import neighbours
from pixmill.images.likeness.hashing import SIDE
from pixmill.images.likeness.known import Known, digest_images
from pixmill.images.likeness.neighbours import VerifiedPairs, near_duplicates
from pixmill.images.likeness.similarity import views


def drawn(generator: np.random.Generator, count: int) -> np.ndarray:
    """Return smooth random greys without near-duplicates."""
    coarse = generator.integers(0, 256, (count, 6, 6), dtype=np.uint8)
    large = [Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for one in coarse]
    return np.stack([np.asarray(one) for one in large])


def populated(generator: np.random.Generator) -> np.ndarray:
    """Return images, crops, brightened and mirrored ones, a flood of one, copies and flat ones."""
    base = drawn(generator, 80)
    seen = views(base[:30], mirror=True)
    edited = seen[np.arange(30)[:, None], generator.integers(0, seen.shape[1], (30, 3))]
    noise = generator.integers(-2, 3, (130, SIDE, SIDE))
    flood = np.clip(base[5].astype(np.int16) + noise, 0, 255).astype(np.uint8)
    flat = np.full((3, SIDE, SIDE), 7, np.uint8)
    everything = np.concatenate([base, edited.reshape(-1, SIDE, SIDE), flood, base[:6], flat])
    return everything[generator.permutation(len(everything))]


def search(greys: np.ndarray, **options) -> VerifiedPairs:
    return near_duplicates(greys, **{"distance": 16, "similarity": 0.99, **options})


def assert_equal(some: VerifiedPairs, others: VerifiedPairs) -> None:
    for name, values in vars(some).items():
        np.testing.assert_array_equal(values, getattr(others, name), strict=True)


def assert_sequence_agrees(seed: int, path: Path) -> None:
    """Search after each of some random additions and removals, with the file and without."""
    generator = np.random.default_rng(seed)
    pool = populated(generator)
    present = generator.random(len(pool)) < 0.6
    for _ in range(5):
        greys = pool[present]
        options = {
            "mirror": seed % 2 == 1,
            "protected": generator.random(len(greys)) < 0.1,
            "among": np.flatnonzero(generator.random(len(greys)) < 0.97),
            "workers": 1,
        }
        assert_equal(search(greys, cache=path, **options), search(greys, **options))
        present ^= generator.random(len(pool)) < generator.choice([0.01, 0.05])


@pytest.fixture
def always_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    """Continue a search even if half of the images are new, as few fit into a quick test."""
    monkeypatch.setattr(neighbours, "_MAX_NEW", 0.7)


@pytest.mark.usefixtures("always_continued")
@pytest.mark.parametrize("seed", range(4))
def test_continued_search_equals_one_from_nothing(seed: int, tmp_path: Path) -> None:
    assert_sequence_agrees(seed, tmp_path / "known.npz")


@pytest.mark.slow
@pytest.mark.usefixtures("always_continued")
@pytest.mark.parametrize("seed", range(4, 50))
def test_many_continued_searches_equal_one_from_nothing(seed: int, tmp_path: Path) -> None:
    assert_sequence_agrees(seed, tmp_path / "known.npz")


def test_only_views_that_may_match_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    greys = drawn(np.random.default_rng(0), 400)
    path = tmp_path / "known.npz"
    search(greys[:-2], cache=path)
    made = []
    monkeypatch.setattr(
        neighbours,
        "views",
        lambda some, **options: made.append(len(some)) or views(some, **options),
    )
    search(greys, cache=path)
    assert sum(made) < 20
    made.clear()
    search(greys, cache=path)
    assert made == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="truncated"),
        pytest.param(lambda _: b"other" * 99, id="foreign"),
    ],
)
def test_damaged_file_is_made_again(content, tmp_path: Path) -> None:
    greys = populated(np.random.default_rng(1))
    path = tmp_path / "known.npz"
    expected = search(greys, cache=path)
    whole = path.read_bytes()
    path.write_bytes(content(whole))
    assert_equal(search(greys, cache=path), expected)
    assert path.read_bytes() == whole


def test_a_changed_byte_has_no_effect(tmp_path: Path) -> None:
    greys = drawn(np.random.default_rng(1), 3)
    digests = digest_images(greys)
    path = tmp_path / "known.npz"
    some = Known(np.arange(3, dtype=np.float32), np.array([[0, 1], [1, 0]]), np.ones(2))
    some.write(path, digests, np.arange(3))
    whole = path.read_bytes()
    kept = Known.read(path, digests, np.arange(3))
    for place in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        found = Known.read(path, digests, np.arange(3))
        expected = kept if np.isfinite(found.radii).any() else Known.nothing(3)
        for name, values in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), values)


def test_other_options_have_other_matches(tmp_path: Path) -> None:
    greys = populated(np.random.default_rng(1))
    path = tmp_path / "known.npz"
    search(greys, cache=path)
    for options in ({"similarity": 0.95}, {"distance": 4}, {"mirror": True}):
        assert_equal(search(greys, cache=path, **options), search(greys, **options))


def test_of_equal_images_one_is_known(tmp_path: Path) -> None:
    greys = drawn(np.random.default_rng(0), 30)
    path = tmp_path / "known.npz"
    for copies in (0, 1, 3, 2, 0):
        some = np.concatenate([greys[:1]] * copies + [greys])
        assert_equal(search(some, cache=path), search(some))


_WRITES = """
import sys
from pathlib import Path
from tests.images.likeness.test_known import drawn, search
import numpy as np
greys = drawn(np.random.default_rng(0), 300)
count = 100
print("ready", flush=True)
while True:
    search(greys[:count], cache=Path(sys.argv[1]), workers=1)
    count = 100 + (count - 99) % 200
"""


@pytest.mark.slow
def test_kill_at_any_moment_leaves_a_usable_file(tmp_path: Path) -> None:
    greys = drawn(np.random.default_rng(0), 300)
    expected = search(greys)
    path = tmp_path / "known.npz"
    generator = np.random.default_rng()
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITES, path], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        with process, process.stdout as output:
            assert output.readline() == "ready\n"
            time.sleep(generator.uniform(0, 0.5))
            os.kill(process.pid, signal.SIGKILL)
        assert_equal(search(greys, cache=path), expected)
    assert [file.name for file in tmp_path.iterdir()] == ["known.npz"]
