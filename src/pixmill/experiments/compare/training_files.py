"""Parse and cache the files of trainings."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pixmill import __version__
from pixmill.core.files.cache import Cache
from pixmill.core.process.progress import track
from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.evaluate.predictions import held_out
from pixmill.experiments.compare.changes import resolve_params
from pixmill.experiments.compare.revisions import read_predictions

NOT_OF_MODEL = ("compare.", "review.", "evaluate.", "sweep.")
"""Prefixes of params that do not affect a model."""

SEED = "train.seed"


@dataclass(frozen=True)
class TrainingFiles:
    """Content of a training's files; its fields are those of ``TrainedModel``."""

    params: dict[str, Any]
    recipe: str | None
    predictions: pa.Table | None
    fault: str | None
    unused: Sequence[str]
    weights: str = ""
    megabytes: float | None = None


def read_training(
    content: Callable[[str], bytes | None], predictions: Callable[[], bytes | None], *, resolved: bytes | None
) -> TrainingFiles:
    """Read the params, the recipe and the predictions of a training.

    Args:
        content: Returns the bytes of a file of the project by path; ``None`` if it does not exist.
        predictions: Returns the bytes of ``predictions.parquet``; ``None`` if it does not exist.
        resolved: Bytes of ``params.json``; only a run has one.
    """
    texts = [None if each is None else each.decode("utf-8", "replace") for each in (resolved, content("params.yaml"))]
    # Dates and keys become text, as in the cache.
    params, unused = json.loads(json.dumps(resolve_params(*texts), default=str))
    fault, table = None, None
    try:
        if (given := predictions()) is not None:
            frame = read_predictions(given)
            kept = frame[held_out(frame)]
            known = ("id", "split", "label", "held_out")
            shown = [name for name in kept if name in known or str(name).startswith("p_")]
            table = pa.Table.from_pandas(kept[shown], preserve_index=False)
    except MalformedError as error:
        fault = f"its predictions cannot be used: the file {error}"
    used = {name: value for name, value in params.items() if name not in unused}
    return TrainingFiles(params, _recipe(content("dvc.lock"), used), table, fault, unused)


def _recipe(lock: bytes | None, params: Mapping[str, Any]) -> str | None:
    """Return a hash of everything that decides a training except its seed."""
    try:
        stages = {} if lock is None else read_stages(lock)
    except MalformedError:
        return None
    if "train" not in stages or not params:
        return None
    chosen = {name: value for name, value in params.items() if name != SEED and not name.startswith(NOT_OF_MODEL)}
    # A run logs the file during evaluate, so only its stage train is current.
    train = stages["train"]
    files = {file["path"]: file.get("md5") for file in train.get("deps", ())}
    text = json.dumps([chosen, files, train.get("params", {}).get("pixmill.lock")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_once(
    keys: Mapping[str, str], cache: Cache, read: Callable[[list[str]], Iterable[TrainingFiles]], unit: str
) -> dict[str, TrainingFiles]:
    """Return files by id from the cache; read and cache the others.

    Args:
        keys: Version of the content by id.
        cache: The cache.
        read: Reads the files of a list of ids, in order.
        unit: Noun of a training, for progress messages.
    """
    versions = {name: f"{__version__} {key}" for name, key in keys.items()}
    kept = cache.read([name.encode() for name in keys])
    unpacked = {name: _unpack(kept.get(name.encode(), b""), version) for name, version in versions.items()}
    found = {name: each for name, each in unpacked.items() if each is not None}
    others = [name for name in keys if name not in found]
    for name, each in zip(others, track(read(others), f"Read {unit}s", len(others), unit=unit), strict=True):
        found[name] = each
        if each.predictions is not None:
            cache.write({name.encode(): _pack(versions[name], each)})
    return found


def _pack(version: str, read: TrainingFiles) -> bytes:
    assert read.predictions is not None
    facts = {"version": version, **{name: value for name, value in vars(read).items() if name != "predictions"}}
    table = read.predictions.replace_schema_metadata({"facts": json.dumps(facts)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _unpack(content: bytes, version: str) -> TrainingFiles | None:
    """Return packed files; ``None`` if the content is damaged or of another version."""
    try:
        table = pq.read_table(io.BytesIO(content))
        facts = json.loads(table.schema.metadata[b"facts"])
        known = facts.pop("version") == version
        return TrainingFiles(predictions=table.replace_schema_metadata(None), **facts) if known else None
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
        return None
