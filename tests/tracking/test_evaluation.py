"""An evaluation finds its training by the weights, in spite of everything."""

from pixmill.tracking.stage_runs import evaluation_run

WEIGHTS = "a" * 32


def evaluate(store, accuracy=0.9):
    with evaluation_run(store.workspace, weights=WEIGHTS) as run:
        run.log_metrics({"test_accuracy": accuracy})


def test_it_goes_into_the_training_s_run_in_spite_of_mlflow_run_id(trained, store, monkeypatch):
    trained(WEIGHTS)
    run_id = store.newest
    other = store.client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", other)
    evaluate(store)
    recorded = store.client.get_run(run_id)
    assert recorded.data.metrics == {"train_loss": 0.5, "test_accuracy": 0.9}
    assert recorded.info.status == "FINISHED"
    assert store.client.get_run(other).data.metrics == {}


def test_the_newest_run_of_any_experiment_wins(store):
    client = store.client
    for number in range(3):
        experiment = client.create_experiment(f"experiment {number}")
        newest = client.create_run(
            experiment, tags={"pixmill.weights": WEIGHTS}, start_time=1000 + number
        )
    client.create_run(experiment, tags={"pixmill.weights": "b" * 32}, start_time=5000)
    evaluate(store)
    assert [run.info.run_id for run in store.runs() if run.data.metrics] == [newest.info.run_id]


def test_who_only_pulled_the_weights_gets_one_linked_run(store, monkeypatch):
    evaluate(store, 0.8)
    monkeypatch.setenv("MLFLOW_RUN_ID", "b" * 32)
    evaluate(store, 0.9)
    (recorded,) = store.runs()
    assert recorded.info.status == "FINISHED"
    assert recorded.data.metrics == {"test_accuracy": 0.9}
    assert recorded.data.tags["pixmill.weights"] == WEIGHTS
    assert recorded.data.tags["pixmill.linked"] == WEIGHTS


def test_a_training_that_waits_is_sent_first(trained, store, place, capsys):
    restore = store.break_()
    trained(WEIGHTS)
    restore()
    capsys.readouterr()
    evaluate(store)
    (recorded,) = store.runs()
    assert recorded.data.metrics == {"train_loss": 0.5, "test_accuracy": 0.9}
    assert "pixmill.linked" not in recorded.data.tags
    assert [path.name for path in place.iterdir()] == ["lock"]
    assert capsys.readouterr().err == f"record: 2 runs sent to {store.uri}: cnn, evaluation\n"


def test_an_evaluation_that_fails_records_nothing(store, place):
    try:
        with evaluation_run(store.workspace, weights=WEIGHTS) as run:
            run.log_metrics({"test_accuracy": 0.9})
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert (store.runs(), list(place.iterdir())) == ([], [])
