"""The server runs with only the packages of ``deploy/requirements.txt``, installed as in the Dockerfile."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.samples import encoded, shapes
from tests.serve.http.load.server import Running

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.linux]

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of an environment that is installed by the Dockerfile's steps."""
    folder = tmp_path_factory.mktemp("environment")
    source = folder / "source"
    text = (REPOSITORY / "deploy/Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for name in line.split():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            if (REPOSITORY / name).is_file():
                shutil.copy(REPOSITORY / name, source / name)
            else:
                ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
                shutil.copytree(REPOSITORY / name, source / name, ignore=ignored)
    uv = [sys.executable, "-m", "uv"]
    made = folder / "venv"
    into = ["pip", "install", "--quiet", "--python", str(made / "bin/python")]
    pins = ["--require-hashes", "--requirement", str(REPOSITORY / "deploy/requirements.txt")]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for step in (
        ["venv", "--quiet", "--python", sys.executable, str(made)],
        [*into, *pins],
        [*into, "--no-deps", "--no-build-isolation", str(source)],
    ):
        subprocess.run([*uv, *step], env=environ, check=True)
    return made / "bin/python"


def test_serves_an_exported_model_without_the_pipeline(
    python: Path, exported: Path, tmp_path: Path
) -> None:
    start = [str(python.with_name("pixmill"))]
    options = ["--model", str(exported), "--inbox", str(tmp_path / "inbox")]
    with Running(*options, cwd=tmp_path, start=start, environ={"PYTHONPATH": ""}) as server:
        (row,) = server.predict(encoded(shapes(), "JPEG"))
        assert row["label"] in ("coat", "kurtā", "T-shirt & top")
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert {
            server.status(path) for path in ("/", "/docs", "/openapi.json", "/metrics", "/v1/model")
        } == {200}
        assert server.ask("GET", "/v1/model")[1]["name"] == "garments"
    installed = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "list", "--python", str(python), "--format", "freeze"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in ("tensorflow", "keras", "mlflow", "pandas", "dvc"):
        assert f"\n{name}==" not in f"\n{installed}"
