"""The command ``pixmill predict --jsonl``: guarded processes, hashes, and a table in a file."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from predicting import Answers, compete


def predict(paths: Sequence[Path], model: Path) -> Answers:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "answers.jsonl"
        options = ["--model", str(model), "--jsonl", str(table)]
        command = [sys.executable, "-m", "pixmill", "predict", *map(str, paths), *options]
        subprocess.run(command, check=True, capture_output=True)
        rows = [json.loads(line) for line in table.read_text().splitlines()]
    return [[value for name, value in row.items() if name.startswith("p_")] for row in rows]


if __name__ == "__main__":
    compete(predict)
