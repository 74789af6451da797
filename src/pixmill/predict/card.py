"""The model card of an export: ``README.md``, in the form that model hubs read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from pixmill.pages.evaluate.reading import (
    calibration_sentence,
    cautions,
    confusion_sentence,
    headline,
    meaning,
    threshold_sentence,
)
from pixmill.predict.agreement import Agreement
from pixmill.predict.conversion import FORMATS
from pixmill.predict.facts import Facts
from pixmill.predict.usage import USAGE, preparation

__all__ = ["MARK", "agreement_rows", "escaped", "render_card"]

MARK = "# Written by `pixmill export`, which replaces this file as long as this line is in it."
"""A comment in the front matter, by which a later export knows the file."""

_WEAKEST, _CONFUSIONS, _ORIGINS, _LISTED = 5, 5, 20, 100
"""Most rows of each table, and most classes that are listed."""

_LIBRARIES = {"litert": "litert", "int8": "litert", "onnx": "onnx", "keras": "keras"}

_NAMES = {
    "litert": "LiteRT (TensorFlow Lite), `float32`",
    "int8": "LiteRT (TensorFlow Lite), 8-bit integers",
    "onnx": "ONNX, `float32`",
    "keras": "Keras, `float32`",
}

_SQUARE = {
    "pad": (
        "Scale it so that the longer side is {side} pixels, and fill the borders evenly on both sides with the mean "
        "colour of its outermost pixels"
    ),
    "crop": "Cut out the centre square, and scale it to {side} x {side} pixels",
    "stretch": "Scale it to {side} x {side} pixels, ignoring its aspect ratio",
}


def escaped(text: object) -> str:
    r"""Return text that Markdown shows as it is, on one line: names and licences come from strangers.

    >>> print(escaped("[T-shirt](http://a.test) <b>|\n# top"))
    \[T-shirt\](http\://a.test) \<b\>\| \# top
    """
    # Cf has what reverses text; joiners, which Indic scripts need, stay.
    kept = (
        letter if letter in "\u200c\u200d" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs") else " "
        for letter in str(text)
    )
    line = " ".join("".join(kept).split())
    line = re.sub(r"[\\`*_\[\]<>#|~$@&]|:(?=//)|(?<=www)\.", r"\\\g<0>", line, flags=re.IGNORECASE)
    # What would begin a list.
    return re.sub(r"^(\d*)([-+.)])", r"\1\\\2", line)


def render_card(
    facts: Facts,
    checked: Mapping[str, tuple[Agreement, int]],
    *,
    licence: str | None = None,
    refused: Iterable[str] = (),
) -> str:
    """Return the card as Markdown with YAML front matter.

    Args:
        facts: What is known of the model.
        checked: The formats that were written, each with its agreement and its size in bytes.
        licence: The model's licence; ``None`` if unknown.
        refused: The formats that were refused.
    """
    description = facts.description
    sections = [
        _front_matter(facts, checked, licence),
        f"# {escaped(description.name)}",
        _about(facts, licence),
        "## Files",
        *_files(checked, refused),
        "## Classes",
        _classes(description.labels),
        "## Results",
        *_results(facts),
        "## Intended use and limits",
        _limits(facts, checked),
        "## Preprocessing",
        _preprocessing(facts),
        "## Training images",
        *_images(facts),
        "## Use",
        *_uses(facts, checked),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def agreement_rows(checked: Mapping[str, tuple[Agreement, int]]) -> list[list[str]]:
    """Return the table of the formats, with its header as the first row."""
    header = ["file", "same class", "largest difference", "accuracy", "change", "size", "time per image"]
    return [header] + [
        [
            FORMATS[name],
            f"{found.same:.2%}",
            f"{found.largest:.1e}",
            f"{found.accuracy:.2%}",
            f"{-100 * found.drop:+.2f} points" if found.drop else "none",
            f"{size / 1e6:.1f} MB",
            f"{found.milliseconds:.1f} ms",
        ]
        for name, (found, size) in checked.items()
    ]


def _front_matter(facts: Facts, checked: Mapping[str, tuple[Agreement, int]], licence: str | None) -> str:
    description, metrics = facts.description, facts.metrics
    libraries = list(dict.fromkeys(_LIBRARIES[name] for name in checked))
    content: dict[str, Any] = {
        **({} if licence is None else {"license": licence}),
        **({"library_name": libraries[0]} if libraries else {}),
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "pixmill", *libraries],
    }
    if metrics:
        results = [
            {"type": "accuracy", "value": metrics["accuracy"], "name": "Accuracy"},
            {"type": "f1", "value": metrics["macro_f1"], "name": "Macro F1"},
        ]
        content["metrics"] = [result["type"] for result in results]
        result = {
            "task": {"type": "image-classification", "name": "Image classification"},
            "dataset": {"type": "imagefolder", "name": f"{description.name}, test split", "split": "test"},
            "metrics": results,
        }
        content["model-index"] = [{"name": description.name, "results": [result]}]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{MARK}\n{text}---"


def _about(facts: Facts, licence: str | None) -> str:
    description = facts.description
    kind = f"{facts.network}. It tells" if facts.network else "It tells"
    rows = [
        f"{escaped(kind)} {len(description.labels)} classes of images apart and returns calibrated probabilities.\n",
        f"- Licence of the model: {'unknown' if licence is None else escaped(licence)}",
        f"- Git commit: {'unknown' if description.commit is None else f'`{description.commit}`'}",
        f"- Digest of the model: `sha256:{description.digest}`",
    ]
    return "\n".join(rows)


def _files(checked: Mapping[str, tuple[Agreement, int]], refused: Iterable[str]) -> Iterator[str]:
    yield "\n".join(
        [
            *(f"- `{FORMATS[name]}`: {_NAMES[name]}" for name in checked),
            "- `labels.txt`: the classes, one a line, in the order of the outputs",
        ]
    )
    if checked:
        n = next(iter(checked.values()))[0].n
        yield (
            f"Each file was compared with the original model on {n:,} test images: the share with the same class, the "
            "largest difference of a probability, the accuracy, and its change."
        )
        yield _table(agreement_rows(checked))
        yield "Times: the median of single images without decoding, on the machine that exported."
    if refused := list(refused):
        names = ", ".join(f"`{FORMATS[name]}`" for name in refused)
        yield f"Not exported, since it differs too much from the original or cannot be converted: {names}."


def _classes(labels: Sequence[str]) -> str:
    more = f", and {len(labels) - _LISTED:,} more in `labels.txt`" if len(labels) > _LISTED else ""
    return ", ".join(escaped(label) for label in labels[:_LISTED]) + more


def _results(facts: Facts) -> Iterator[str]:
    metrics = facts.metrics
    if not metrics:
        yield "This model was not evaluated."
        return
    yield escaped(headline(metrics, facts.confidence))
    yield escaped(meaning(metrics))
    names = {"accuracy": "accuracy", "macro_f1": "macro F1", "log_loss": "log loss", "ece": "calibration error"}
    rows = [["metric", "value", f"{100 * facts.confidence:g} % CI"]]
    rows += [
        [text, f"{metrics[name]:.4g}", _interval(metrics, name)]
        for name, text in names.items()
        if metrics[name] is not None
    ]
    rows.append(["accuracy of the most common class", f"{metrics['baseline']['majority_accuracy']:.4g}", ""])
    yield _table(rows)
    known = [(label, row) for label, row in metrics["per_class"].items() if row["f1"] is not None]
    weakest = sorted(known, key=lambda item: (item[1]["f1"], item[0]))[:_WEAKEST]
    yield "Weakest classes:"
    yield _table(
        [["class", "F1", "CI", "precision", "recall", "test images"]]
        + [
            [
                escaped(label),
                f"{row['f1']:.3f}",
                _interval(row, "f1"),
                "" if row["precision"] is None else f"{row['precision']:.3f}",
                "" if row["recall"] is None else f"{row['recall']:.3f}",
                f"{row['support']:,}",
            ]
            for label, row in weakest
        ]
    )
    if facts.confusions:
        yield "Most frequent confusions:"
        yield "\n".join(f"- {escaped(confusion_sentence(each))}" for each in facts.confusions[:_CONFUSIONS])


def _interval(metrics: Mapping[str, Any], name: str) -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _limits(facts: Facts, checked: Mapping[str, tuple[Agreement, int]]) -> str:
    description, metrics = facts.description, facts.metrics
    lines = [
        f"Meant for images like the {facts.counts.get('train', 0):,} that it was trained on, which come from "
        f"{', '.join(dict.fromkeys(source for source, *_ in facts.origins[:_ORIGINS]))}.",
        "It answers with one of its classes whatever the image shows: it has no answer for anything else, and a high "
        "probability does not tell that an image is of one of them.",
    ]
    if metrics:
        lines += [threshold_sentence(metrics, description.target_accuracy), calibration_sentence(metrics)]
        lines += list(cautions(metrics))
    elif description.threshold is None:
        lines.append("The model has no confidence threshold, so it calls no answer sure or not sure.")
    else:
        lines.append(f"Below a confidence of {description.threshold:.1%} read its answer as “not sure”.")
    if "int8" in checked:
        found = checked["int8"][0]
        lines.append(
            f"model_int8.tflite gives another class for {1 - found.same:.1%} of the test images, and probabilities "
            f"that differ by up to {found.largest:.2f}; the threshold was chosen for the original."
        )
    if any(licence is None for _, licence, _ in facts.origins):
        lines.append("The licence of some training images is unknown: check whether you may publish or sell the model.")
    return "\n".join(f"- {escaped(line)}" for line in lines)


def _preprocessing(facts: Facts) -> str:
    description, side = facts.description, facts.description.image_size
    steps = [
        "Decode the image, turn it upright (EXIF), put transparency on white, and convert it to 8-bit RGB.",
        f"{_SQUARE[description.aspect].format(side=side)}, with Pillow's filter `{description.resize}` (antialiased "
        "when shrinking, except `nearest`). A filter that does not antialias gives other answers.",
        f"Pass `float32` values from 0 to 255 of shape (1, {side}, {side}, 3), RGB, height before width. Do not "
        "normalize: the network does.",
        f"The output has shape (1, {len(description.labels)}): the calibrated probabilities, in the order of "
        "`labels.txt`, with sum 1 to rounding.",
    ]
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def _images(facts: Facts) -> Iterator[str]:
    counts = facts.counts
    yield (
        f"{counts.get('train', 0):,} images for training, {counts.get('val', 0):,} for validation (calibration and "
        f"early stopping), {counts.get('test', 0):,} for the test."
    )
    rows = [["source", "licence", "training images"]]
    rows += [
        [escaped(source), "unknown" if licence is None else escaped(licence[:200]), f"{count:,}"]
        for source, licence, count in facts.origins[:_ORIGINS]
    ]
    if rest := facts.origins[_ORIGINS:]:
        rows.append([f"{len(rest):,} others", "", f"{sum(count for *_, count in rest):,}"])
    yield _table(rows)
    if facts.hashes:
        yield (
            "DVC's hashes of the data: "
            + ", ".join(f"`{path}` `{digest}`" for path, digest in facts.hashes.items())
            + "."
        )


def _uses(facts: Facts, checked: Mapping[str, object]) -> Iterator[str]:
    if "litert" in checked or "int8" in checked:
        file = FORMATS["litert" if "litert" in checked else "int8"]
        yield "With Pixmill, which reads the preprocessing and the threshold from the file:"
        yield f"```console\n$ pixmill predict --model {file} photo.jpg\n```"
    yield "Elsewhere, prepare the image first:"
    yield f"```python\n{preparation(facts.description)}```"
    for name in checked:
        title, code = USAGE[name]
        yield f"### {title}"
        yield f"```python\n{code}```"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
