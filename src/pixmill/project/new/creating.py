"""Create a project, or add missing files to a folder."""

import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from pixmill.core.errors import BrowserError, DataError, ParamsError, PixmillError
from pixmill.core.files.workspace import refuse_links
from pixmill.core.files.writing import storage_errors, write_bytes, write_text
from pixmill.core.install.extras import installed_extra
from pixmill.core.install.origin import WHEELS, Origin
from pixmill.core.metadata import FILE as METADATA
from pixmill.core.metadata import Facts
from pixmill.core.names import to_nfc, to_slug
from pixmill.core.params import Params, load_params, parse_params, read_text
from pixmill.core.provenance.lock import FILE, Lock, read_lock, write_lock
from pixmill.core.repository.dvc import dvc, has_remote
from pixmill.core.repository.git import FIRST_COMMIT, change, git, git_line, require_git
from pixmill.core.repository.merging import add_drivers
from pixmill.core.words import first_of
from pixmill.dataset.bundled import CLASSES, holds_files, make_data
from pixmill.dataset.detected import Detected
from pixmill.dataset.detection import (
    Options,
    introduce,
    labels_of,
    preview,
    recognise,
    refuse_overlap,
)
from pixmill.dataset.importing import (
    complete_rows,
    scratch_of,
    set_params,
    set_salt,
    take_in,
    with_several,
)
from pixmill.images.listing import files_below
from pixmill.project.new.pins import REQUIREMENTS
from pixmill.project.new.supply import Supply, find_origin, find_supply, supply_of
from pixmill.project.new.template import install_project, lock_of, project_names, render
from pixmill.project.recipes.preflight import Issue, find_issues, image_issues
from pixmill.project.recipes.recipe import Recipe, find_recipe
from pixmill.scrape.sources.source_list import is_on_web

_PARAMS = "params.yaml"
_MLFLOW_LINE = '# mlflow = "https://mlflow.example.org"'
"""The line of ``pyproject.toml`` that is replaced by ``--mlflow``."""

_IMAGE_OPTIONS = """\
which images? Choose one option:
  --demo               the bundled images, to look around
  --from X             a copy of your images: a folder, an archive, or a table
  --classes a,b,c      empty folders for your images
or a recipe with another source, such as --recipe digits (pixmill use lists them)"""


@dataclass(frozen=True)
class ProjectSpec:
    """Options of ``pixmill new``.

    Args:
        folder: Project folder.
        recipe: Name of the recipe to start from; default: ``best``, and ``fast`` for the bundled
            images.
        source: Folder, archive or table of labelled images to copy.
        reading: How to read it. Its classes are those of the project, or with ``source`` those to
            take.
        dry_run: Whether to describe the images of ``source`` only.
        demo: Whether to use the bundled images.
        remote: DVC remote, a URL or a folder.
        mlflow: URL of the MLflow server.
        pixmill: Origin to install Pixmill from; default: that of the running one.
    """

    folder: Path
    recipe: str | None = None
    source: Path | None = None
    reading: Options = field(default_factory=Options)
    dry_run: bool = False
    demo: bool = False
    remote: str | None = None
    mlflow: str | None = None
    pixmill: str | None = None


def create(spec: ProjectSpec, *, report: Callable[[str], None]) -> list[str]:
    """Create a project; in an existing one, add missing files and change nothing else.

    All checks run before anything is written. Files are written atomically, so repeating the call
    completes an interrupted one.

    Args:
        spec: Options.
        report: Callback for each line of progress.

    Returns:
        Lines on what was done and on the next commands.

    Raises:
        PixmillError: A program is missing, the folder cannot be used, or an option is invalid.
    """
    require_git()
    root = spec.folder.resolve()
    _check_folder(root, spec)
    _check_options(spec)
    with (
        storage_errors(then="repeat the command (finished work is kept)"),
        scratch_of(root) as scratch,
    ):
        return _create(spec, root, scratch, report)


