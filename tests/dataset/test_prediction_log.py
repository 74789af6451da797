"""Logs of predictions: what is written, what survives, and what is deleted."""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixmill.core.cells import render_cells
from pixmill.core.errors import DataError
from pixmill.dataset import log_writer
from pixmill.dataset.log_writer import PredictionLog
from pixmill.dataset.prediction_log import (
    find_images,
    forget_logged,
    read_log,
    read_rows,
    record_log,
    recorded_logs,
    row_files,
)
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer
from pixmill.models.observation import Observation
from tests.images.samples import encoded, shapes
from tests.version_control import commit, git, start_repository

MODEL = {"name": "hats", "version": "1", "digest": "d", "labels": ["a", "b"], "task": "one_label"}
OBSERVED = Observation(40, 30, 1200, 99.5, 3.25, 0.5, bytes(range(64)))


def digest(number: int) -> str:
    return hashlib.sha256(f"{number}".encode()).hexdigest()


def answer(name: str | None, **changed: Any) -> Answer:
    given = {"confidence": 0.75, "sure": True, "unlike": False, **changed}
    return Answer(name, Prediction("a", probabilities=np.array([0.75, 0.25]), **given), OBSERVED)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in row_files(folder) for row in read_rows(path)[1].to_pylist()]


def ids(folder: Path) -> list[str]:
    return [row["id"] for row in rows(folder)] if folder.exists() else []


def wait_for(is_so: Callable[[], bool]) -> None:
    latest = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < latest
        time.sleep(0.01)


