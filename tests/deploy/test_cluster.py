"""The files of deploy/cluster agree with the pins and the repository."""

import re

import yaml

from tests.deploy.test_files import DEPLOY, REPOSITORY, pins

COMPOSE = (DEPLOY / "cluster/compose.yaml").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(COMPOSE)["services"]


def pinned(name: str) -> str:
    (version,) = {
        re.match(rf"{name}==(\S+)", text)[1]
        for text in pins(REPOSITORY / "requirements.txt").values()
        if text.startswith(f"{name}==")
    }
    return version


def test_servers_run_the_pinned_packages():
    """Ray and MLflow may refuse clients of another version."""
    dockerfile = (DEPLOY / "cluster/Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes --requirement requirements.txt" in dockerfile
    assert all(map(pinned, ("ray", "mlflow", "boto3", "psycopg2-binary")))
    for name in ("mlflow", "ray-head", "ray-worker"):
        service = SERVICES[name]
        assert service["command"][0] == name.partition("-")[0]
        build = service["build"]
        assert (DEPLOY / "cluster" / build["context"] / build["dockerfile"]).samefile(
            DEPLOY / "cluster/Dockerfile"
        )


def test_browsers_match_selenium_and_reach_the_proxy():
    """The proxy of a scrape listens only on 127.0.0.1 of its machine."""
    chromium = SERVICES["chromium"]
    assert (
        chromium["image"].partition(":")[2].partition(".")[0]
        == pinned("selenium").partition(".")[0]
    )
    assert chromium["network_mode"] == "host"
    assert "--host ${BIND:-127.0.0.1} " in chromium["environment"]["SE_OPTS"]


def test_images_are_pinned_and_ports_are_local():
    for service in SERVICES.values():
        assert "build" in service or re.search(r":\d", service["image"])
        assert all(port.startswith("${BIND:-127.0.0.1}:") for port in service.get("ports", ()))


def test_contains_no_password():
    required = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "POSTGRES_PASSWORD"}
    assert set(re.findall(r"\$\{(\w+):\?", COMPOSE)) == required


def test_ports_in_the_header_are_those_of_the_services():
    ports = {
        port.split(":")[-2] for service in SERVICES.values() for port in service.get("ports", ())
    }
    ports |= set(re.findall(r"--port (\d+)", SERVICES["chromium"]["environment"]["SE_OPTS"]))
    assert set(re.findall(r"127\.0\.0\.1:(\d+)", COMPOSE.partition("name:")[0])) == ports
