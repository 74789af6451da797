"""The examples in the pages on serving run, and their options, metrics and routes exist."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.serve.http.load.server import Running

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]

PAGES = ("reference/http-api.md", "how-to/serve.md", "how-to/deploy.md")
TEXT = "\n".join(
    (Path(__file__).parents[4] / "docs" / page).read_text(encoding="utf-8") for page in PAGES
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\b[^\n]*\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def local(example: str, server: Running) -> str:
    named = example.replace("=dress", "=kurt%C4%81").replace('"dress"', '"kurtā"')
    return named.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")


def test_shell_commands(server, photographs, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photographs[0])
    outputs = []
    for block in blocks("bash"):
        for line in block.splitlines():
            command = local(line, server).replace(
                "curl ", "curl --silent --show-error --fail-with-body "
            )
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            outputs.append(done.stdout)
    (first,), (second,) = (json.loads(answer)["predictions"] for answer in outputs[:2])
    assert (first["name"], second["name"]) == ("photo.jpg", None)
    assert first["probabilities"] == second["probabilities"]
    assert (tmp_path / "looked.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(outputs[3])["id"] == first["id"]
    assert len((tmp_path / "keys.txt").read_text().strip()) >= 32


def test_python_client(server, photographs, tmp_path, monkeypatch, capsys):
    (tmp_path / "photo.jpg").write_bytes(photographs[0])
    monkeypatch.chdir(tmp_path)
    exec(local(blocks("python")[0], server), {})
    label, confidence = re.sub(r"[][]|b?'", "", capsys.readouterr().out).rsplit(maxsplit=1)
    (row,) = server.predict(photographs[0])
    assert (label, float(confidence)) == (row["label"], pytest.approx(row["confidence"]))
