"""The manifest comes back as it was written, byte for byte the same each time."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.cells import Task
from pixmill.core.errors import ManifestError
from pixmill.core.manifest import (
    SCRAPED,
    SIGHTINGS,
    SPLIT,
    VALIDATED,
    read_table,
    table_writer,
    write_table,
)

text = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
rows = st.dictionaries(
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.tuples(text, st.integers(0, 2**40), text),
    max_size=6,
)


def scraped(content: dict[str, tuple[str | None, int, str | None]]) -> pd.DataFrame:
    records = [
        dict.fromkeys(SCRAPED.names)
        | {
            "id": key,
            "label": label,
            "path": f"images/{key[:2]}/{key}.png",
            "bytes": size,
            "format": "png",
        }
        | {"source": "shop", "query": query, "snapshot": "2026-11-20"}
        for key, (label, size, query) in sorted(content.items())
    ]
    return pd.DataFrame(records, columns=SCRAPED.names)


@given(rows)
def test_a_manifest_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, tuple[str | None, int, str | None]]
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    write_table(folder / "a.parquet", scraped(content), SCRAPED)
    frame = read_table(folder / "a.parquet", SCRAPED, stage="scrape")
    read = {
        row.id: (None if row.label is pd.NA else row.label, row.bytes) for row in frame.itertuples()
    }
    assert read == {key: (label, size) for key, (label, size, _) in content.items()}
    write_table(folder / "b.parquet", frame, SCRAPED)
    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()


def test_rows_out_of_order_are_a_defect(tmp_path: Path) -> None:
    frame = scraped({"a" * 64: ("x", 1, None), "b" * 64: ("x", 1, None)})
    with pytest.raises(ValueError, match="must be sorted by id, and unique"):
        write_table(tmp_path / "m.parquet", frame.iloc[::-1], SCRAPED)
    with pytest.raises(ValueError, match="must be sorted by id, and unique"):
        write_table(tmp_path / "m.parquet", pd.concat([frame, frame]).sort_values("id"), SCRAPED)
    assert list(tmp_path.iterdir()) == []


def test_other_columns_are_refused(tmp_path: Path) -> None:
    frame = scraped({"a" * 64: ("x", 1, None)})
    with pytest.raises(ValueError, match=r"missing .*'label'"):
        write_table(tmp_path / "m.parquet", frame.drop(columns="label"), SCRAPED)
    write_table(tmp_path / "m.parquet", frame, SCRAPED)
    with pytest.raises(ManifestError, match="written by another version"):
        read_table(tmp_path / "m.parquet", VALIDATED, stage="validate")


def test_a_column_of_another_type_is_refused_by_name(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(
        scraped({"a" * 64: ("x", 1, None)}), schema=SCRAPED, preserve_index=False
    )
    place = SCRAPED.get_field_index("bytes")
    pq.write_table(
        table.set_column(place, "bytes", table["bytes"].cast(pa.float64())), tmp_path / "m.parquet"
    )
    with pytest.raises(ManifestError, match=r"expected bytes \(int64\), received bytes \(double\)"):
        read_table(tmp_path / "m.parquet", SCRAPED, stage="scrape")


def test_a_missing_or_broken_table_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"missing\nNext: dvc repro scrape"):
        read_table(tmp_path / "m.parquet", SCRAPED, stage="scrape")
    (tmp_path / "m.parquet").write_text("no table")
    with pytest.raises(ManifestError, match="not a Parquet table"):
        read_table(tmp_path / "m.parquet", SCRAPED, stage="scrape")


def sightings(count: int) -> list[dict[str, object]]:
    return [
        {"label": "hat", "source": "shop", "rank": rank, "thumbnail": False}
        for rank in range(count)
    ]


def write_in_pieces(path: Path, *pieces: int) -> None:
    with table_writer(path, SIGHTINGS) as write:
        for count in pieces:
            write(sightings(count))


def test_pieces_that_break_off_leave_the_table_as_it_was(tmp_path: Path) -> None:
    write_in_pieces(tmp_path / "m.parquet", 1)
    before = (tmp_path / "m.parquet").read_bytes()
    with pytest.raises(ZeroDivisionError), table_writer(tmp_path / "m.parquet", SIGHTINGS) as write:
        write(sightings(2))
        raise ZeroDivisionError
    assert (tmp_path / "m.parquet").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.parquet"]


def test_the_manifest_only_grows() -> None:
    assert VALIDATED.names[: len(SCRAPED)] == SCRAPED.names
    assert SPLIT.names[: len(VALIDATED)] == VALIDATED.names
    assert all(isinstance(schema, pa.Schema) for schema in (SCRAPED, VALIDATED, SPLIT))


@pytest.mark.parametrize(("label", "task"), [("coat", "labels"), ('{"dark":true}', "one_label")])
def test_labels_of_another_task_are_refused(tmp_path: Path, label: str, task: Task) -> None:
    path = tmp_path / "manifest.parquet"
    write_table(path, scraped({"a" * 64: (label, 1, None), "0" * 64: (None, 1, None)}), SCRAPED)
    with pytest.raises(ManifestError, match=f"params.yaml has {task}"):
        read_table(path, SCRAPED, stage="scrape", task=task)
    assert len(read_table(path, SCRAPED, stage="scrape")) == 2
