"""Give each kept picture its part, and pack the parts."""

from __future__ import annotations

from pixmill.files import fresh_folder, write_json
from pixmill.manifest import PAIRS, SPLIT, VALIDATED, read_table, write_table
from pixmill.params import Params
from pixmill.split import split
from pixmill.workspace import Workspace
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Write ``artifacts/split`` and ``metrics/split.json``."""
    artifacts = workspace.root / "artifacts"
    manifest = read_table(artifacts / "validate" / "manifest.parquet", VALIDATED, stage="validate")
    pairs = read_table(artifacts / "validate" / "pairs.parquet", PAIRS, stage="validate")
    out = fresh_folder(artifacts / "split")
    result = split(manifest, pairs, params.split, classes=params.classes, pictures=artifacts / "scrape", out=out)
    write_json(out / "preprocessing.json", result.preprocessing)
    write_json(workspace.root / "metrics" / "split.json", result.metrics)
    write_table(out / "manifest.parquet", result.manifest, SPLIT)
    print(f"split: {result.summary()}")  # noqa: T201


if __name__ == "__main__":
    run("split", main)