def _create(
    spec: ProjectSpec, root: Path, scratch: Path, report: Callable[[str], None]
) -> list[str]:
    name, package = project_names(root)
    found = _find_images(spec, root, scratch)
    if spec.dry_run and found is None:
        raise PixmillError(
            "--dry-run shows images to copy, and there are none",
            next="add --from, or omit --dry-run",
        )
    recipe = _choose_recipe(spec, root, found, report)
    params = load_params(root) if recipe is None else recipe.params()
    if spec.dry_run and found is not None:
        issues = image_issues(_files_of(found), root, params, _refusals_of(found))
        return preview(found, map(str, issues))
    lock = read_lock(root)
    supply, is_pinned = _choose_supply(spec, root, lock)
    extras = installed_extra() if lock is None else lock.extras
    remarks = [] if found is None or _has_images(root) else [*found.remarks]
    remarks += _describe_unused(spec, root, no_recipe=recipe is None, pinned=is_pinned)
    _init_repository(root)
    files = render(name, package, supply, extras, task=params.task)
    made = lock_of(files, supply, extras)
    if spec.mlflow is not None:
        line = f'mlflow = "{spec.mlflow}"'
        files["pyproject.toml"] = files["pyproject.toml"].replace(_MLFLOW_LINE, line)
    if recipe is not None:
        files[_PARAMS] = recipe.file(root)
    kept = _write_missing(root, files, supply)
    copied: list[str] = []
    if not (root / "data.dvc").exists():
        copied = _fill_data(root, spec, found, scratch, report)
        dvc(root, "add", "data")
    _add_remote(root, spec.remote)
    if lock is None:
        write_lock(root, made)
    lines = [f"{root.name}: a Git and DVC repository; your code goes into src/{package}"]
    if kept:
        lines = [*_describe_files(root, files, kept, supply.origin, extras)]
    return [*lines, *copied, *remarks, *_describe_issues(root)]


def _choose_supply(spec: ProjectSpec, root: Path, lock: Lock | None) -> tuple[Supply, bool]:
    """Return from where the project installs Pixmill, and whether that is its own choice."""
    if lock is not None and lock.origin is not None and (own := supply_of(root, lock.origin)):
        return own, True
    return find_supply(None if spec.pixmill is None else find_origin(spec.pixmill)), False


def _files_of(found: Detected) -> dict[str, list[tuple[str | None, str]]]:
    """Return split and path of the files of each label."""
    files: defaultdict[str, list[tuple[str | None, str]]] = defaultdict(list)
    for item in found.items:
        for label in found.labels_in(item.facts):
            if not found.several or item.facts.cells[label]:
                files[label].append((item.facts.split, item.file))
    return files


def _refusals_of(found: Detected) -> Mapping[str, int] | None:
    """Return how many images surely lack each label; ``None`` if they have one label each."""
    cells = chain.from_iterable(item.facts.cells.items() for item in found.items)
    return Counter(label for label, has in cells if not has) if found.several else None


def _describe_issues(root: Path) -> list[str]:
    """Return the problems of a project, and the next commands."""
    params = load_params(root)
    issues = [] if _is_empty(root, params) else [*find_issues(root, params)]
    problems = [issue.message if issue.stops else str(issue) for issue in issues]
    return [*problems, "Next:", *_next_steps(root, Path.cwd().resolve(), issues)]


def _write_missing(root: Path, files: Mapping[str, str], supply: Supply) -> dict[str, str]:
    """Write the files that the project lacks, and return the texts of the others."""
    kept: dict[str, str] = {}
    if supply.wheel is not None:
        write_bytes(root / supply.origin.text, supply.wheel)
    for name, text in files.items():
        path = root / name
        if path.exists():
            kept[name] = path.read_text("utf-8", "replace")
        else:
            write_text(path, text)
    return kept


def _add_remote(root: Path, url: str | None) -> None:
    if url is None or has_remote(root):
        return
    if "://" not in url:  # an absolute path works from any folder
        url = str(Path(url).expanduser().absolute())
    dvc(root, "remote", "add", "-d", "storage", url)


