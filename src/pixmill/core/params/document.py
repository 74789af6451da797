"""The whole of ``params.yaml``: parsing, validation across sections, changes by dotted name."""

import contextlib
import functools
import json
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from pixmill.core.cells import NONE, Task
from pixmill.core.errors import ParamsError
from pixmill.core.names import MAX_LABEL, class_by_name, fold, is_label, to_slug
from pixmill.core.params.compare import METRICS, CompareParams
from pixmill.core.params.models import PATCHES
from pixmill.core.params.refusal import quote_value, refusals
from pixmill.core.params.scrape import ScrapeParams
from pixmill.core.params.sections import ClassName, EvaluateParams, Section, SplitParams
from pixmill.core.params.sweep import RangeParams, SweepParams
from pixmill.core.params.train import TrainParams
from pixmill.core.params.validate import ValidateParams
from pixmill.core.params.yaml_text import NEXT, parse_yaml, read_text, set_values
from pixmill.core.words import did_you_mean, first_of

_MAX_NAMED = 5
"""Names shown in a message."""

_NOT_SEARCHED = (
    "train.seed",
    "train.threads",
    "train.cross_validation",
    "train.learning_curve",
    "train.target_accuracy",
    "train.labels.threshold",
)


class Params(Section):
    """The whole of ``params.yaml``."""

    classes: tuple[ClassName, ...] = Field(
        min_length=2,
        max_length=10_000,
        strict=False,
        description="Labels of the classifier: names of searches and of folders in data/. Any "
        "visible text; if file systems refuse it, `pixmill doctor --quick` shows the folder's "
        "name. They must differ in more than case; composed and decomposed letters such as é are "
        "equal.",
        examples=[["jeans", "saree", "trouser"]],
    )
    task: Task = Field(
        default="one_label",
        description="What an image's label is: `one_label`: one of the classes; `labels`: yes, no "
        "or unknown for each of them, so an image may have several, or none.",
    )
    scrape: ScrapeParams = Field(description="Sources of images, and limits of fetching.")
    validate_: ValidateParams = Field(
        default=ValidateParams(),
        alias="validate",
        description="Decoding limits, duplicate detection, and the checks.",
    )
    split: SplitParams = Field(
        default=SplitParams(),
        description="The train, val and test splits, and how images are resized.",
    )
    train: TrainParams = Field(default=TrainParams(), description="The model and its training.")
    evaluate: EvaluateParams = Field(default=EvaluateParams(), description="Metrics and figures.")
    compare: CompareParams = Field(
        default=CompareParams(), description="Metric and limits of `pixmill compare`."
    )

    sweep: SweepParams = Field(default=SweepParams(), description="What `pixmill sweep` searches.")

    @field_validator("classes", mode="before")
    @classmethod
    def _named(cls, names: Any) -> Any:
        if isinstance(names, list | tuple) and (
            wrong := [name for name in names if not is_label(name)]
        ):
            raise ValueError(
                f"expected names of at most {MAX_LABEL} visible characters without spaces at their "
                "ends, in quotes if YAML reads them as something else, received "
                + first_of([*map(quote_value, wrong)], _MAX_NAMED)
            )
        return names

    @field_validator("classes")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        seen: dict[str, str] = {}
        for name in names:
            keys = {fold(name), fold(to_slug(name))}
            if (other := next((seen[key] for key in keys if key in seen), None)) is not None:
                same = (
                    "more than once"
                    if other == name
                    else f"and {other!r}, which are equal on some systems"
                )
                raise ValueError(f"expected distinct names, received {name!r} {same}")
            seen |= dict.fromkeys(keys, name)
            if fold(name) == "unlabelled":
                raise ValueError(
                    "expected names other than unlabelled (images without a label), received "
                    f"{name!r}"
                )
        return names

    @model_validator(mode="after")
    def _fits_several_labels(self) -> Self:
        if self.task != "labels":
            return self
        if NONE in self.classes:
            raise ValueError(f"classes: {NONE!r} is the answer without any label: leave it out")
        mix = self.train.augmentation.mix
        if mix != "none":
            raise ValueError(
                "train.augmentation.mix: expected none with task: labels, whose unknown cells "
                f"cannot be mixed, received {mix!r}"
            )
        return self

    @model_validator(mode="after")
    def _names_are_classes(self) -> Self:
        threshold = self.train.labels.threshold
        by_class = {
            **{f"scrape.{key}": of for key, of in self.scrape.by_class().items()},
            "train.labels.threshold": threshold if isinstance(threshold, dict) else {},
        }
        for key, named in by_class.items():
            for label in named:
                if label not in self.classes:
                    raise ValueError(f"{key}: expected names among classes, received {label!r}")
        return self

    @model_validator(mode="after")
    def _unlabelled_is_no_class(self) -> Self:
        folder = self.evaluate.unlabelled
        if folder is not None and fold(Path(folder).parts[1]) in {
            "train",
            "val",
            "test",
            *map(fold, self.classes),
        }:
            raise ValueError(
                "evaluate.unlabelled: expected a folder that is neither a class nor a split, "
                f"received {folder!r}"
            )
        return self

    @model_validator(mode="after")
    def _fits_patches(self) -> Self:
        backbone = self.train.kind.backbone
        if backbone is None:
            return self
        size = backbone.image_size or self.split.image_size
        patch = next(
            (side for preset, side in PATCHES.items() if backbone.title.startswith(preset)), 1
        )
        if isinstance(size, int) and size % patch:
            key = "train.backbone.image_size" if backbone.image_size else "split.image_size"
            raise ValueError(
                f"{key}: {backbone.title} takes multiples of {patch} pixels, received {size}"
            )
        return self

    @model_validator(mode="after")
    def _fits_task(self) -> Self:
        known = METRICS[self.task]
        if "metric" not in self.compare.model_fields_set and self.compare.metric not in known:
            own = self.compare.model_copy(update={"metric": known[0]})
            object.__setattr__(self, "compare", own)
        given = {"compare.metric": self.compare.metric, "sweep.metric": self.sweep.metric}
        for key, metric in given.items():
            if metric and metric not in known:
                raise ValueError(
                    f"{key}: task {self.task} has {', '.join(known)}, received {metric}"
                )
        return self

    def changed(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with changed values, without the section ``sweep``.

        Args:
            values: Values by dotted name; list items are addressed by index.

        Raises:
            ParamsError: A name is unknown or a value is wrong; one line for each.
        """
        content = self.model_dump(mode="json", by_alias=True, exclude={"sweep"})
        for name, value in values.items():
            _put(content, name, value, flat(self))
        return check_params(content)  # type: ignore[return-value]

    @property
    def class_by_name(self) -> dict[str, str]:
        """The class of each name that a folder in ``data/``, or a label in its table, may have."""
        return class_by_name(self.classes, self.scrape.folder.classes)

    def sources(self) -> list[str]:
        """Return the distinct sources of all classes, in order."""
        return [
            *dict.fromkeys(name for label in self.classes for name in self.scrape.sources_of(label))
        ]

    @property
    def validate(self) -> ValidateParams:  # type: ignore[override]
        """The section of the stage validate; pydantic has a method of the same name."""
        return self.validate_


SECTION_NAMES = tuple(
    field.alias or name for name, field in Params.model_fields.items() if name != "task"
)
"""The top-level keys of ``params.yaml`` that DVC expects, in order."""


def flat(section: BaseModel | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a section to ``{dotted name: value}``.

    Items of a list of sections are addressed by index:

    >>> flat({"train": {"epochs": 3, "cnn": {"blocks": [{"filters": 8}, {"filters": 16}]}}})
    {'train.epochs': 3, 'train.cnn.blocks.0.filters': 8, 'train.cnn.blocks.1.filters': 16}
    """
    content = section.model_dump(by_alias=True) if isinstance(section, BaseModel) else section
    result: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            result |= flat(value, f"{name}.")
        elif (
            isinstance(value, list | tuple)
            and value
            and all(isinstance(item, Mapping) for item in value)
        ):
            result |= flat({str(place): item for place, item in enumerate(value)}, f"{name}.")
        else:
            result[name] = list(value) if isinstance(value, tuple) else value
    return result


def value_at(content: Any, name: str, default: Any) -> Any:
    """Return a value of parsed YAML by dotted name, with DVC's rules of lookup.

    The default if there is none.
    """
    if isinstance(content, dict) and name in content:
        return content[name]
    try:
        return functools.reduce(operator.getitem, name.split("."), content)
    except (LookupError, TypeError):
        return default


@functools.lru_cache(maxsize=8)  # of 500 labels, YAML takes a second
def parse_params(text: str) -> Params:
    """Parse a ``params.yaml`` into frozen, typed objects; omitted keys have their defaults.

    >>> params = parse_params('''
    ... classes: [coat, dress]
    ... scrape: {snapshot: '2026-11-20'}
    ... train: {epochs: 3}
    ... ''')
    >>> params.train.epochs, params.train.batch_size
    (3, 32)
    >>> text = "{classes: [coat, dress], scrape: {snapshot: '2026-11-20'}, split: {test: half}}"
    >>> parse_params(text)
    Traceback (most recent call last):
    pixmill.core.errors.ParamsError: split.test: expected a number > 0 and < 1, received 'half'
    Next: edit params.yaml, then: pixmill doctor --quick

    Raises:
        ParamsError: The text is not a YAML mapping, or a key is unknown, missing or wrong; one line
            for each.
    """
    return check_params(parse_yaml(text))


def edit_params(text: str, wanted: Params, *, otherwise: str) -> str:
    """Return a params file with other values; comments and layout stay.

    Args:
        text: A valid params file.
        wanted: The values; only those that differ change.
        otherwise: Next step if the file has another form.

    Raises:
        ParamsError: The values cannot be set in this file, such as one with anchors.
    """
    text = set_values(text, _differences(parse_params(text), wanted))
    with contextlib.suppress(ParamsError):
        if parse_params(text) == wanted:
            return text
    raise ParamsError(
        "params.yaml cannot be changed in its present form, such as with anchors or in an unusual "
        "layout",
        next=otherwise,
    )


def _differences(was: BaseModel, now: BaseModel) -> dict[str, Any]:
    """Return the values that differ, as in a params file."""
    pairs = {
        field.alias or name: (getattr(was, name), getattr(now, name))
        for name, field in type(now).model_fields.items()
    }
    return {
        name: _differences(old, new)
        if isinstance(old, BaseModel) and type(old) is type(new)
        else _plain(new)
        for name, (old, new) in pairs.items()
        if old != new
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def load_params(root: Path) -> Params:
    """Read and check the ``params.yaml`` in a folder.

    Raises:
        ParamsError: The file is missing, cannot be read, or is not valid.
    """
    return parse_params(read_text(root / "params.yaml"))


def check_space(params: Params) -> None:
    """Check that ``sweep.space`` names searchable params, with valid values.

    This is not part of :func:`parse_params`, since no stage depends on it.

    Args:
        params: The whole of ``params.yaml``.

    Raises:
        ParamsError: One line for each wrong param, or for the values of the first one.
    """
    known = flat(params)
    wrong = []
    for name, values in params.sweep.space.items():
        if not name.startswith("train.") or name.startswith(_NOT_SEARCHED):
            wrong.append(f"sweep.space.{name}: {_not_searched(name, known)}")
            continue
        if isinstance(values, RangeParams):
            tried: list[Any] = [values.low, values.high]
        else:
            tried = [*values]
            if len({json.dumps(value, default=str) for value in values}) < len(values):
                wrong.append(f"sweep.space.{name}: expected different values, received one twice")
        wrong += _first_refusal(params, name, tried)
    if wrong:
        raise ParamsError("\n".join(wrong), next=NEXT)


def _first_refusal(params: Params, name: str, values: list[Any]) -> list[str]:
    """Return the lines about the first value that a param refuses; none if it takes all."""
    for value in values:
        try:
            params.changed({name: value})
        except ParamsError as error:
            return [f"sweep.space.{line}" for line in error.message.splitlines()]
    return []


def parse_overrides(params: Params, texts: Mapping[str, str]) -> dict[str, Any]:
    """Parse values from the command line and validate them with the rest of the file.

    Args:
        params: Current params.
        texts: Texts by dotted name, such as ``{"train.epochs": "3"}``; list items are addressed by
            index.

    Raises:
        ParamsError: The file would not be valid with these values; one line for each.
    """
    current = flat(params)
    parsed = {name: parse_yaml(text) for name, text in texts.items()}
    values = {
        # A string may look like a number, such as the salt 7.
        name: texts[name]
        if isinstance(current.get(name), str) and not isinstance(value, list)
        else value
        for name, value in parsed.items()
    }
    params.changed(values)
    return values


def item_of(owner: Any, key: str) -> Any:
    """Return an item of nested content; that of a list by its index."""
    return owner[int(key) if isinstance(owner, list) else key]


def _put(content: Any, name: str, value: Any, known: Mapping[str, Any]) -> None:
    """Set a value in nested content by dotted name."""
    *sections, key = name.split(".")
    try:
        owner = functools.reduce(item_of, sections, content)
        item_of(owner, key)
    except (KeyError, IndexError, TypeError, ValueError):
        what = (
            "a name with a dot cannot be set here"
            if name in known
            else f"no such parameter{did_you_mean(name, known)}"
        )
        raise ParamsError(f"{name}: {what}", next="edit params.yaml") from None
    owner[int(key) if isinstance(owner, list) else key] = value


def _not_searched(name: str, known: Mapping[str, Any]) -> str:
    """Explain why a sweep cannot search a param."""
    if name not in known:
        return f"no such parameter{did_you_mean(name, known)}"
    return (
        "a sweep searches params of train, except seed, threads, cross_validation, learning_curve "
        "and target_accuracy; for others: dvc exp run --queue -S"
    )


def check_params(content: Any) -> Params:
    """Validate a parsed ``params.yaml``.

    Raises:
        ParamsError: It is not a mapping, or a key is unknown, missing or wrong; one line for each.
    """
    if not isinstance(content, dict):
        kind = "nothing" if content is None else type(content).__name__
        raise ParamsError(f"params.yaml: expected sections, received {kind}", next=NEXT)
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ParamsError("\n".join(refusals(Params, error)), next=NEXT) from None
