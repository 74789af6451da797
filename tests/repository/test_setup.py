""".ci/setup with a fake Python that creates a fake environment and logs its install commands."""

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]

PYTHON = """\
#!/bin/sh
case "$*" in
*sys.exit*) exit "${UNSUPPORTED:-0}" ;;
*implementation*) echo "cpython ${VERSION:-3.11.9}" ;;
*realpath*) echo "$PRETENDED" ;;
"-m venv"*)
    [ -z "${NO_VENV:-}" ] || { echo "ensurepip is not available"; exit 1; }
    rm -rf .venv; mkdir -p .venv/bin
    cp "$PRETENDED" .venv/bin/python; cp "$PRETENDED" .venv/bin/uv
    echo "venv" >>log ;;
*) echo "$(basename "$0") $*" >>log; case "$(basename "$0") $*" in ${FAILING:-nothing}) exit 1 ;; esac ;;
esac
"""


class Checkout:
    def __init__(self, root):
        self.root = root
        self.environ = {
            "PATH": f"{root}/bin:{os.defpath}",
            "PRETENDED": str(root / "bin/python3.11"),
        }

    def set_up(self, **environ):
        """Run the setup; return the process and its logged steps."""
        (self.root / "log").unlink(missing_ok=True)
        done = subprocess.run(
            [self.root / ".ci/setup"],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        log = self.root / "log"
        return done, log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def checkout(tmp_path):
    for name in (".ci/setup", "requirements.txt", "pyproject.toml", "src/pixmill/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    python = tmp_path / "bin/python3.11"
    python.parent.mkdir()
    python.write_text(PYTHON)
    for program in (python, tmp_path / ".ci/setup"):
        program.chmod(0o755)
    # Newer versions are tried first; these are shims without an interpreter.
    for name in ("python3.13", "python3.12"):
        (python.parent / name).write_text("#!/bin/sh\nexit 127\n")
        (python.parent / name).chmod(0o755)
    return Checkout(tmp_path)


@pytest.mark.parametrize("given", [{}, {"HOME": "/nonexistent", "USER": "nobody"}])
def test_make_gives_its_programs_a_home_folder_and_a_name(tmp_path, given):
    """DVC fails without them; what a user has stays."""

    def shown(environ):
        return subprocess.run(
            [
                "make", "-f", ROOT / "Makefile", "--eval", 'shown: ; @echo "$$HOME" "$$USER"',
                "shown",
            ],
            cwd=tmp_path, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip

    home, user = shown(given)
    assert (Path(home), Path(home).is_dir()) == (tmp_path / ".pixmill/home", True)
    assert user == given.get("USER", user)
    assert shown({"HOME": str(tmp_path), "USER": "me"}) == [str(tmp_path), "me"]


def test_first_setup_installs_pins_by_hash_and_then_pixmill(checkout):
    done, steps = checkout.set_up()
    assert done.returncode == 0, done.stderr
    assert [step.split()[:3] for step in steps] == [
        ["venv"],
        ["python", "-m", "pip"],
        ["uv", "pip", "install"],
        ["uv", "pip", "install"],
    ]
    assert "--require-hashes --requirement requirements.txt" in steps[2]
    assert "--no-deps --no-build-isolation --editable ." in steps[3]


def test_second_setup_does_nothing(checkout):
    checkout.set_up()
    done, steps = checkout.set_up()
    assert (done.returncode, done.stdout, done.stderr, steps) == (0, "", "", [])


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml", "src/pixmill/__init__.py"])
def test_changed_pins_install_into_same_environment(checkout, name):
    checkout.set_up()
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    _, steps = checkout.set_up()
    assert len(steps) == 3
    assert "venv" not in steps


def test_other_python_creates_new_environment(checkout):
    checkout.set_up()
    assert checkout.set_up(VERSION="3.12.1")[1][0] == "venv"


@pytest.mark.parametrize("failing", ["python*pip*", "uv*editable*"])
def test_failed_setup_is_repeated(checkout, failing):
    done, _ = checkout.set_up(FAILING=failing)
    assert done.returncode == 1
    assert "Next: " in done.stderr
    assert not (checkout.root / ".venv/ready").exists()
    done, steps = checkout.set_up()
    assert (done.returncode, len(steps)) == (0, 4)


def test_falls_back_to_pip(checkout):
    done, steps = checkout.set_up(FAILING="uv*require-hashes*")
    assert done.returncode == 0
    assert "falling back to pip" in done.stderr
    assert "python -m pip install --quiet --require-hashes --requirement requirements.txt" in steps


def test_pins_have_hashes_and_no_url():
    text = (ROOT / "requirements.txt").read_text()
    pins = re.split(r"\n(?=\S)", text.strip())
    assert len(pins) > 100
    for pin in pins:
        assert re.match(r"[\w.\[\]-]+==\S+", pin), pin
        assert "--hash=sha256:" in pin, pin
    assert "://" not in text
    assert "--index" not in text


def test_pip_accepts_the_pins():
    """Uv ignores an upper limit of Python."""
    refused = []
    for name in re.findall(
        r"^[\w.-]+(?===)", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    ):
        for found in metadata.distributions(name=name):
            if not SpecifierSet(found.metadata.get("Requires-Python", "")).contains(
                platform.python_version()
            ):
                refused.append(f"{name} {found.version}")
    assert refused == []


def test_mlflow_environment_uses_the_pins():
    environment = yaml.safe_load((ROOT / "python_env.yaml").read_text())
    assert environment["dependencies"] == ["-r requirements.txt"]
    assert environment["python"].startswith("3.")


def test_make_lists_targets():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [line.split()[1] for line in listed.splitlines()]
    assert names[:4] == ["help", "repro", "data", "test"]
    assert {"test-slow", "lint", "check", "docs", "reference", "clean"} < {*names}
