"""Send what waits in a spool to MLflow, each record so that sending it again adds nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pixmill.tracking.opening import open_run, trained_in
from pixmill.tracking.probe import silence_of
from pixmill.tracking.publication import publish_model
from pixmill.tracking.spool import Spool, waiting
from pixmill.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

__all__ = ["Delivery", "deliver", "is_for_ever", "words_of"]

_BATCH = 100
"""MLflow takes at most 100 parameters or tags in one request."""

_POINTS = 900
"""MLflow takes at most 1,000 points in one request."""

_FOR_EVER = {
    "BAD_REQUEST",
    "FEATURE_DISABLED",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "MALFORMED_REQUEST",
    "NOT_IMPLEMENTED",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}
"""MLflow's codes for what it would say again tomorrow."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    """Say what became of one attempt.

    Args:
        sent: Records that MLflow took.
        silence: Why it does not answer; ``None`` where it does.
        trouble: What it said of a record that may go another time; ``None`` where there was none.
    """

    sent: int
    silence: str | None
    trouble: str | None = None


def deliver(spool: Spool, uri: str, *, home: Path) -> Delivery:
    """Send all that waits in a spool, in its order; what MLflow refuses for ever is marked so.

    Args:
        spool: The spool, held by this process.
        uri: Where runs are kept.
        home: The repository's own root.
    """
    if (silence := silence_of(uri)) is not None:
        return Delivery(0, silence)
    sent, trouble = 0, None
    client: MlflowClient | None = None
    for numbers in _together(spool):
        first = spool.records[numbers[0]]
        if first["kind"] != "open" and first["run"] not in spool.runs:
            # The run could not be opened: nothing has a place without it.
            continue
        try:
            client = client or connect(uri)
            _send(client, spool, numbers, home)
        except Exception as error:  # noqa: BLE001 (backends raise what they like)
            if is_for_ever(error):
                for number in numbers:
                    spool.mark(refused=number, why=words_of(error))
            elif (silence := silence_of(uri)) is not None or _is_silence(error):
                return Delivery(sent, silence or words_of(error))
            else:
                trouble = trouble or words_of(error)
        else:
            sent += len(numbers)
            for number in numbers:
                spool.mark(done=number)
    return Delivery(sent, None, trouble)


def _together(spool: Spool) -> Iterator[list[int]]:
    """Yield the numbers of pending records: points that follow each other in one group, all else alone."""
    records = spool.records
    pending = spool.pending()

    def kind(number: int) -> tuple[int, object]:
        record = records[number]
        return record["run"], "metrics" if record["kind"] == "metrics" else number

    for _, group in groupby(pending, kind):
        batch: list[int] = []
        size = 0
        for number in group:
            points = len(records[number].get("points", ()))
            if batch and size + points > _POINTS:
                yield batch
                batch, size = [], 0
            batch.append(number)
            size += points
        yield batch


def _send(client: MlflowClient, spool: Spool, numbers: list[int], home: Path) -> None:
    records = spool.records
    record = records[numbers[0]]
    run = record["run"]
    if record["kind"] == "open":
        _open(client, spool, record, home)
        return
    run_id, own = spool.runs[run]
    match record["kind"]:
        case "params":
            _send_params(client, run_id, record["params"])
        case "tags":
            _send_tags(client, run_id, record["tags"])
        case "metrics":
            points = [point for number in numbers for point in records[number]["points"]]
            _send_points(client, spool, run, points)
        case "file":
            _send_file(client, run_id, spool.folder / record["file"], record["name"])
        case "dataset":
            _send_dataset(client, run_id, record)
        case "model":
            _send_model(client, spool, numbers[0], record)
        case "end" if own:
            client.set_terminated(run_id, status=record["status"], end_time=record["time"])


def _open(client: MlflowClient, spool: Spool, record: Record, home: Path) -> None:
    run = record["run"]
    if (weights := record.get("weights")) and _waits(spool, weights, record["to"]):
        raise TimeoutError("the training of these weights is not recorded yet")
    again = run in spool.tried
    spool.mark(tried=run)
    beneath = record.get("beneath")
    run_id, own = open_run(
        client,
        record,
        home=home,
        name=f"{spool.key}/{run}",
        again=again,
        parent=None if beneath is None else spool.runs[beneath][0],
    )
    spool.mark(run=run, id=run_id, own=own)


def _waits(spool: Spool, weights: str, uri: str) -> bool:
    """Tell whether the training that produced some weights lies in another spool for the same place."""
    for folder in waiting(spool.folder.parent):
        if folder.name >= spool.key:
            continue
        other = Spool.read(folder)
        records = other.records
        if not records or records[0].get("to") != uri:
            continue
        if any(trained_in([records[number]], weights) for number in other.pending()):
            return True
    return False


def _send_params(client: MlflowClient, run_id: str, params: dict[str, str]) -> None:
    from mlflow.entities import Param

    entries = [Param(name, value) for name, value in params.items()]
    for start in range(0, len(entries), _BATCH):
        client.log_batch(run_id, params=entries[start : start + _BATCH])


def _send_tags(client: MlflowClient, run_id: str, tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    entries = [RunTag(name, value) for name, value in tags.items()]
    for start in range(0, len(entries), _BATCH):
        client.log_batch(run_id, tags=entries[start : start + _BATCH])


def _send_points(client: MlflowClient, spool: Spool, run: int, points: list[list[Any]]) -> None:
    """Send points; figures of the whole run go with its models too, on whose pages MLflow then shows them."""
    from mlflow.entities import Metric

    run_id, _ = spool.runs[run]
    everywhere: list[Metric] = [Metric(*point) for point in points]
    whole = [point for point in points if point[3] == 0]
    if whole:
        outputs = client.get_run(run_id).outputs
        models = {output.model_id for output in outputs.model_outputs} if outputs else set()
        everywhere += [Metric(*point, model_id=model, run_id=run_id) for model in sorted(models) for point in whole]
    for start in range(0, len(everywhere), _POINTS):
        client.log_batch(run_id, metrics=everywhere[start : start + _POINTS])


def _send_file(client: MlflowClient, run_id: str, path: Path, name: str) -> None:
    target = PurePosixPath(name)
    parent = target.parent.as_posix()
    with tempfile.TemporaryDirectory() as folder:
        # Under the name that it has within the run.
        file = Path(folder, target.name)
        file.write_bytes(path.read_bytes())
        client.log_artifact(run_id, str(file), None if parent == "." else parent)


def _send_dataset(client: MlflowClient, run_id: str, record: Record) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        record["name"],
        record["digest"],
        source_type="local",
        source=json.dumps({"uri": record["name"]}),
        profile=record.get("profile"),
    )
    inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", record["context"])])]
    client.log_inputs(run_id, datasets=inputs)


def _send_model(client: MlflowClient, spool: Spool, number: int, record: Record) -> None:
    run_id, _ = spool.runs[record["run"]]
    ended = [point for other in spool.records[:number] for point in _whole(other, record["run"])]

    def known(model_id: str) -> None:
        spool.mark(model=number, id=model_id)

    publish_model(
        client,
        run_id,
        spool.folder / record["folder"],
        record["name"],
        key=f"{spool.key}/{number}",
        model_id=spool.models.get(number),
        on_created=known,
    )
    if ended:
        from mlflow.entities import Metric

        model_id = spool.models[number]
        client.log_batch(
            run_id, metrics=[Metric(*point, model_id=model_id, run_id=run_id) for point in ended[-_POINTS:]]
        )


def _whole(record: Record, run: int) -> list[list[Any]]:
    if record["kind"] != "metrics" or record["run"] != run:
        return []
    return [point for point in record["points"] if point[3] == 0]


def is_for_ever(error: Exception) -> bool:
    """Tell whether MLflow would say the same again tomorrow."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, FileNotFoundError):
        # What the record refers to is gone: somebody tidied up.
        return True
    return isinstance(error, MlflowException) and error.error_code in _FOR_EVER


def _is_silence(error: Exception) -> bool:
    """Tell whether a request was not answered in time: the next one would take as long."""
    text = str(error).lower()
    return isinstance(error, TimeoutError) or "timed out" in text or "timeout" in text


def words_of(error: Exception) -> str:
    """Return what an error says, in one line."""
    return next(iter(f"{type(error).__name__}: {error}".splitlines()))[:300]
