"""Make a synthetic manifest, and take it through one stage of Pixmill without decoding images."""

import argparse
import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pixmill.core.manifest import PAIRS, SCRAPED, SIGHTINGS, VALIDATED, read_table, write_table
from pixmill.core.params import SplitParams, ValidateParams
from pixmill.images.likeness.groups import Indices, VerifiedPairs
from pixmill.images.likeness.hashing import perceptual_hashes
from pixmill.images.likeness.neighbours import near_duplicates
from pixmill.split.splitting import split
from pixmill.validate import validation
from pixmill.validate.sightings import SEEN
from pixmill.validate.statistics import metrics
from pixmill.validate.survey import Survey
from pixmill.validate.validation import validate

TEXT = pd.StringDtype("pyarrow", na_value=pd.NA)
CHUNK = 10_000


def classes_of(count: int) -> tuple[str, ...]:
    """Return up to a hundred classes, each with enough images for all splits."""
    return tuple(f"class {number:02}" for number in range(min(100, count // 50)))


def main() -> None:
    """Run one phase, and print its seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--phase", choices=["make", "validate", "split"], required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    # The import time does not depend on the number of images.
    importlib.import_module("great_expectations")
    phase = {"make": make, "validate": take_through_validate, "split": take_through_split}[
        arguments.phase
    ]
    print(json.dumps(phase(arguments.folder, arguments.count)))


def make(folder: Path, count: int) -> dict[str, float]:
    """Write the tables of scrape and of the pass over the images."""
    start = time.perf_counter()
    dice = np.random.default_rng(1)
    ids = sorted(digests(dice, count))
    classes = dice.integers(0, len(classes_of(count)), count)
    originals = np.arange(count)
    # Of a hundred images, two are copies and two near-duplicates, 99 % of them within their class.
    copies, near = (dice.random((2, count)) < 0.02) & (originals > count // 10)
    for some in (copies, near):
        originals[some] = dice.integers(0, count // 10, some.sum())
        right = some & (dice.random(count) < 0.99)
        classes[right] = classes[originals[right]]
    labels = pa.array(np.array(classes_of(count), dtype=object)[classes], pa.string())
    manifest = pd.DataFrame(
        {
            "id": text(ids),
            "label": text(labels),
            "path": text([f"images/{name[:2]}/{name}.jpg" for name in ids]),
            "bytes": dice.integers(10_000, 90_000, count),
            "image_url": text(
                [f"https://example.org/media/products/{name[:24]}.jpg" for name in ids]
            ),
            "page_url": text([f"https://example.org/products/{name[24:40]}" for name in ids]),
        }
    )
    manifest = manifest.assign(**{name: same(word, count) for name, word in ALIKE.items()})
    write_table(folder / "manifest.parquet", manifest[SCRAPED.names], SCRAPED)
    write_sightings(folder, manifest, dice)
    write_surveyed(folder, dice, originals, copies)
    return {"seconds": time.perf_counter() - start}


ALIKE = {
    "format": "jpeg", "source": "site:example", "query": None, "licence": None, "author": None, "given_split": None,
    "snapshot": "2026-11-20",
}  # fmt: skip


def write_sightings(folder: Path, manifest: pd.DataFrame, dice: np.random.Generator) -> None:
    """Write eleven sightings for every ten images, and one image that is seen everywhere."""
    again = dice.integers(0, len(manifest), len(manifest) // 10)
    everywhere = np.zeros(len(manifest) // 100, np.int64)
    rows = np.concatenate([np.arange(len(manifest)), again, everywhere])
    table = manifest.iloc[rows][["id", "label", "source", "page_url", "image_url"]].reset_index(
        drop=True
    )
    beyond = table.index >= len(manifest)
    table.loc[beyond, "image_url"] = (
        table.loc[beyond, "image_url"] + "?" + table.index[beyond].astype(str)
    )
    for field in SIGHTINGS:
        if field.name not in table:
            table[field.name] = {"rank": 0, "thumbnail": False}.get(field.name)
    write_table(folder / "sightings.parquet", table[SIGHTINGS.names], SIGHTINGS)


def write_surveyed(
    folder: Path,
    dice: np.random.Generator,
    originals: npt.NDArray[np.int64],
    copies: npt.NDArray[np.bool_],
) -> None:
    """Write the measures of the images."""
    count = len(originals)
    greys = np.lib.format.open_memmap(folder / "greys.npy", "w+", np.uint8, (count, 32, 32))
    hashes = np.empty(count, np.uint64)
    for start in range(0, count, CHUNK):
        rows = np.arange(start, min(start + CHUNK, count))
        greys[rows] = drawn(originals[rows], rows)
        hashes[rows] = perceptual_hashes(greys[rows])
    pixels = np.array(list(digests(dice, count)), dtype=object)
    pixels[copies] = pixels[originals[copies]]
    measure = {
        name: dice.uniform(low, high, count).astype(np.float32)
        for name, (low, high) in MEASURES.items()
    }
    pd.DataFrame(
        {
            "width": pd.array(np.full(count, 640), dtype="Int32"),
            "height": pd.array(np.full(count, 480), dtype="Int32"),
            "short_side": pd.array(np.full(count, 480), dtype="Int32"),
            "aspect_ratio": np.full(count, 640 / 480, np.float32),
            "mode": same("RGB", count),
            "unused": np.zeros(count, dtype="i4"),
            "pixels": text(pixels),
            "phash": text([f"{value:016x}" for value in hashes.tolist()]),
            **measure,
            "format": same("jpeg", count),
            "failure": text([None] * (count - count // 100) + ["truncated"] * (count // 100)),
        }
    ).to_parquet(folder / "surveyed.parquet")


MEASURES = {
    "brightness": (0, 255), "contrast": (0, 90), "sharpness": (0, 900), "entropy": (0, 8), "border": (0, 1)
}  # fmt: skip


def drawn(originals: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return grey thumbnails of smooth shapes, unique except for near-duplicates, which differ by a little noise."""
    waves = np.cos(np.pi * np.arange(8)[:, None] * (2 * np.arange(32)[None, :] + 1) / 64)
    falling = 1 / (1 + np.add.outer(np.arange(8), np.arange(8)))
    shapes = (
        np.stack([np.random.default_rng(seed).normal(size=(8, 8)) for seed in originals.tolist()])
        * falling
    )
    values = 128 + 45 * (waves.T @ shapes @ waves)
    noise = (
        np.random.default_rng(rows[0]).normal(size=values.shape)
        * (originals != rows)[:, None, None]
    )
    return np.clip(np.rint(values + noise), 0, 255).astype(np.uint8)


def take_through_validate(folder: Path, count: int) -> dict[str, float]:
    """Run validate; the near-duplicate searches are timed separately."""
    manifest = read_table(folder / "manifest.parquet", SCRAPED, stage="scrape")
    sightings = read_table(folder / "sightings.parquet", SIGHTINGS, stage="scrape", columns=SEEN)
    table = pd.read_parquet(folder / "surveyed.parquet")
    texts = [name for name in table if pd.api.types.is_string_dtype(table[name])]
    table = table.astype(dict.fromkeys(texts, TEXT))
    unread = table["failure"].notna()
    table.loc[unread, ["width", "height", "short_side", "pixels", "phash", "mode"]] = pd.NA
    surveyed = Survey(
        table,
        greys=np.load(folder / "greys.npy", mmap_mode="r"),
        values=np.empty((0, 0), np.float32),
        window=None,
    )
    compare = SearchInTwo(near_duplicates)
    validation.near_duplicates = compare  # type: ignore[assignment]
    validation.survey = lambda *_, **__: surveyed  # type: ignore[assignment]
    start = time.perf_counter()
    found = validate(
        manifest,
        sightings,
        classes=classes_of(count),
        params=ValidateParams(),
        folder=folder,
        scratch=folder,
    )
    numbers = metrics(found)
    seconds = time.perf_counter() - start
    write_table(folder / "validated.parquet", found.manifest, VALIDATED)
    write_table(folder / "pairs.parquet", found.pairs, PAIRS)
    assert numbers["n"] == count
    assert not numbers["gate"]["placeholders"]
    return {
        "seconds": seconds,
        "duplicates": compare.most,
        "more": compare.more,
        "gate": seconds - compare.all,
        "pairs": len(found.pairs),
    }


MORE = 1_000
"""Images that come after the others, a twentieth at most."""


class SearchInTwo:
    """A near-duplicate search from nothing among most images, and one that continues it with the rest.

    Both are timed. The result must be that of one search from nothing, which is checked for few images.
    """

    def __init__(self, search: Callable[..., VerifiedPairs]) -> None:
        self.search = search
        self.most = 0.0
        self.more = 0.0
        self.all = 0.0

    def __call__(
        self, *arguments: Any, among: Indices, cache: Path, **options: Any
    ) -> VerifiedPairs:
        """Return the near-duplicates."""
        first = np.ones(len(among), bool)
        more = min(MORE, len(among) // 20)
        first[np.linspace(0, len(among) - 1, more).astype(np.int64)] = False
        start = time.perf_counter()
        self.search(*arguments, among=among[first], cache=cache, **options)
        between = time.perf_counter()
        links = self.search(*arguments, among=among, cache=cache, **options)
        self.most += between - start
        self.more += time.perf_counter() - between
        if len(among) <= 10 * MORE:
            anew = self.search(*arguments, among=among, **options)
            for name, values in vars(links).items():
                np.testing.assert_array_equal(values, getattr(anew, name))
        self.all += time.perf_counter() - start
        return links


def take_through_split(folder: Path, count: int) -> dict[str, float]:
    """Run split, and check that nothing leaks."""
    manifest = read_table(folder / "validated.parquet", VALIDATED, stage="validate")
    pairs = read_table(folder / "pairs.parquet", PAIRS, stage="validate")
    start = time.perf_counter()
    found = split(manifest, pairs, SplitParams(), classes=classes_of(count))
    seconds = time.perf_counter() - start
    assert len(found.manifest) == count
    assert [outcome.check.name for outcome in found.outcomes if not outcome.success] == []
    return {"seconds": seconds}


def digests(dice: np.random.Generator, count: int) -> list[str]:
    """Return random ids in the form of SHA-256."""
    content = dice.bytes(32 * count)
    return [content[start : start + 32].hex() for start in range(0, len(content), 32)]


def text(values: object) -> pd.api.extensions.ExtensionArray:
    """Return a string column."""
    return pd.array(values, dtype=TEXT)  # type: ignore[call-overload]


def same(word: str | None, count: int) -> pd.api.extensions.ExtensionArray:
    """Return a string column with one value."""
    return text(pa.repeat(pa.scalar(word, pa.string()), count))


if __name__ == "__main__":
    main()
