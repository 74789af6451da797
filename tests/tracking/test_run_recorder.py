"""Records arrive in MLflow; disk errors fail no stage."""

import string

from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric

from pixmill.tracking.run_recorder import sanitize_names

PARTS = st.text(string.ascii_letters + "&'+. -_@é中/:", max_size=6)
NAMES = st.one_of(
    PARTS, PARTS.map(lambda name: f"test_f1.{name}"), PARTS.map(lambda name: name * 60)
)


@settings(max_examples=50)
@given(st.lists(NAMES, unique=True))
def test_mlflow_takes_every_name_and_no_value_is_lost(names):
    result = sanitize_names({name: number for number, name in enumerate(names)})
    assert list(result.values()) == list(range(len(names)))
    for name in result:
        _validate_metric(name, 1.0, 0, 0)


def fill(run):
    run.log_params(
        {"train.cnn.blocks.0.filters": 3, "long": "x" * 7000} | {f"many.{n}": n for n in range(220)}
    )
    run.log_metrics({"best_loss": 0.5, "absent": None})
    for epoch in (1, 2):
        run.log_metrics({"train_loss": 1 / epoch}, step=epoch, timestamp=1000 + epoch)
    run.log_text("<html>", "reports/train.html")
    run.log_text("JPEG", "plots/samples.jpg")
    run.set_weights("a" * 32)


def check(store):
    (run,) = store.runs()
    assert run.info.status == "FINISHED"
    assert run.data.params["train.cnn.blocks.0.filters"] == "3"
    assert len(run.data.params["long"]) == 6000
    assert len(run.data.params) == 222 + 4
    assert run.data.metrics == {"best_loss": 0.5, "train_loss": 0.5}
    points = store.client.get_metric_history(run.info.run_id, "train_loss")
    assert [(point.step, point.value, point.timestamp) for point in points] == [
        (1, 1.0, 1001),
        (2, 0.5, 1002),
    ]
    assert run.data.tags["pixmill.weights"] == "a" * 32
    for folder, name in (("reports", "reports/train.html"), ("plots", "plots/samples.jpg")):
        assert [file.path for file in store.client.list_artifacts(run.info.run_id, folder)] == [
            name
        ]


def test_everything_arrives_and_nothing_is_left_behind(training, store, place, capsys):
    with training() as run:
        fill(run)
    check(store)
    assert [path.name for path in place.iterdir()] == ["lock"]
    assert capsys.readouterr().err == ""


def test_where_the_disk_refuses_a_place_the_stage_goes_on(training, store, place, capsys):
    place.rmdir()
    place.touch()
    with training() as run:
        run.log_text("<html>", "reports/train.html")
    assert (
        "warning: this run is not recorded in MLflow: FileExistsError: " in capsys.readouterr().err
    )
    assert store.runs() == []
