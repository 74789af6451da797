"""What a model card says of a model, read from the project's files."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixmill.core.files import read_json
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.params import EvaluateParams, TrainParams
from pixmill.learn.exported import Exported
from pixmill.learn.networks import describe_model
from pixmill.learn.preset_files import describe_preset
from pixmill.record.lineage import data_hashes
from pixmill.scrape.licences import parse_licence
from pixmill.state.stage_inputs import workspace_stages


@dataclass(frozen=True)
class ModelCard:
    """The content of a model card.

    Args:
        description: The exported model.
        network: What it is, in a few words; ``None`` if DVC has no record of its training.
        preset: The preset of KerasHub that is its backbone, with version, SHA-256 and licence; ``None``: another one.
        confidence: Confidence of the intervals of the metrics.
        metrics: All metrics of evaluate; empty if the model was not evaluated.
        hashes: DVC's hashes of the training's inputs, by path.
        counts: Images by split.
        origins: Training images by source and licence; the licence is ``None`` if unknown. The most frequent first.
    """

    description: Exported
    network: str | None
    preset: str | None
    confidence: float
    metrics: dict[str, Any]
    hashes: dict[str, str]
    counts: dict[str, int]
    origins: list[tuple[str, str | None, int]]


def gather(root: Path, description: Exported) -> ModelCard:
    """Return the facts about the project's trained model.

    Args:
        root: The project's folder.
        description: The exported model; it has metrics only if they are this model's.

    Raises:
        ManifestError: A file of a stage is missing or malformed.
    """
    manifest = read_table(
        root / "artifacts" / "split" / "manifest.parquet",
        SPLIT,
        stage="split",
        columns=["label", "source", "licence", "split"],
    )
    trained = manifest[manifest["split"] == "train"]
    origins = Counter(
        (str(source), _licence(licence))
        for source, licence in zip(trained["source"], trained["licence"].astype(object), strict=True)
    )
    metrics: dict[str, Any] = {}
    if description.metrics:
        metrics = read_json(root / "plots" / "evaluate" / "full.json", stage="evaluate")
    # Of the run, not those that params.yaml has now.
    train, evaluate = _params(root, "train"), _params(root, "evaluate")
    params = None if train is None else TrainParams.model_validate(train)
    return ModelCard(
        description=description,
        network=None if params is None else describe_model(params),
        preset=None if params is None or params.model == "cnn" else describe_preset(params.backbone),
        confidence=EvaluateParams.model_validate(evaluate or {}).confidence,
        metrics=metrics,
        hashes=data_hashes(root),
        counts={str(name): int(count) for name, count in manifest["split"].value_counts().items()},
        origins=[
            (source, licence, count)
            for (source, licence), count in sorted(
                origins.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or "")
            )
        ],
    )


def _params(root: Path, stage: str) -> dict[str, Any] | None:
    """Return a stage's params as ``dvc.lock`` has them, ``None`` if it has none."""
    found = workspace_stages(root).get(stage, {}).get("params", {}).get("params.yaml", {}).get(stage)
    return found if isinstance(found, dict) else None


def _licence(text: object) -> str | None:
    """Return a licence's name, as the source gives it where it is not understood."""
    if not isinstance(text, str) or not text.strip():
        return None
    known = parse_licence(text)
    return text.strip() if known is None else str(known)
