"""`pixmill doctor` finds what a run lacks and names the fix."""

import json
import shutil
import sqlite3
import sys
from collections import namedtuple
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from pixmill.core.install.origin import Origin, install_command
from pixmill.core.provenance.lock import SECTIONS, Lock, installed_lock, write_lock
from pixmill.project.doctor import Finding, Status, examine, render, run_check
from tests.servers import Handler, serve


@pytest.fixture
def project(repository, tmp_path):
    for name in ("params.yaml", "requirements.txt"):
        shutil.copy(repository / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def test_render_adds_the_fix():
    findings = [
        Finding("disk", Status.OK, "40 GiB free"),
        Finding("browser", Status.BAD, "there is none", next="get one"),
    ]
    first, second, fix = render(findings).splitlines()
    assert first.split(maxsplit=2) == ["ok", "disk", "40 GiB free"]
    assert second.split(maxsplit=2) == ["bad", "browser", "there is none"]
    assert fix.strip() == "Next: get one"


def test_each_problem_has_a_fix(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PIXMILL_BROWSER", "/nowhere/x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    problems = [finding for finding in examine(tmp_path) if finding.status is not Status.OK]
    assert {finding.name for finding in problems} >= {
        "PATH",
        "params",
        "DVC",
        "browser",
        "MLflow",
    }
    assert all(finding.next for finding in problems)


def test_examine_changes_no_file(project):
    before = sorted(project.rglob("*"))
    examine(project)
    assert sorted(project.rglob("*")) == before


def test_dvc_runs_the_current_python(monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert [finding.status for finding in run_check("PATH", Path())] == [Status.OK]


def test_warns_of_another_python_on_path(tmp_path, monkeypatch):
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (path,) = run_check("PATH", Path())
    assert (path.status, path.message) == (
        Status.WARNING,
        f"dvc would run {other}, not {sys.executable}",
    )
    assert path.next == f'export PATH="{Path(sys.executable).parent}:$PATH"'


def test_warns_of_git_without_an_author(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "config").write_text("[user]\n\tuseConfigOnly = true\n")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    (unknown,) = run_check("Git", tmp_path)
    assert unknown.status is Status.WARNING
    assert unknown.next.startswith("git config --global user.name ")
    (tmp_path / "config").write_text("[user]\n\tname = A\n\temail = a@example.org\n")
    (known,) = run_check("Git", tmp_path)
    assert known.status is Status.OK


def test_packages_default_to_the_pipeline_extra(tmp_path):
    (finding,) = run_check("packages", tmp_path)
    assert (finding.status, finding.message) == (Status.OK, "all required packages are installed")


def test_packages_of_the_project_extras(tmp_path, monkeypatch):
    lock = Lock("0.1.0", dict.fromkeys(SECTIONS, "0" * 16), extras="serve")
    write_lock(tmp_path, lock)
    installed = metadata.version

    def version_of(name):
        if name in ("tensorflow", "fastapi"):
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr("pixmill.core.install.extras.metadata.version", version_of)
    (finding,) = run_check("packages", tmp_path)
    assert (finding.status, finding.message) == (Status.BAD, "missing: fastapi")
    assert finding.next == install_command("serve")
    write_lock(tmp_path, replace(lock, origin=Origin("./wheels/pixmill-1-py3-none-any.whl")))
    (tmp_path / "constraints.txt").touch()
    assert run_check("packages", tmp_path)[0].next == (
        "pip install -c constraints.txt './wheels/pixmill-1-py3-none-any.whl[serve]' -e ."
    )


@pytest.mark.parametrize(
    ("pins", "other"),
    [
        ("numpy==1.0\nblake3==0.1\n", "numpy {} (constraints.txt: 1.0)"),
        ("numpy=={}\nnumpy==1.0 ; python_full_version < '3.0'\nnumpy==\nnosuch==0.1\n", None),
    ],
)
def test_results_depend_on_the_pinned_packages(tmp_path, monkeypatch, pins, other):
    monkeypatch.setattr("pixmill.project.new.pins.LIBRARIES", ("numpy", "nosuch"))
    write_lock(tmp_path, installed_lock())
    (tmp_path / "constraints.txt").write_text(pins.format(version := metadata.version("numpy")))
    (finding,) = run_check("code", tmp_path)
    expected = (
        "matches pixmill.lock"
        if other is None
        else f"results may differ in the last digits: {other}"
    )
    assert finding.message == expected.format(version)


def test_two_tensorflows_in_one_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pixmill.project.doctor.installed_tensorflows", lambda: ["tensorflow", "tensorflow-cpu"]
    )
    (finding,) = run_check("packages", tmp_path)
    assert finding.status is Status.WARNING
    assert (
        finding.next
        == f"pip uninstall -y tensorflow tensorflow-cpu && {install_command('pipeline')}"
    )


@pytest.mark.parametrize(
    ("free", "state"), [(0, Status.BAD), (0.3, Status.WARNING), (50, Status.OK)]
)
def test_free_disk_space(tmp_path, monkeypatch, free, state):
    usage = namedtuple("usage", "total used free")(0, 0, int(free * 2**30))
    monkeypatch.setattr("pixmill.project.machine.shutil.disk_usage", lambda _: usage)
    (finding,) = run_check("disk", tmp_path)
    assert (finding.status, bool(finding.next)) == (state, state is not Status.OK)
    assert f"{free:.1f} GiB free" in finding.message


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "data" / "shirt"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"x" * 100)
    (folder / ".DS_Store").touch()
    (tmp_path / ".dvcignore").write_text(".DS_Store\n")
    return tmp_path


def record(root, nfiles, size):
    (root / "data.dvc").write_text(
        f"outs:\n- md5: x.dir\n  nfiles: {nfiles}\n  size: {size}\n  path: data\n"
    )


def test_valid_params(repository):
    (finding,) = run_check("params", repository)
    assert finding.status is Status.OK
    assert "sneaker" in finding.message


def test_invalid_params(repository, tmp_path):
    shutil.copy(repository / "params.yaml", tmp_path)
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("\ncolour: blue\n")
    (finding,) = run_check("params", tmp_path)
    assert finding.status is Status.BAD
    assert "colour" in finding.message
    assert finding.next


def test_recorded_images(images):
    record(images, 3, 300)
    (finding,) = run_check("data", images)
    assert (finding.status, finding.message) == (
        Status.OK,
        "3 files of 0.0 MB, as data.dvc records",
    )


@pytest.mark.parametrize("recorded", [(4, 300), (3, 299)])
def test_changed_images(images, recorded):
    record(images, *recorded)
    (finding,) = run_check("data", images)
    assert finding.status is Status.WARNING
    assert finding.next == "dvc add data, or to restore: mv data data.old && dvc checkout data.dvc"


def test_unrecorded_images(images):
    (finding,) = run_check("data", images)
    assert (finding.status, finding.next) == (Status.WARNING, "dvc add data")


def test_empty_data(tmp_path):
    (tmp_path / "data").mkdir()
    (finding,) = run_check("data", tmp_path)
    assert (finding.status, finding.message) == (Status.WARNING, "data/ is empty")
    assert "pixmill demo" in finding.next


def test_malformed_data_record(images):
    (images / "data.dvc").write_text("outs: [")
    (finding,) = run_check("data", images)
    assert (finding.status, finding.next) == (
        Status.BAD,
        "mv data.dvc data.dvc.broken && git checkout data.dvc",
    )


def test_without_dvc(tmp_path):
    (finding,) = run_check("DVC", tmp_path)
    assert (finding.status, finding.next) == (Status.BAD, "dvc init")


def settings(root, text, name="config"):
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc" / name).write_text(text)


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ("[core]\n    analytics = false\n", Status.WARNING),
        ("[core]\n    remote = there\n", Status.BAD),
        ("core]\n", Status.BAD),
    ],
)
def test_dvc_without_a_usable_remote(tmp_path, config, status):
    settings(tmp_path, config)
    (finding,) = run_check("DVC", tmp_path)
    assert finding.status is status
    assert finding.next


