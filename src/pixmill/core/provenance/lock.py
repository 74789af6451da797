"""``pixmill.lock``: a digest of the code behind each stage, which DVC tracks as a param.

``pixmill new`` and ``pixmill upgrade`` write it; projects commit it. The digest of a stage covers
the modules and the defaults of params that determine its outputs, but not code that shows results,
so that most releases run no stage again.
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from blake3 import blake3
from packaging.version import Version

import pixmill
from pixmill.core.errors import ParamsError, PixmillError
from pixmill.core.files.writing import write_text
from pixmill.core.install.origin import Origin, parse_origin
from pixmill.core.params import parse_yaml, read_text
from pixmill.core.params.reference import Reference, reference
from pixmill.core.provenance.code import Modules, normal_form
from pixmill.core.provenance.results import PARAMS, code_of

FILE = "pixmill.lock"

_RESTORE = f"git checkout {FILE} && pixmill upgrade"
"""Next step after an error in the file."""

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "validate": ("classes", "validate"),
    "split": ("classes", "split", "validate"),
    "train": ("classes", "train"),
    "evaluate": ("evaluate", "train"),
}
"""Stages with a digest, and the sections of ``params.yaml`` that each reads.

An upgrade never scrapes again.
"""

_CONVERTING = (f"{PARAMS}.sections", f"{PARAMS}.train", f"{PARAMS}.validate", "pixmill.core.names")
"""Modules whose functions validate and convert params."""

_PACKAGE = Path(pixmill.__file__).parent

_HEADER = (
    "# Digests of the code behind this project's results; written by `pixmill new` and "
    "`pixmill upgrade`.\n"
)


@dataclass(frozen=True)
class Lock:
    """The code behind a project's results.

    Args:
        version: Version of Pixmill.
        digests: Digest of the code by stage.
        template: Digest of each template file as written, by path; edited files differ.
        origin: Origin of the project's Pixmill, if known.
        extras: Installed extras, such as ``pipeline,heic``.
    """

    version: str
    digests: Mapping[str, str]
    template: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None
    extras: str = "pipeline"


def read_lock(root: Path) -> Lock | None:
    """Read a project's ``pixmill.lock``; ``None`` without one, as in Pixmill's own repository.

    Raises:
        PixmillError: The file cannot be read or is not valid.
    """
    path = root / FILE
    try:
        return parse_lock(read_text(path)) if path.exists() else None
    except ParamsError as error:
        raise PixmillError(error.message, next=_RESTORE) from None


def parse_lock(text: str) -> Lock:
    """Parse a ``pixmill.lock``.

    Raises:
        PixmillError: The text contains conflict markers or is not valid.
    """
    if re.search("^<{7} ", text, re.MULTILINE):
        following = f"git checkout --theirs {FILE} && pixmill upgrade"
        raise PixmillError(f"{FILE} contains merge conflict markers", next=following)
    content = parse_yaml(text, file=FILE)
    try:
        # These values appear in commands of messages, and upgrades delete files by these paths.
        return Lock(
            str(Version(content["pixmill"])),
            {stage: content[stage] for stage in SECTIONS},
            {_check_path(path): digest for path, digest in dict(content["template"]).items()},
            _origin(content["install"]) if "install" in content else None,
            _check_extras(content.get("extras", "pipeline")),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise PixmillError(f"{FILE} is not valid: {error!r}", next=_RESTORE) from None


def _origin(text: object) -> Origin | None:
    """Return the origin; ``None`` for a version without a hash, which any package can have."""
    return None if re.fullmatch(r"pixmill==[\w.+]+", str(text)) else parse_origin(text)


def _check_path(path: str) -> str:
    """Return the path if it stays inside the project, under Windows too."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or {*":\\"} & {*path} or not path.isprintable():
        raise ValueError(f"expected a path in the project, received {path!r}")
    return path


def _check_extras(text: str) -> str:
    """Return comma-separated names of extras, which commands and CI use."""
    if not re.fullmatch(r"[a-z0-9-]+(,[a-z0-9-]+)*", text):
        raise ValueError(f"expected extras such as pipeline,heic, received {text!r}")
    return text


