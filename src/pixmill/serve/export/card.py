"""The model card of an export: ``README.md`` in the format of model hubs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixmill import __version__
from pixmill.core.files.writing import read_json
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.params import EvaluateParams, TrainParams
from pixmill.core.repository.stage_inputs import workspace_stages
from pixmill.core.words import percent
from pixmill.evaluate.page import sentences
from pixmill.models.exported import Exported
from pixmill.models.networks import describe_model
from pixmill.models.preset_files import describe_preset
from pixmill.pages.markdown import in_markdown
from pixmill.pages.page import make_environment
from pixmill.scrape.licences import parse_licence
from pixmill.serve.export.agreement import Agreement
from pixmill.serve.export.conversion import FORMATS
from pixmill.tracking.lineage import data_hashes

MARK = "# Written by `pixmill export`, which replaces this file as long as this line is in it."
"""A comment in the front matter, by which a later export recognizes the file."""

_LIBRARIES = {"int8": "litert", "html": "litert", "html-small": "litert"}
"""Library of the formats that another format's library runs."""

_MAX_CLASSES = 5
_MAX_ORIGINS = 20
"""Maximum number of rows of the tables."""


@dataclass(frozen=True)
class ModelCard:
    """The content of a model card.

    Args:
        description: The exported model.
        network: Short description of the network; ``None`` if DVC has no record of its training.
        preset: KerasHub preset of its backbone, with version, SHA-256 and licence; ``None`` if
            there is none.
        confidence: Confidence level of the intervals.
        metrics: All metrics of evaluate; empty if the model was not evaluated.
        hashes: DVC's hashes of the inputs of training, by path.
        counts: Number of images by split.
        origins: Source, licence (``None`` if unknown) and number of training images, most frequent
            first.
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
        root: Project folder.
        description: The exported model; without metrics if those of the project are of another
            model.

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
    # Not with pandas, which would turn an unknown licence into NaN.
    licences = map(_licence, trained["licence"].astype(object))
    origins = Counter(zip(trained["source"].astype(str), licences, strict=True))
    metrics: dict[str, Any] = {}
    if description.metrics:
        metrics = read_json(root / "plots" / "evaluate" / "full.json", stage="evaluate")
    # The params of the run; params.yaml may have changed since.
    train = _params(root, "train")
    evaluate = _params(root, "evaluate")
    network = preset = None
    if train is not None:
        params = TrainParams.model_validate(train)
        network = describe_model(params)
        if params.kind.backbone is not None:
            preset = describe_preset(params.kind.backbone)
    return ModelCard(
        description=description,
        network=network,
        preset=preset,
        confidence=EvaluateParams.model_validate(evaluate or {}).confidence,
        metrics=metrics,
        hashes=data_hashes(root),
        counts=Counter(manifest["split"]),
        origins=sorted(
            ((*origin, count) for origin, count in origins.items()),
            key=lambda item: (-item[2], item[0], item[1] or ""),
        ),
    )


def _params(root: Path, stage: str) -> dict[str, Any] | None:
    """Return a stage's params in ``dvc.lock``, or ``None``."""
    found = (
        workspace_stages(root).get(stage, {}).get("params", {}).get("params.yaml", {}).get(stage)
    )
    return found if isinstance(found, dict) else None


def _licence(text: object) -> str | None:
    """Return the name of a licence; an unknown licence keeps the text of the source."""
    if not isinstance(text, str) or not text.strip():
        return None
    known = parse_licence(text)
    return text.strip() if known is None else str(known)


def render_card(
    facts: ModelCard,
    checked: Mapping[str, tuple[Agreement, int]],
    *,
    licence: str | None = None,
    refused: Mapping[str, str] | None = None,
) -> str:
    """Return the card as Markdown with YAML front matter, with every text escaped.

    Args:
        facts: Content of the card.
        checked: Agreement and size in bytes of each written format.
        licence: Licence of the model; ``None`` if unknown.
        refused: Reason for each refused format.
    """
    environment = make_environment("pixmill.serve.export", autoescape=False, finalize=in_markdown)
    safe = environment.filters["safe"]
    environment.filters["number"] = lambda value, form: safe(
        "" if value is None else format(value, form)
    )
    description = facts.description
    metrics = facts.metrics
    known = [
        (label, row) for label, row in metrics.get("per_class", {}).items() if row["f1"] is not None
    ]
    text = environment.get_template("card.md").render(
        sentences=sentences,
        version=__version__,
        mark=MARK,
        libraries=list(dict.fromkeys(_LIBRARIES.get(name, name) for name in checked)),
        facts=facts,
        description=description,
        labels=description.labels,
        aspect=description.aspect,
        image_size=description.image_size,
        metrics=metrics,
        weakest=sorted(known, key=lambda item: (item[1]["f1"], item[0]))[:_MAX_CLASSES],
        origins=facts.origins[:_MAX_ORIGINS],
        licence=licence,
        checked=checked,
        refused=refused,
        files=FORMATS,
        agreement_rows=agreement_rows,
    )
    return f"{text.strip()}\n"


def agreement_rows(
    checked: Mapping[str, tuple[Agreement, int]], *, is_exclusive: bool
) -> list[list[str]]:
    """Return the table of the formats; its first row is the header.

    Args:
        checked: As for :func:`render_card`.
        is_exclusive: Whether an image has one label.
    """
    same = "same class" if is_exclusive else "same answers"
    header = ["file", same, "largest difference", "accuracy", "change", "size"]
    return [header] + [
        [
            FORMATS[name],
            percent(found.same, 2),
            f"{found.largest:.1e}",
            percent(found.accuracy, 2),
            f"{-100 * found.drop:+.2f} points" if found.drop else "none",
            f"{size / 1e6:.1f} MB",
        ]
        for name, (found, size) in checked.items()
    ]