def test_remote_in_the_local_config(tmp_path):
    store = tmp_path / "store"
    settings(tmp_path, "[core]\n    remote = here\n")
    settings(tmp_path, f"['remote \"here\"']\n    url = {store}\n", "config.local")
    (remote,) = run_check("DVC", tmp_path)
    assert (remote.status, remote.message) == (Status.WARNING, f"{store} does not exist")
    store.mkdir()
    (remote,) = run_check("DVC", tmp_path)
    assert (remote.status, remote.message) == (
        Status.OK,
        f"{store} (to test it: dvc status --cloud)",
    )


@pytest.fixture
def server():
    """Serve healthy status pages of MLflow and a remote driver."""
    slot = {"stereotype": {"browserName": "chrome"}, "session": None}
    status = {"value": {"ready": True, "nodes": [{"availability": "UP", "slots": [slot]}]}}
    known = {"/api/2.0/mlflow/experiments/search": "", "/status": json.dumps(status)}

    class Services(Handler):
        def respond(self):
            path = self.path.partition("?")[0]
            self.answer(known.get(path, ""), 200 if path in known else 404)

    with serve(Services) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def test_mlflow_with_a_malformed_pyproject(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.pixmill]\nmlflow = 5\n")
    (finding,) = run_check("MLflow", tmp_path)
    assert (finding.status, finding.next) == (Status.BAD, "edit pyproject.toml")
    assert "tool.pixmill.mlflow: expected an address, received 5" in finding.message