def written(folder: Path) -> list[str]:
    """Return the ids that a running writer has written."""
    return ids(folder) if any(folder.glob("*/[0-9]*.parquet")) else []


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write every few milliseconds."""
    monkeypatch.setattr(log_writer, "_SECONDS", 0.005)


def test_a_row_has_answer_measures_and_the_answer_of_a_second_model(tmp_path: Path) -> None:
    cells = Prediction("a", 0.6, labels={"a": True, "b": False}, sure_labels={"a": None, "b": None})
    before = datetime.now(UTC)
    with PredictionLog(tmp_path / "log") as log:
        log.add(MODEL, answer(digest(1)), shadow=answer(digest(1)))
        log.add(MODEL, Answer(None, Prediction(reason="svg")))
        log.add(MODEL | {"digest": "e"}, Answer(digest(2), cells, OBSERVED))
    (about, first), (other, last) = read_log(tmp_path / "log")
    assert (about, other["digest"]) == (MODEL, "e")
    image, broken = first.to_pylist()
    assert before <= image.pop("time") + timedelta(milliseconds=1) <= datetime.now(UTC)
    assert image == {
        "id": digest(1),
        "predicted": "a",
        "confidence": 0.75,
        "sure": True,
        "unlike": False,
        "probabilities": [0.75, 0.25],
        "reason": None,
        "width": 40,
        "height": 30,
        "bytes": 1200,
        "brightness": 99.5,
        "sharpness": 3.25,
        "novelty": 0.5,
        "vector": bytes(range(64)),
        "shadow": "a",
    }
    assert {name for name, value in broken.items() if value is not None} == {"time", "reason"}
    assert last["predicted"].to_pylist() == [render_cells({"a": True})]


def test_a_share_of_images_by_their_ids(tmp_path: Path) -> None:
    with PredictionLog(tmp_path, share=0.3) as log:
        for number in range(200):
            log.add(MODEL, answer(digest(number)))
            log.add(MODEL, Answer(None, Prediction(reason="timeout")))
    found = rows(tmp_path)
    seen = {row["id"] for row in found} - {None}
    assert seen == {name for name in map(digest, range(200)) if int(name[:8], 16) / 2**32 < 0.3}
    assert 30 < sum(row["id"] is None for row in found) < 90


def test_keeps_images_only_if_asked_for_and_unchanged(tmp_path: Path) -> None:
    content = encoded(shapes(1, 40, 30), "png")
    name = hashlib.sha256(content).hexdigest()
    for images in (False, True):
        with PredictionLog(tmp_path / str(images), images=images) as log:
            log.add(MODEL, answer(name), lambda: content)
            log.add(MODEL, answer(digest(1)), lambda: content)  # The file was replaced.
            log.add(MODEL, answer(digest(2)), lambda: Prediction(reason="unreadable"))
            log.add(MODEL, Answer(name, Prediction(reason="truncated")), lambda: content)
    assert find_images(tmp_path / "False") == {}
    (kept,) = find_images(tmp_path / "True").items()
    assert (kept[0], kept[1].read_bytes(), kept[1].suffix) == (name, content, ".png")


def test_rows_are_on_disk_within_a_second(tmp_path: Path) -> None:
    with PredictionLog(tmp_path) as log:
        for number in range(3):
            log.add(MODEL, answer(digest(number)))
            added = time.monotonic()
            wait_for(lambda number=number: len(written(tmp_path)) > number)
            assert time.monotonic() - added < 3  # On a busy machine.
        assert len(list(tmp_path.glob("*/*.parquet"))) == 1


@pytest.mark.usefixtures("often")
def test_a_full_disk_stops_nobody_and_loses_nothing_that_fits_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_writer, "_MAX_ROWS", 21)
    calls = []

    def fail(*_: object, **__: object) -> None:
        calls.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    with PredictionLog(tmp_path) as log:
        with monkeypatch.context() as full:
            full.setattr(pq, "write_table", fail)
            for number in range(100):
                log.add(MODEL, answer(digest(number)))
            wait_for(lambda: len(calls) > 3)
        assert sum(len(record.args) == 1 for record in caplog.records) == 1
        wait_for(lambda: len(written(tmp_path)) > 0)
        log.add(MODEL, answer(digest(100)))
    assert ids(tmp_path) == [digest(number) for number in [*range(21), 100]]
    assert not list(tmp_path.glob("*/.part-*"))


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("what", ["file", "day"])
def test_goes_on_after_somebody_deleted_files(tmp_path: Path, what: str) -> None:
    with PredictionLog(tmp_path) as log:
        log.add(MODEL, answer(digest(1)))
        wait_for(lambda: written(tmp_path) == [digest(1)])
        (path,) = tmp_path.glob("*/*.parquet")
        path.unlink()
        if what == "day":
            path.parent.rmdir()
        log.add(MODEL, answer(digest(2)))
    assert ids(tmp_path) == [digest(2)]


@pytest.mark.usefixtures("often")
def test_several_writers_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "_ROWS", 7)
    with PredictionLog(tmp_path) as first, PredictionLog(tmp_path) as second:
        for number in range(60):
            (first, second)[number % 2].add(MODEL, answer(digest(number)))
            time.sleep(0.001)
    assert sorted(ids(tmp_path)) == sorted(map(digest, range(60)))
    sizes = [len(table) for _, table in read_log(tmp_path)]
    assert max(sizes) == 7


def test_rows_stay_in_order_if_the_clock_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        hour_of_next = 13

        @classmethod
        def now(cls, _: object = None) -> datetime:
            cls.hour_of_next -= 1
            return datetime(2026, 11, 30, cls.hour_of_next, tzinfo=UTC)

    monkeypatch.setattr(log_writer, "datetime", Clock)
    monkeypatch.setattr(log_writer, "_ROWS", 1)
    with PredictionLog(tmp_path) as log:
        for number in range(4):
            log.add(MODEL, answer(digest(number)))
    found = rows(tmp_path)
    assert [row["id"] for row in found] == [digest(number) for number in range(4)]
    assert found[0]["time"] == datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert len(list(tmp_path.glob("2026-11-30/12*.parquet"))) == 4


def test_a_file_for_each_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        moment = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)

        @classmethod
        def now(cls, _: object = None) -> datetime:
            cls.moment += timedelta(seconds=2)
            return cls.moment - timedelta(seconds=2)

    monkeypatch.setattr(log_writer, "datetime", Clock)
    with PredictionLog(tmp_path) as log:
        for number in range(3):
            log.add(MODEL, answer(digest(number)))
    days = [path.parent.name for path in sorted(tmp_path.glob("*/*.parquet"))]
    assert days == ["2026-11-30", "2026-12-01"]
    assert ids(tmp_path) == [digest(number) for number in range(3)]


def test_deletes_the_oldest_files_of_its_own_if_it_is_too_large(tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("photos/1.png", "2026-01-01/table.parquet", "a.parquet")]
    old = [
        tmp_path / "2026-01-01/000000.000000-1.parquet",
        tmp_path / f"2026-01-01/images/{digest(1)}.png",
        tmp_path / f"2026-01-02/images/{digest(1)}.png",
    ]
    for path in [*others, *old]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100_000))
        os.utime(path, (1, 1))
    with PredictionLog(tmp_path, max_bytes=120_000) as log:
        log.add(MODEL, answer(digest(2)))
    assert [path.exists() for path in others] == [True] * 3
    assert sum(path.exists() for path in old) == 1
    assert len(list(tmp_path.glob("*/*.parquet"))) >= 2


@pytest.mark.usefixtures("often")
def test_forgets_rows_and_images_while_a_server_writes(tmp_path: Path) -> None:
    content = encoded(shapes(1, 40, 30), "png")
    name = hashlib.sha256(content).hexdigest()
    pq.write_table(pa.table({"id": [name, digest(1)]}), tmp_path / "watched-d.parquet")
    pq.write_table(pa.table({"image": [name]}), tmp_path / "other.parquet")
    with PredictionLog(tmp_path, images=True) as log:
        log.add(MODEL, answer(name), lambda: content)
        log.add(MODEL, answer(digest(1)))
        wait_for(lambda: len(written(tmp_path)) == 2 and len(find_images(tmp_path)) == 1)
        (path,) = tmp_path.glob("*/images/*")
        (path.parent / f".part-1-2-{path.name}").write_bytes(content)  # of a killed server
        (tmp_path / ".part-1-2-watched-d.parquet").write_bytes(b"")
        assert forget_logged(tmp_path, {name}) == []
        assert not list(tmp_path.rglob(".part-*"))
        log.add(MODEL, answer(digest(2)))
    assert ids(tmp_path) == [digest(1), digest(2)]
    assert {about["digest"] for about, _ in read_log(tmp_path)} == {"d"}
    assert list(tmp_path.glob("*/images/*")) == []
    assert pq.read_table(tmp_path / "watched-d.parquet")["id"].to_pylist() == [digest(1)]
    assert pq.read_table(tmp_path / "other.parquet").num_rows == 1


def test_names_what_forgetting_cannot_reach_and_goes_on(tmp_path: Path) -> None:
    with PredictionLog(tmp_path / "log") as log:
        log.add(MODEL, answer(digest(1)))
    (path,) = (tmp_path / "log").glob("*/*.parquet")
    broken = path.with_name("000000.000000-1.parquet")
    broken.write_bytes(b"PAR1")
    (text,) = forget_logged(tmp_path / "log", {digest(1)})
    assert str(broken) in text
    assert len(pq.read_table(path)) == 0
    (text,) = forget_logged(tmp_path / "gone", {digest(1)})
    assert str(tmp_path / "gone") in text
    assert not (tmp_path / "gone").exists()


@pytest.mark.slow
def test_files_of_others_cost_little_and_do_no_harm(tmp_path: Path) -> None:
    with PredictionLog(tmp_path) as log:
        log.add(MODEL, answer(digest(1)))
    (path,) = row_files(tmp_path)
    bomb = path.with_name("000000.000000-1.parquet")
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), ["x" * 10_000_000])
    table = pa.concat_tables([pq.read_table(path)] * 300)
    table = table.set_column(table.schema.get_field_index("reason"), "reason", long)
    pq.write_table(table, bomb, compression="zstd", store_schema=False)
    assert bomb.stat().st_size < 10_000
    for name in ("000001.000000-1.parquet", f"images/{digest(2)}.png"):
        link = path.parent / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(link)
    assert (row_files(tmp_path), find_images(tmp_path)) == ([bomb, path], {})
    with pytest.raises(DataError, match=bomb.name):
        [*read_log(tmp_path)]
    (text,) = forget_logged(tmp_path, {digest(1), digest(2)})
    assert bomb.name in text
    bomb.unlink()
    assert [len(table) for _, table in read_log(tmp_path)] == [0]
    assert not link.is_symlink()
    link.symlink_to(link)
    with PredictionLog(tmp_path, max_bytes=1) as log:
        log.add(MODEL, answer(digest(3)))
    assert ids(tmp_path) == [digest(3)]


def test_drops_images_but_no_rows_if_the_disk_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    contents = [encoded(shapes(number, 40, 30), "png") for number in range(9)]
    names = [hashlib.sha256(content).hexdigest() for content in contents]
    size = max(map(len, contents))
    monkeypatch.setattr(log_writer, "_MAX_WAITING", 3 * size)
    monkeypatch.setattr(log_writer, "_SECONDS", 60)
    with PredictionLog(tmp_path, images=True) as log:
        with log_writer.hold_log(tmp_path):
            for name, content in zip(names, contents, strict=True):
                log.add(MODEL, answer(name), lambda content=content: content)  # type: ignore[misc]
        wait_for(lambda: len(written(tmp_path)) == 9)  # long before a minute is over
    assert ids(tmp_path) == names
    kept = len(find_images(tmp_path))
    assert 3 <= kept < 9
    assert [record.args for record in caplog.records] == [{"rows": 0, "images": 9 - kept}]


@pytest.mark.usefixtures("often")
def test_an_image_that_does_not_fit_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    contents = [encoded(shapes(number, 40 + 100 * (number == 1), 30), "png") for number in range(3)]
    names = [hashlib.sha256(content).hexdigest() for content in contents]

    def write(path: Path, content: bytes) -> None:
        if content == contents[1]:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    with PredictionLog(tmp_path, images=True) as log:
        monkeypatch.setattr(log_writer, "write_bytes", write)
        for name, content in zip(names, contents, strict=True):
            log.add(MODEL, answer(name), lambda content=content: content)  # type: ignore[misc]
    assert ids(tmp_path) == names
    assert {*find_images(tmp_path)} == {names[0], names[2]}
    assert [record.args for record in caplog.records] == [{"rows": 0, "images": 1}]
    assert log._held == 0


@pytest.mark.usefixtures("often")
def test_a_full_disk_makes_the_log_delete_its_oldest_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with PredictionLog(tmp_path, max_bytes=120_000) as log:
        log.add(MODEL, answer(digest(1)))
        wait_for(lambda: written(tmp_path) == [digest(1)])
        for place in range(2):  # of another process
            path = tmp_path / f"2026-01-0{place + 1}/000000.000000-1.parquet"
            path.parent.mkdir()
            path.write_bytes(bytes(100_000))
            os.utime(path, (1, place + 1))
        with monkeypatch.context() as full:
            full.setattr(pq, "write_table", fail)
            log.add(MODEL, answer(digest(2)))
            wait_for(lambda: not list(tmp_path.glob("2026-01-01/*.parquet")))
        assert path.exists()
        path.unlink()
    assert ids(tmp_path) == [digest(1), digest(2)]


def damages() -> Iterator[Callable[[bytes], bytes]]:
    yield lambda _: b""
    yield lambda whole: whole[: len(whole) // 2]
    yield lambda whole: whole[:100] + b"\xff" * 100 + whole[200:]
    yield lambda whole: whole[:-200] + b"\xff" * 150 + whole[-50:]


@pytest.mark.parametrize("damage", [*damages()])
def test_broken_file(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    with PredictionLog(tmp_path) as log:
        log.add(MODEL, answer(digest(1)))
    (path,) = tmp_path.glob("*/*.parquet")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as raised:
        rows(tmp_path)
    assert str(path) in raised.value.message


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", [None, "../" * 21 + "a"]),
        ("id", [None, "A" * 64]),
        ("id", None),
        ("time", [None, datetime(2026, 11, 30, tzinfo=UTC)]),
        ("confidence", [0.5, float("nan")]),
        ("confidence", [None, "high"]),
        ("probabilities", [[0.5, 0.5], [0.5, float("nan")]]),
        ("probabilities", [[0.5, 0.5], [0.5, None]]),
        ("probabilities", [[0.5, 0.5], [1.0]]),
        ("vector", [bytes(64), bytes(63)]),
    ],
)
def test_wrong_values(tmp_path: Path, name: str, values: list[Any] | None) -> None:
    with PredictionLog(tmp_path) as log:
        for number in range(2):
            log.add(MODEL, answer(digest(number)))
    (path,) = tmp_path.glob("*/*.parquet")
    table = pq.read_table(path)
    changed = table.drop_columns([name])
    if values is not None:
        changed = changed.append_column(name, pa.array(values))
    pq.write_table(changed, path)
    with pytest.raises(DataError, match="not an intact log") as raised:
        rows(tmp_path)
    assert str(path) in raised.value.message


@pytest.mark.parametrize("about", [b"[]", b"{", b"\xff", b"[" * 100_000, None])
def test_wrong_model(tmp_path: Path, about: bytes | None) -> None:
    with PredictionLog(tmp_path) as log:
        log.add(MODEL, answer(digest(1)))
    (path,) = tmp_path.glob("*/*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"pixmill": about} if about else None), path)
    with pytest.raises(DataError, match="not an intact log"):
        rows(tmp_path)


@pytest.mark.usefixtures("often")
def test_goes_on_in_another_file_if_its_own_is_damaged(tmp_path: Path) -> None:
    with PredictionLog(tmp_path) as log:
        log.add(MODEL, answer(digest(1)))
        wait_for(lambda: written(tmp_path) == [digest(1)])
        (path,) = tmp_path.glob("*/[0-9]*.parquet")
        path.write_bytes(b"PAR1")
        log.add(MODEL, answer(digest(2)))
    path.unlink()
    assert ids(tmp_path) == [digest(2)]


def test_unusable_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "log"):
        with pytest.raises((DataError, NotADirectoryError)):
            PredictionLog(folder)
    with pytest.raises(DataError):
        [*read_log(tmp_path)]
    (tmp_path / ".gitignore").write_text("*.csv\n")
    with pytest.raises(DataError, match="a folder of its own"):
        PredictionLog(tmp_path)


def test_no_log_hides_new_files_beside_those_of_a_project(tmp_path: Path) -> None:
    start_repository(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/code.py").touch()
    commit(tmp_path, "Write code")
    with pytest.raises(DataError, match="src has other files"):
        PredictionLog(tmp_path / "src")
    (tmp_path / "src/more.py").touch()
    assert "src/more.py" in git(tmp_path, "status", "--porcelain")
    PredictionLog(tmp_path / "log").close()
    assert "log" not in git(tmp_path, "status", "--porcelain")


def test_remembers_the_logs_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert recorded_logs(tmp_path) == []
    for folder in (Path("log"), tmp_path / "log", Path("/elsewhere/log")):
        record_log(tmp_path, folder)
    assert recorded_logs(tmp_path) == [tmp_path / "log", Path("/elsewhere/log")]
