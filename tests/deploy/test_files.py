"""The files of deploy/ agree with the server and with each other."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from pixmill.cli import make_parser
from pixmill.core.install.extras import list_requirements

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"


def pins(path: Path) -> dict[str, str]:
    """Return the text of each pin, hashes included, by name and marker."""
    blocks = re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip())
    return {re.sub(r"==\S+", "", block.partition("\\")[0]).strip(): block for block in blocks}


def workload() -> dict[str, Any]:
    """Return the Kubernetes deployment."""
    described, _ = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return described


def test_pins_are_those_of_the_pipeline():
    """``make requirements`` writes the same versions and hashes to both files."""
    chosen = pins(DEPLOY / "requirements.txt")
    known = pins(REPOSITORY / "requirements.txt")
    versions = {block.partition(" ")[0] for block in known.values()}
    hashes = {
        block.partition(" ")[0]: set(re.findall(r"sha256:\w+", block)) for block in known.values()
    }
    for block in chosen.values():
        pin = block.partition(" ")[0]
        assert pin in versions
        assert set(re.findall(r"sha256:\w+", block)) == hashes[pin] != set()
    assert "://" not in (DEPLOY / "requirements.txt").read_text()


def test_pins_include_the_extra_serve():
    required = {requirement.name for requirement in list_requirements(["serve"])}
    chosen = {re.split(r"[ =]", block)[0] for block in pins(DEPLOY / "requirements.txt").values()}
    assert required | {"setuptools"} <= chosen
    assert chosen.isdisjoint(
        {"dvc", "keras", "matplotlib", "mlflow", "pandas", "pyarrow", "scikit-learn", "tensorflow"}
    )


def test_command_lines_are_valid():
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    started = json.loads(entry)[1:]
    unit = re.search(r"^ExecStart=(.*)$", (DEPLOY / "pixmill.service").read_text(), re.MULTILINE)[1]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["pixmill"][
        "command"
    ]
    container = workload()["spec"]["template"]["spec"]["containers"][0]
    for line in (started, started + container["args"], started + compose, unit.split()[1:]):
        assert make_parser().parse_args(line).port == 8000


def test_yaml_files_match_the_dockerfile():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    service = compose["services"]["pixmill"]
    assert (REPOSITORY / service["build"]["dockerfile"]).is_file()
    assert service["read_only"]
    assert [volume.rpartition(":")[2] for volume in service["volumes"]] == ["ro", "/inbox"]
    pod = workload()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (DEPLOY / "Dockerfile").read_text()
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp"}


def test_dockerignore_allows_exactly_the_copied_files():
    texts = [path.read_text() for path in (DEPLOY / "Dockerfile", DEPLOY / "cluster/Dockerfile")]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", "\n".join(texts), re.MULTILINE)
    allowed = {
        line[1:]
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert {name for line in copied for name in line.split()} == allowed
    assert all((REPOSITORY / name).exists() for name in allowed)