def test_mlflow_credentials_are_hidden(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.replace("//", "//me:secret@"))
    (finding,) = run_check("MLflow", tmp_path)
    assert (finding.status, finding.message) == (Status.OK, server)


@pytest.mark.parametrize("path", ["", "/elsewhere"])
def test_unreachable_mlflow_server(tmp_path, server, path, monkeypatch):
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", f"{server}{path}" if path else "http://me:secret@127.0.0.1:9"
    )
    (finding,) = run_check("MLflow", tmp_path)
    assert finding.status is Status.WARNING
    assert finding.next
    assert "secret" not in finding.message


def test_mlflow_database(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (finding,) = run_check("MLflow", tmp_path)
    assert (finding.status, finding.message) == (
        Status.OK,
        f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}",
    )
    sqlite3.connect(tmp_path / "mlflow.db").close()
    (finding,) = run_check("MLflow", tmp_path)
    assert finding.status is Status.OK


@pytest.mark.parametrize(
    "uri", ["", "sqlite:///mlflow.db", "sqlite+pysqlite:///mlflow.db?timeout=30"]
)
def test_malformed_mlflow_database(tmp_path, uri, monkeypatch):
    (tmp_path / "mlflow.db").write_text("no database " * 30)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (finding,) = run_check("MLflow", tmp_path)
    assert finding.status is Status.BAD
    assert finding.next.startswith("mv ")


def test_missing_browser(tmp_path, monkeypatch):
    manager = tmp_path / "selenium-manager"
    manager.write_text("""#!/bin/sh\necho '{"logs": [], "result": {"code": 0, "message": ""}}'""")
    manager.chmod(0o755)
    monkeypatch.setenv("SE_MANAGER_PATH", str(manager))
    (finding,) = run_check("browser", Path())
    assert (finding.status, finding.next) == (Status.BAD, "pixmill doctor --fix browser")


def test_a_proxy_that_is_not_used(monkeypatch):
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    assert run_check("proxy", Path()) == []
    monkeypatch.setenv("all_proxy", "socks5://proxy.test:1080")
    (finding,) = run_check("proxy", Path())
    assert finding.status is Status.WARNING
    assert "ALL_PROXY" in finding.message


def test_remote_driver(server, monkeypatch):
    monkeypatch.setenv("PIXMILL_WEBDRIVER_URL", server)
    (finding,) = run_check("browser", Path())
    assert (finding.status, finding.message) == (
        Status.OK,
        f"Chromium or Chrome by the remote driver {server}",
    )
    monkeypatch.setenv("PIXMILL_WEBDRIVER_URL", "http://127.0.0.1:9")
    (finding,) = run_check("browser", Path())
    assert finding.status is Status.BAD


def test_decisions_of_an_earlier_version(tmp_path):
    (tmp_path / "review.csv").write_text(
        "image,decision,label,by,why\ndata/coat/1.png,drop,,ann,\n"
    )
    (found,) = run_check("data", tmp_path)
    assert (found.status, found.next) == (Status.BAD, "pixmill upgrade")
