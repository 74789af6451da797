"""The params as a form: read, checked, saved with their comments, and restored."""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pixmill.core.errors import ParamsError
from pixmill.core.files.writing import write_bytes, write_text
from pixmill.core.params import Params, parse_params, parse_yaml, read_text
from pixmill.core.params.document import edit_params, value_at
from pixmill.core.params.reference import CurrentParam, current_params, plain
from pixmill.models.networks import describe_model
from pixmill.project.recipes.recipe import find_recipe, pin_preset
from pixmill.project.recipes.replacement import use

_CHOICES = re.compile(r"one of ([\w., -]+)")
"""Params that accept a few words, and nothing else."""


_RECIPES = ("fast", "best", "strong", "finetune")
"""Recipes that the form offers."""

_OFFERED = ("train.target_accuracy", "train.class_weights", "train.minutes")
"""Params that the form offers although the file does not set them."""


class ParamsForm:
    """Recipes, and the params that ``params.yaml`` sets, as texts.

    Args:
        root: Project folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "params.yaml"
        self._lock = threading.Lock()
        self._saved: list[tuple[str, bytes]] = []  # digest after each change, and content before

    @property
    def can_undo(self) -> bool:
        """Whether a change was saved, and not undone."""
        return bool(self._saved)

    def document(self) -> dict[str, Any]:
        """Return the digest of the file, the recipe in use, and the params with effect.

        A param has its text, meaning and choices.

        Raises:
            ParamsError: The file is not valid.
        """
        text = read_text(self._path)
        train = parse_params(text).train
        models = {
            describe_model(find_recipe(self._root, name).params().train): name for name in _RECIPES
        }
        unused = tuple(f"train.{name}" for name in train.kind.unused)
        return {
            "digest": _digest(text.encode()),
            "recipe": models.get(describe_model(train)),
            "params": [
                _field(param)
                for param in current_params(self._root)
                if (param.in_file or param.name in _OFFERED) and not param.name.startswith(unused)
            ],
        }

    def check(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the errors of changed values by param; of several params: the empty name.

        Args:
            values: Texts by dotted name, in YAML.

        Raises:
            ParamsError: The file is not valid.
        """
        return _change(read_text(self._path), values)[1]

    def save(self, digest: str, values: Mapping[str, str]) -> None:
        """Write changed values; comments and layout stay.

        Args:
            digest: That of the file from which the form was made.
            values: Texts by dotted name, in YAML.

        Raises:
            ParamsError: A value is wrong, or the file has changed since.
        """
        with self.changing():
            text = read_text(self._path)
            _expect(text, digest, "reload the form, and repeat the change")
            wanted, errors = _change(text, values)
            if wanted is None:
                raise ParamsError("\n".join(errors.values()), next="correct the values")
            after = edit_params(text, wanted, otherwise="edit it, then: pixmill doctor --quick")
            if after != text:
                write_text(self._path, after)

    def use(self, digest: str, recipe: str) -> None:
        """Take the model of a recipe, as ``pixmill use`` does.

        Args:
            digest: As for :meth:`save`.
            recipe: Its name.

        Raises:
            PixmillError: The file has changed since, or a package or a download is missing.
        """
        with self.changing():
            _expect(read_text(self._path), digest, "reload the form, and repeat the change")
            chosen, _ = pin_preset(self._root, find_recipe(self._root, recipe))
            use(self._root, chosen)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Let :meth:`undo` restore the file as it was before the block."""
        with self._lock:
            before = self._path.read_bytes()
            yield
            after = self._path.read_bytes()
            if after != before:
                self._saved.append((_digest(after), before))

    def undo(self) -> None:
        """Restore the file before the last change.

        Raises:
            ParamsError: No change was saved, or the file has changed since.
        """
        with self._lock:
            if not self._saved:
                raise ParamsError("nothing to undo", next="git diff params.yaml")
            digest, before = self._saved[-1]
            _expect(read_text(self._path), digest, "git diff params.yaml")
            write_bytes(self._path, before)
            self._saved.pop()


def _expect(text: str, digest: str, then: str) -> None:
    if _digest(text.encode()) != digest:
        raise ParamsError("params.yaml has been changed elsewhere, such as in an editor", next=then)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _field(param: CurrentParam) -> dict[str, Any]:
    choices = _CHOICES.fullmatch(
        "one of true, false" if param.expected == "true or false" else param.expected
    )
    return {
        "name": param.name,
        "text": plain(param.value),
        "meaning": param.meaning,
        "expected": param.values(),
        "default": None if param.default is ... else plain(param.default),
        "choices": choices[1].split(", ") if choices and " or " not in choices[1] else [],
        "is_number": type(param.value) in (int, float),
    }


def _change(text: str, values: Mapping[str, str]) -> tuple[Params | None, dict[str, str]]:
    """Return the params with changed values, or ``None`` and the errors by param."""
    content = parse_yaml(text)
    errors = {}
    parse_params(text)
    for name, given in values.items():
        section, _, key = name.rpartition(".")
        owner = value_at(content, section, None) if section else content
        if not isinstance(owner, dict) or not (key in owner or name in _OFFERED):
            raise ParamsError(f"{name}: params.yaml does not set it", next="reload the form")
        try:
            value = parse_yaml(given, file=name)
        except ParamsError as error:
            errors[name] = error.message
            continue
        # A string may look like a number or date, such as the salt 7.
        is_text = isinstance(owner.get(key), str) and not isinstance(value, list | dict | None)
        owner[key] = given.strip() if is_text else value
    if errors:
        return None, errors
    try:
        return parse_params(json.dumps(content, ensure_ascii=False, default=str)), {}
    except ParamsError as error:
        return None, _by_param(error.message, values)


def _by_param(message: str, names: Iterable[str]) -> dict[str, str]:
    """Return the lines of a message by the param that each begins with; the others by ``""``."""
    lines: dict[str, list[str]] = {}
    for line in message.splitlines():
        about = f"{line.partition(': ')[0]}."
        named = [name for name in names if about.startswith(f"{name}.")]
        lines.setdefault(max(named, key=len, default=""), []).append(line)
    return {name: "\n".join(found) for name, found in lines.items()}
