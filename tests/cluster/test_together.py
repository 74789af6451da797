"""All engines in one run of the bundled example: what is committed comes out, byte for byte."""

import threading

import pytest

from tests.cluster.conftest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.browser]


@pytest.fixture
def project(same_project, cluster, remote_driver, mlflow_server, s3, tmp_path):
    """The repository, nothing run yet, with everything elsewhere."""
    same_project.settings.update(
        PIXMILL_COMPUTE=cluster.address,
        PIXMILL_WEBDRIVER_URL=remote_driver.url,
        MLFLOW_TRACKING_URI=mlflow_server.uri,
        MLFLOW_EXPERIMENT_NAME=tmp_path.name,
    )
    place = f"s3://{s3.bucket}/{tmp_path.name}"
    assert same_project.dvc("remote", "add", "--local", "--default", "team", place).returncode == 0
    return same_project


@pytest.fixture
def run(mlflow_server, tmp_path):
    """A function that returns the only run of this test in MLflow, with its models."""
    from mlflow import MlflowClient

    def look():
        client = MlflowClient(mlflow_server.uri)
        (run,) = client.search_runs([client.get_experiment_by_name(tmp_path.name).experiment_id])
        return run, [client.get_logged_model(output.model_id) for output in run.outputs.model_outputs]

    return look


def keys(s3, prefix):
    import boto3

    client = boto3.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=s3.bucket, Prefix=prefix)
    found = [item["Key"] for page in pages for item in page.get("Contents", ())]
    client.close()
    return found


def test_all_engines_together_give_what_is_committed_while_a_node_is_lost(
    project, run, ray_cluster, added, remote_driver, s3, tmp_path
):
    number = added()

    def lose_a_node() -> None:
        wait_until(lambda: ray_cluster.runs_a_batch(number) and trains(), seconds=300)
        ray_cluster.kill_node(number)

    def trains() -> bool:
        return any(words[-1:] == ["stages.train"] for words in project.processes().values())

    losing = threading.Thread(target=lose_a_node, daemon=True)
    losing.start()
    done = project.dvc("repro")
    assert done.returncode == 0, done.stdout + done.stderr
    losing.join()
    assert done.stdout.count("Running stage") == 5
    assert f"ray: node {ray_cluster.ip(number)} was lost; its batches run again on other nodes" in done.stderr
    assert remote_driver.asked > 0
    assert project.git("status", "--porcelain") == ""
    pushed = project.dvc("push")
    assert pushed.returncode == 0, pushed.stderr
    assert len(keys(s3, f"{tmp_path.name}/files/md5/")) == int(pushed.stdout.partition(" files pushed")[0]) > 300
    sent, models = run()
    assert sent.info.status == "FINISHED"
    assert sent.data.metrics["test_accuracy"] == pytest.approx(project.metrics("evaluate")["accuracy"], rel=1e-5)
    assert {model.name: str(model.status) for model in models} == {"classifier": "READY"}
    assert all(keys(s3, f"mlflow/{model.experiment_id}/models/{model.model_id}/") for model in models)
