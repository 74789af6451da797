"""Measuring all images, with a cache."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.images import measures as measuring
from pixmill.images.likeness.hashing import perceptual_hashes
from pixmill.images.measures import measure
from pixmill.images.records import RECORD, pack
from pixmill.images.verified_reading import UndecodableError
from pixmill.validate.reasons import UNREADABLE
from pixmill.validate.survey import Survey, survey
from tests.validate.conftest import Scrape, encoded, image, shapes


def test_all_failures_fit_into_a_record() -> None:
    words = [np.frombuffer(pack(word), RECORD)[0]["failure"].decode() for word in UNREADABLE]
    assert words == list(UNREADABLE)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the number of bytes of each decode in this process."""
    seen: list[int] = []
    real = measuring.decode

    def counted(content: bytes, **options: int):
        seen.append(len(content))
        return real(content, **options)

    monkeypatch.setattr(measuring, "decode", counted)
    return seen


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def look(scrape: Scrape, scratch: Path | None = None, *, max_pixels: int = 1_000_000) -> Survey:
    manifest, _ = scrape.tables()
    return survey(manifest, scrape.folder, max_pixels=max_pixels, scratch=scratch, workers=0)


def assert_same(one: Survey, other: Survey) -> None:
    pd.testing.assert_frame_equal(one.table, other.table)
    assert np.array_equal(one.greys, other.greys)


def mixed(scrape: Scrape) -> None:
    scrape.fill("coat", 5)
    scrape.add("coat", encoded(shapes(20, side=300).convert("CMYK"), "JPEG"))
    scrape.add("coat", encoded(shapes(23).convert("L").convert("I;16"), "TIFF"))
    scrape.add("shoe", image(21, kind="JPEG", side=300)[:2000])
    scrape.add("shoe", b"a text")
    scrape.add("shoe", image(22, side=1001))


def test_rows_are_in_the_given_order(scrape: Scrape) -> None:
    mixed(scrape)
    manifest, _ = scrape.tables()
    manifest = manifest.iloc[::-1]
    found = survey(manifest, scrape.folder, max_pixels=1_000_000, workers=0)
    assert len(found.table) == len(manifest)
    for place, row in enumerate(manifest.itertuples()):
        path = scrape.folder / row.path
        line = found.table.iloc[place]
        if pd.isna(line["failure"]):
            alone = measure(path, row.id, max_pixels=1_000_000)
            for name in ("width", "height", "mode", "format", "pixels"):
                assert line[name] == getattr(alone, name)
            assert line["short_side"] == min(alone.width, alone.height)
            assert line["aspect_ratio"] == np.float32(alone.width / alone.height)
            for name in ("brightness", "contrast", "sharpness", "entropy", "border"):
                assert line[name] == np.float32(getattr(alone, name))
            hashed = perceptual_hashes(alone.grey[None])[0]
            assert int(line["phash"], 16) == hashed
            assert np.array_equal(found.greys[place], alone.grey)
        else:
            with pytest.raises(UndecodableError, match=f"^{line['failure']}"):
                measure(path, row.id, max_pixels=1_000_000)
    assert sorted(found.table["failure"].dropna()) == ["too_many_pixels", "truncated", "unknown"]


def test_decodes_each_image_once(scrape: Scrape, scratch: Path, decoded: list[int]) -> None:
    mixed(scrape)
    first = look(scrape, scratch)
    assert len(decoded) == 10
    assert_same(look(scrape, scratch), first)
    assert len(decoded) == 10
    scrape.fill("shoe", 2, start=50)
    look(scrape, scratch)
    assert len(decoded) == 12


def test_images_of_more_than_8_bits_share_a_window(
    scrape: Scrape, scratch: Path, decoded: list[int]
) -> None:
    scrape.fill("coat", 1)
    grey = np.asarray(shapes(1).convert("L"), np.uint16)
    for scale in (1, 4, 16):
        scrape.add("coat", encoded(Image.fromarray(grey * scale), "PNG"))
    found = look(scrape, scratch)
    assert (found.window, len(found.values)) == ((0, 4_095), 3)
    bright = found.table.loc[found.table["mode"] == "I;16", "brightness"].sort_values()
    np.testing.assert_allclose(bright, grey.mean() / (16, 4, 1), atol=0.5)
    # Only images whose own window differs are decoded twice.
    assert len(decoded) == 4 + 2
    assert_same(look(scrape, scratch), found)
    assert len(decoded) == 6
    assert_same(look(scrape), found)
    manifest, _ = scrape.tables()
    given = survey(
        manifest, scrape.folder, max_pixels=1_000_000, window=(0, 255), scratch=scratch, workers=0
    )
    assert given.window == (0, 255)
    assert given.table["brightness"].max() > found.table["brightness"].max()


def test_cache_depends_on_max_pixels(scrape: Scrape, scratch: Path) -> None:
    scrape.add("coat", image(1, side=300))
    assert look(scrape, scratch).table["failure"].isna().all()
    assert look(scrape, scratch, max_pixels=1000).table["failure"].tolist() == ["too_many_pixels"]


def test_detects_missing_and_changed_files_despite_cache(
    scrape: Scrape, scratch: Path, decoded: list[int]
) -> None:
    gone, changed = scrape.fill("coat", 2)
    tables = scrape.tables()[0]
    first = look(scrape, scratch)
    kept = scrape.path(gone).read_bytes()
    scrape.path(changed).write_bytes(image(3))
    path = scrape.path(gone)
    path.unlink()
    found = survey(tables, scrape.folder, max_pixels=1_000_000, scratch=scratch, workers=0).table
    assert dict(zip(tables["id"], found["failure"], strict=True)) == {
        gone: "missing_file",
        changed: "changed_bytes",
    }
    path.write_bytes(kept)
    scrape.path(changed).write_bytes(image(1))
    assert_same(
        survey(tables, scrape.folder, max_pixels=1_000_000, scratch=scratch, workers=0), first
    )
    assert len(decoded) == 2


def test_no_images_give_an_empty_table_of_the_same_types(scrape: Scrape, scratch: Path) -> None:
    found = look(scrape, scratch)
    assert len(found.table) == len(found.greys) == 0
    scrape.fill("coat", 1)
    pd.testing.assert_series_equal(found.table.dtypes, look(scrape).table.dtypes)


KILLED = """
import sys
from pathlib import Path
import pandas as pd
from pixmill.validate import survey as module
module._CHUNK = 4
rows = pd.read_parquet(sys.argv[1])
module.survey(rows, Path(sys.argv[2]), max_pixels=10_000_000, scratch=Path(sys.argv[3]), workers=0)
"""


def test_killed_pass_is_resumed(
    scrape: Scrape, scratch: Path, tmp_path: Path, decoded: list[int]
) -> None:
    for seed in range(24):
        scrape.add("coat", image(seed, side=1200, kind="JPEG"))
    manifest, _ = scrape.tables()
    manifest.to_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, "-c", KILLED, tmp_path / "rows.parquet", scrape.folder, scratch]

    def written() -> bool:
        return any(path.stat().st_size > 30_000 for path in scratch.glob("measures-*.sqlite"))

    with subprocess.Popen(command) as process:
        while not written():
            # It may have finished since the last check.
            assert process.poll() is None or written()
            time.sleep(0.005)
        process.kill()
    again = survey(manifest, scrape.folder, max_pixels=10_000_000, scratch=scratch, workers=0)
    assert len(decoded) <= 20
    assert_same(again, survey(manifest, scrape.folder, max_pixels=10_000_000, workers=0))
