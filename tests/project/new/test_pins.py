"""A project has the tested versions of packages, for people and with hashes for CI."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pixmill.core.install.extras import list_requirements
from pixmill.project.new.pins import pinned_files

WHEEL = f"./wheels/pixmill-1.2.3-py3-none-any.whl[pipeline] --hash=sha256:{'0' * 64}"


def pins_of(text: str) -> dict[str, set[str]]:
    """Return the versions of each package for this machine."""
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^\w[^\\\n]*", text, re.MULTILINE):
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate():
            found.setdefault(canonicalize_name(requirement.name), set()).add(
                str(requirement.specifier)
            )
    return found


def test_each_package_has_one_version_and_hashes() -> None:
    text = pinned_files(WHEEL, "pipeline")["requirements.txt"]
    _, own, *rest = text.splitlines()
    assert own == WHEEL
    assert all(
        re.match(r"\w\S*==\S+( ; .*)? \\$|    --hash=sha256:[0-9a-f]{64}( \\)?$", line)
        for line in rest
    )
    assert "://" not in text
    pins = pins_of("\n".join(rest))
    assert all(len(versions) == 1 for versions in pins.values())
    assert "pixmill" not in pins
    assert {"pytest", "setuptools"} <= pins.keys()


def test_people_get_the_same_versions() -> None:
    files = pinned_files(WHEEL, "pipeline,heic")
    known, locked = (
        pins_of(files[name].replace(WHEEL, "")) for name in ("constraints.txt", "requirements.txt")
    )
    assert known.items() >= locked.items()
    assert {"pillow-heif", "ray"} & locked.keys() == {"pillow-heif"}
    assert "ray" in known, "for an extra that a project adds"
    assert "--hash" not in files["constraints.txt"]


@pytest.mark.parametrize("extras", ["pipeline", "pipeline,hub,onnx", "pipeline,ray,s3", "serve"])
def test_lock_has_all_requirements_in_the_tested_versions(extras: str) -> None:
    pins = pins_of(pinned_files(None, extras)["requirements.txt"])
    for requirement in list_requirements(extras.split(",")):
        (version,) = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version.removeprefix("=="))
        assert version == f"=={metadata.version(requirement.name)}"


def test_cpu_replaces_tensorflow_where_there_is_one_without_code_for_gpus() -> None:
    lines = re.findall(
        r"^tensorflow\S*==.*", pinned_files(None, "cpu,heic")["requirements.txt"], re.MULTILINE
    )
    markers = [Requirement(line.strip(" \\")).marker for line in lines]
    here = {"sys_platform": "linux", "platform_machine": "x86_64"}
    for environment, wanted in (
        (here, [False, True]),
        (here | {"platform_machine": "aarch64"}, [True, False]),
    ):
        assert [marker is not None and marker.evaluate(environment) for marker in markers] == wanted


def test_pins_are_those_of_this_repository(repository: Path) -> None:
    """The files of projects are generated together with those of the repository."""
    ours = pins_of((repository / "requirements.txt").read_text(encoding="utf-8"))
    theirs = pins_of(pinned_files(None, "pipeline")["requirements.txt"])
    assert {name: ours.get(name) for name in theirs} == theirs
