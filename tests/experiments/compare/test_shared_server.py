"""Two projects of the same name on one MLflow server each rank their own runs."""

from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn.metrics import f1_score

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import parse_params
from pixmill.experiments.compare.ranking import compare_runs
from pixmill.tracking.lineage import project_id
from tests.experiments.compare.recorded import HEAD, add_run, answers
from tests.servers import MlflowServer
from tests.version_control import commit, start_repository

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = MlflowServer(tmp_path, f"sqlite:///{tmp_path}/server.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    server.start()
    yield server
    server.kill()


def test_sixty_runs_of_two_projects(server: MlflowServer, tmp_path: Path) -> None:
    client = MlflowClient(server.uri)
    experiment = client.create_experiment("pixmill")
    generator = np.random.default_rng(20261125)
    roots = [start_repository(tmp_path / name) for name in ("mine", "yours")]
    for root in roots:
        (root / root.name).touch()
        commit(root)
    expected: dict[str, list[float]] = {}
    for number in range(60):
        root = roots[number % 2]
        place = number // 2
        # Three models of four seeds, and 18 others.
        model, seed = (place % 3, place // 3) if place < 12 else (place, 0)
        table = answers(int(generator.integers(5, 40)), shift=int(generator.integers(0, 100)))
        train = f"{{model: cnn, epochs: {model + 1}, seed: {seed}}}"
        name = f"{root.name}-{model}"
        add_run(
            client,
            tmp_path / "files",
            name,
            train,
            table,
            project=project_id(root),
            experiment=experiment,
            weights=f"{name} {seed}",
            started=number + 1,
        )
        if root.name == "mine":
            rows = table[table["split"] == "val"]
            expected.setdefault(name, []).append(
                f1_score(rows["label"], rows["predicted"], average="macro")
            )
    found = compare_runs(Workspace(roots[0], roots[0]), parse_params(HEAD))
    assert found.others == ()
    by_hand = {name: float(np.mean(values)) for name, values in expected.items()}
    values = {row.model.name.split(" ")[0]: row.value for row in found.rows}
    assert values == pytest.approx(by_hand)
    assert [row.value for row in found.rows] == sorted(values.values(), reverse=True)
    assert sorted(len(row.trainings) for row in found.rows) == [1] * 18 + [4] * 3
    assert {row.seeds for row in found.rows} == {"one", "many"}