def write_lock(root: Path, lock: Lock) -> None:
    """Write a project's ``pixmill.lock``."""
    origin = {} if lock.origin is None else {"install": lock.origin.text}
    extras = {} if lock.extras == "pipeline" else {"extras": lock.extras}
    head = {"pixmill": lock.version, **origin, **extras, **lock.digests}
    lines = [f"{name}: {json.dumps(text)}" for name, text in head.items()]
    lines += ["template:" if lock.template else "template: {}"]
    # Quoted: YAML reads a digest such as 12e34567 as a number.
    lines += [f"  {path}: {json.dumps(digest)}" for path, digest in sorted(lock.template.items())]
    write_text(root / FILE, _HEADER + "\n".join(lines) + "\n")


def installed_lock() -> Lock:
    """Return the lock of the installed Pixmill, without the template's files."""
    return Lock(pixmill.__version__, stage_digests(_PACKAGE))


def stage_digests(package: Path) -> dict[str, str]:
    """Return a digest of the code that determines each stage's outputs.

    Args:
        package: The folder ``pixmill`` of an installation; defaults of params come from the running
            one.

    Returns:
        16 hexadecimal digits by stage, equal on every system and version of Python.
    """
    params = tuple(reference())
    return {stage: _stage_digest(stage, package, params) for stage in SECTIONS}


def _stage_digest(stage: str, package: Path, params: Iterable[Reference]) -> str:
    modules = Modules(package)
    forms = {module: modules.form(module) for module in code_of(stage, modules)}
    forms[PARAMS] = json.dumps(_defaults(stage, params), default=str)
    for module in _CONVERTING:
        functions = (
            node
            for node in ast.walk(ast.parse(modules.read(module)))
            if isinstance(node, ast.FunctionDef)
        )
        forms[module] = "\n".join(map(normal_form, functions))
    digest = blake3()
    for name, form in sorted(forms.items()):
        digest.update(f"{name}\n{form}\n".encode())
    return str(digest.hexdigest(length=8))


def _defaults(stage: str, params: Iterable[Reference]) -> dict[str, object]:
    """Return the defaults of the params that a stage reads, by name."""
    return {
        item.name: item.default for item in params if item.name.partition(".")[0] in SECTIONS[stage]
    }


def text_digest(text: str) -> str:
    """Return the digest of a template file: 8 hexadecimal digits."""
    return str(blake3(text.encode()).hexdigest(length=4))


def other_stages(lock: Lock, installed: Lock) -> list[str]:
    """Return the stages whose digests differ."""
    return [stage for stage in SECTIONS if lock.digests[stage] != installed.digests[stage]]


def check_code(lock: Lock, installed: Lock) -> None:
    """Refuse code that differs from that of the project's results.

    Raises:
        PixmillError: The digest of a stage differs.
    """
    if stages := other_stages(lock, installed):
        raise PixmillError(
            f"{_other_code(lock)} for {', '.join(stages)}",
            next=f"pixmill upgrade{_stay(lock)}",
        )


def check_stage(root: Path, stage: str) -> None:
    """Refuse to run a stage with other code than that in ``pixmill.lock``, if there is such a file.

    Args:
        root: The project's folder.
        stage: The stage's name; scrape is never refused.

    Raises:
        PixmillError: The code differs, or the file is not valid.
    """
    if stage not in SECTIONS or (lock := read_lock(root)) is None:
        return
    if lock.digests[stage] != _stage_digest(stage, _PACKAGE, reference()):
        raise PixmillError(
            f"{_other_code(lock)} for {stage}", next=f"pixmill upgrade && dvc repro{_stay(lock)}"
        )


def _other_code(lock: Lock) -> str:
    made = f"the project was made with pixmill {lock.version} ({FILE})"
    return f"{made}; pixmill {pixmill.__version__} has different code"


def _stay(lock: Lock) -> str:
    if lock.origin is None:
        return f", or to stay with {lock.version}: reinstall it from its origin"
    forced = ("--force-reinstall", "--no-deps") if lock.version == pixmill.__version__ else ()
    return f", or to stay with {lock.version}: {lock.origin.command(lock.extras, *forced)}"