def _init_repository(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    if not (root / ".git").exists():
        change(root, "init", "-q", "-b", "main")
    add_drivers(root)


def _describe_unused(
    spec: ProjectSpec, root: Path, *, no_recipe: bool, pinned: bool
) -> Iterator[str]:
    """Yield a line on the options without effect, because the project has its own values."""
    unused = {
        "--recipe": spec.recipe and no_recipe,
        "--classes": spec.reading.classes and no_recipe,
        "--task": spec.reading.several is not None and no_recipe,
        "--from": spec.source and _has_images(root),
        "--remote": spec.remote and has_remote(root),
        "--mlflow": spec.mlflow and (root / "pyproject.toml").exists(),
        "--pixmill": spec.pixmill and pinned,
    }
    if any(unused.values()):
        names = (name for name, is_unused in unused.items() if is_unused)
        yield f"Ignored, because the project has its own: {', '.join(names)}"


def _has_images(root: Path) -> bool:
    return (root / "data.dvc").exists() or holds_files(root / "data")


def _check_folder(root: Path, spec: ProjectSpec) -> None:
    """Refuse files, non-empty folders, and folders of other pipelines or repositories."""
    nearest = next(folder for folder in (root, *root.parents) if folder.exists())
    if not nearest.is_dir():
        raise PixmillError(f"{nearest} is a file", next="choose another name")
    refuse_links(root)
    pipeline = root / "dvc.yaml"
    if root != Path.cwd() and nearest == root:
        _check_content(root, spec)
    if pipeline.exists() and "stages.train" not in pipeline.read_text("utf-8", "replace"):
        raise PixmillError(
            f"{pipeline} belongs to another pipeline",
            next="move it elsewhere, and repeat the command",
        )
    _check_repository(root, nearest)
    if spec.source is not None:
        refuse_overlap(spec.source, root)


def _check_content(root: Path, spec: ProjectSpec) -> None:
    """Refuse a folder with files, unless a call was interrupted there."""
    names = {path.name for path in root.iterdir()}
    is_finished = FILE in names  # the lock is written last
    is_begun = "dvc.yaml" in names or names <= {".git", ".pixmill", WHEELS}
    if not names or (is_begun and not is_finished):
        return
    what = "pixmill new . (with the same options; it adds missing files)"
    if spec.source is not None and is_finished:
        source = str(spec.source)
        if not spec.source.is_absolute():
            source = os.path.relpath(spec.source.resolve(), root)
        what = f"pixmill import {shlex.quote(source)}"
    fix = f"cd {shlex.quote(str(spec.folder))} && {what}"
    raise PixmillError(f"{spec.folder} exists and is not empty", next=fix)


def _check_repository(root: Path, nearest: Path) -> None:
    """Refuse a folder inside another repository, and images tracked by Git."""
    top = git_line(nearest, "rev-parse", "--show-toplevel")
    if top and Path(top).resolve() != root:
        raise PixmillError(
            f"{root} is inside the Git repository {top}; a project must be a separate repository",
            next=f"choose a folder outside of {top}",
        )
    if top and not (root / "data.dvc").exists() and git(root, "ls-files", "--", "data"):
        raise DataError(
            "data/ is in Git, but DVC must version the images",
            next="git rm -r -q --cached data && git commit -m 'Take the images out of Git' (they "
            "stay where they are), "
            "then repeat the command",
        )


def _check_options(spec: ProjectSpec) -> None:
    """Refuse conflicting options and invalid values."""
    if spec.demo and (spec.source is not None or spec.reading.classes or spec.reading.several):
        raise PixmillError(
            "--demo has its own images and classes",
            next="omit --from, --classes and --task, or --demo",
        )
    if spec.mlflow is not None:
        url = urlsplit(spec.mlflow)
        if (
            url.scheme not in ("http", "https")
            or not url.hostname
            or set(spec.mlflow) & {'"', "\\"}
        ):
            raise PixmillError(
                f"--mlflow: expected the URL of a server, received '{spec.mlflow}'",
                next="give one such as https://mlflow.example.org",
            )


def _check_params(text: str, problem: str, fix: str) -> None:
    try:
        parse_params(text)
    except ParamsError as error:
        raise ParamsError(
            f"{problem}:\n{error.message}", next=f"{fix}, and repeat the command"
        ) from None


def _find_images(spec: ProjectSpec, root: Path, scratch: Path) -> Detected | None:
    """Return the images to use: those of ``--from``, or those already in ``data/``."""
    data = root / "data"
    if spec.source is not None:
        if not (root / _PARAMS).exists() and holds_files(data):
            raise DataError(
                "data/ has files already", next="omit --from to use these, or move data/ elsewhere"
            )
        return recognise(spec.source, scratch, spec.reading)
    if spec.demo or spec.reading.classes or (root / _PARAMS).exists() or not holds_files(data):
        return None
    table = data / METADATA
    return recognise(table if table.is_file() else data, scratch, spec.reading)


def _choose_recipe(
    spec: ProjectSpec, root: Path, found: Detected | None, report: Callable[[str], None]
) -> Recipe | None:
    """Return the recipe with the project's classes and source; ``None`` if it has params."""
    if (root / _PARAMS).exists():
        _check_params(
            read_text(root / _PARAMS),
            "params.yaml is not valid",
            "correct it, or move it elsewhere",
        )
        return None
    recipe = _fill_recipe(
        find_recipe(root, spec.recipe or ("fast" if spec.demo else "best")), spec, found, root
    )
    fix = "correct --classes, or rename them"
    _check_params(recipe.file(root), "these classes are not valid", fix)
    if found is not None:
        recipe = Recipe(recipe.name, set_params(recipe.text, found, _list_name(spec)))
    if "shop" in recipe.params().scrape.source and not _ensure_browser(report):
        return recipe.with_images([*CLASSES], source="folder")
    return recipe


def _list_name(spec: ProjectSpec) -> str:
    """Return the name of the list of URLs."""
    return "urls" if spec.source is None else to_slug(spec.source.stem)


def _fill_recipe(recipe: Recipe, spec: ProjectSpec, found: Detected | None, root: Path) -> Recipe:
    # The template's params have commonly changed keys, too; the caller checks the classes.
    _, _, text = render("", "", Supply(Origin(".")))[_PARAMS].partition("\n")
    whole = Recipe(recipe.name, text if recipe.name == "fast" else recipe.merge_into(text))
    if found is not None:
        labels = [*(spec.reading.classes or labels_of(found))]
        layout = "classes" if spec.source is not None else _layout_of(found, root / "data")
        whole = whole.with_images(labels, source="folder" if found.items else "urls", layout=layout)
        if found.urls:
            whole = whole.with_snapshot()
    elif spec.reading.classes:
        whole = whole.with_images(spec.reading.classes, source="folder")
        if spec.reading.several:
            whole = Recipe(whole.name, with_several(whole.text))
    elif not spec.demo:
        sources = recipe.params().sources()
        if "shop" in sources:
            raise PixmillError(_IMAGE_OPTIONS, next="repeat the command with one of them")
        if any(is_on_web(each) for each in sources):
            return recipe.with_snapshot()
        return recipe
    return whole


def _layout_of(found: Detected, data: Path) -> str:
    """Return the layout of the images in ``data/``, a value of ``scrape.folder.layout``."""
    labelled = _labelled_places(found, data)
    if (data / METADATA).is_file() or all(place == facts.label for facts, place in labelled):
        return "classes"
    if all(place == f"{facts.split}/{facts.label}" for facts, place in labelled):
        return "fixed"
    if found.several:
        return "classes"  # rows will say what folders do not
    raise DataError(
        "some images in data/ are in neither data/<class>/ nor data/{train,val,test}/<class>/",
        next=(
            "move data/ elsewhere, then: pixmill new . --from ITS_NEW_PLACE; or name its "
            "folders: "
            "--classes A,B"
        ),
    )


def _labelled_places(found: Detected, data: Path) -> list[tuple[Facts, str]]:
    """Return the facts and folders of images, without those in the folder ``unlabelled``."""
    places = {
        (item.facts, to_nfc(item.path.parent.relative_to(data).as_posix())) for item in found.items
    }
    return [
        (facts, place)
        for facts, place in places
        if facts.label or place.split("/")[0] != "unlabelled"
    ]


def _ensure_browser(report: Callable[[str], None]) -> bool:
    """Return whether a browser for the bundled shop is available, installing one if needed."""
    if os.environ.get("PIXMILL_WEBDRIVER_URL"):
        return True
    from pixmill.fetch.browser import install_browser

    try:
        install_browser(report=report)
    except BrowserError as error:
        report(
            f"{error.message}\nThe images are read from data/ instead of the bundled shop: "
            "scrape.source: folder"
        )
        return False
    return True


def _fill_data(
    root: Path,
    spec: ProjectSpec,
    found: Detected | None,
    scratch: Path,
    report: Callable[[str], None],
) -> list[str]:
    """Fill ``data/`` unless it has files; return lines that count the copied images, if any."""
    if spec.demo:
        make_data(root, report=report)
        return []
    data = root / "data"
    data.mkdir(exist_ok=True)
    params = load_params(root)
    if found is not None:
        lines: list[str] = []
        if holds_files(data):
            complete_rows(root, found)
        else:
            report(introduce(found))
            lines, _ = take_in(root, found, scratch, params, _list_name(spec))
        set_salt(root, found)
        return lines
    splits = ("train", "test") if params.scrape.folder.layout == "fixed" else ("",)
    for label in params.classes:
        for split in splits if params.scrape.sources_of(label) == ("folder",) else ():
            (data / split / to_slug(label)).mkdir(parents=True, exist_ok=True)
    return []


def _describe_files(
    root: Path, files: Mapping[str, str], kept: Mapping[str, str], origin: Origin, extras: str
) -> Iterator[str]:
    """Yield lines on added and kept files, and on lines missing in the kept ones.

    Args:
        root: Project folder.
        files: Contents of a new project's files by path.
        kept: Contents of the files that existed before.
        origin: Origin from which the project installs Pixmill.
        extras: Extras that it installs.
    """
    added = [path for path in files if path not in kept]
    now = {path: (root / path).read_text(encoding="utf-8", errors="replace") for path in kept}
    if added:
        same = [path for path in kept if now[path] == kept[path]]
        yield f"Added: {', '.join(added)}"
        yield f"Kept as they were: {', '.join(same)}"
    else:
        yield "No file was missing."
    for path in (".gitignore", ".dvcignore", ".gitattributes"):
        # DVC may have added /data.
        yield from _lacking(path, files[path], now.get(path, files[path]))
    if "--hash=" not in kept.get(REQUIREMENTS, "--hash="):
        yield (
            f"CI needs hashes in {REQUIREMENTS}: move its packages to pyproject.toml, delete it, "
            "then: pixmill new ."
        )
    if "pixmill" not in kept.get("pyproject.toml", "pixmill"):
        if origin.is_path:
            yield f"Pixmill is in {origin.text}: {install_project(origin, extras)}"
        else:
            yield f"Add '{origin.requirement(extras)}' to the dependencies in pyproject.toml"


def _lacking(path: str, wanted: str, text: str) -> Iterator[str]:
    """Yield the lines that a kept file lacks."""
    present = set(text.splitlines())
    lines = [line for line in wanted.splitlines() if not line.startswith("#")]
    lacking = [f"  {line}" for line in lines if line not in present]
    if lacking:
        yield "\n".join([f"Add these lines to {path} before you commit:", *lacking])


def _next_steps(root: Path, here: Path, issues: Sequence[Issue]) -> Iterator[str]:
    """Yield the commands to run next.

    Args:
        root: Project folder.
        here: Current folder.
        issues: Problems with the params and local images; those that stop a run come first.
    """
    folder = shlex.quote(str(root.relative_to(here) if root.is_relative_to(here) else root))
    go = "" if root == here else f"cd {folder} && "
    params = load_params(root)
    stopping = [issue.next for issue in issues if issue.stops and issue.next]
    if _is_empty(root, params):
        folders = [path.relative_to(root).as_posix() for path in sorted((root / "data").rglob("*"))]
        stopping = [f"put images into {first_of(folders, 6)}, or set scrape.source"]
    if stopping and go:
        yield f"  {go.removesuffix(' && ')}"
    yield from (f"  {fix}" for fix in stopping)
    check = "pixmill doctor --quick && " if stopping else go
    if any(is_on_web(source) for source in params.sources()):
        yield f"  {check}pixmill scrape --dry-run   (estimates the time)"
        yield "  dvc repro"
    else:
        yield f"  {check}dvc repro"
    yield f"  {FIRST_COMMIT}"
    yield f"Or use your browser: {go}pixmill open"


def _is_empty(root: Path, params: Params) -> bool:
    data = root / "data"
    return "folder" in params.sources() and data.is_dir() and next(files_below(data), None) is None
