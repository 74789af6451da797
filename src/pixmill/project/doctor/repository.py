"""Check the project: its parameters, its images, and what DVC keeps of it."""

from collections.abc import Iterator
from pathlib import Path

from pixmill.core.repository.uncommitted import commit_first, find_uncommitted, read_data
from pixmill.project.doctor.finding import Finding, Status, check


@check("params")
def check_params(root: Path) -> Iterator[Finding]:
    """Tell whether ``params.yaml`` is sound.

    Args:
        root: The project's folder.
    """
    from pixmill.core.params import load_params
    from pixmill.pages import shorten

    classes = load_params(root).classes
    yield Finding("params", Status.OK, f"{len(classes)} classes: {shorten(', '.join(classes), 300)}")


@check("data")
def check_data(root: Path) -> Iterator[Finding]:
    """Compare ``data/`` with what ``data.dvc`` records, by the number, size and paths of files.

    Args:
        root: The project's folder.
    """
    data = read_data(root)
    present = f"{data.count} files of {data.size / 1e6:.1f} MB"
    if not data.count:
        # What was never made or pulled: the bundled images where nothing else is recorded.
        advice = f"pixmill data, or for your own images: {commit_first(root, 'dvc pull data.dvc')}"
        yield Finding("data", Status.BAD, "data/ is empty", next=advice)
    elif data.record is None:
        yield Finding("data", Status.WARNING, f"{present}, not tracked by DVC", next="dvc add data")
    elif data.differs:
        # With data/ in its place DVC would delete it where its cache does not have what it looks for.
        found = find_uncommitted(root, data)
        keep = found.command("Add images") or "dvc add data"
        advice = f"{keep}, or to restore: mv data data.old && dvc checkout data.dvc"
        if found.has_earlier_images:  # To add them would undo what others have added.
            advice = "dvc pull data.dvc"
        yield Finding("data", Status.WARNING, f"{present}, but data.dvc records others", next=advice)
    elif (command := (found := find_uncommitted(root, data)).command("Add images and decisions")) is not None:
        yield Finding("data", Status.WARNING, f"{present}, as data.dvc records, but {found.sentence}", next=command)
    else:
        yield Finding("data", Status.OK, f"{present}, as data.dvc records")


@check("DVC")
def check_dvc(root: Path) -> Iterator[Finding]:
    """Tell whether DVC can keep elsewhere what the pipeline makes.

    Args:
        root: The project's folder.
    """
    from dvc.config import Config, ConfigError

    if not (root / ".dvc").is_dir():
        yield Finding("DVC", Status.BAD, f"{root} is not a DVC repository", next="dvc init")
        return
    try:
        config = Config(dvc_dir=str(root / ".dvc"))
    except ConfigError as error:
        advice = "fix .dvc/config or .dvc/config.local, then: pixmill doctor"
        yield Finding("DVC", Status.BAD, f"{error}", next=advice)
        return
    name = config["core"].get("remote")
    url = config["remote"].get(name, {}).get("url")
    if url is None:
        message = f"'{name}' has no URL" if name else "none: outputs stay on this machine"
        advice = f"dvc remote add --default {name or 'storage'} <folder or URL>"
        yield Finding("DVC remote", Status.BAD if name else Status.WARNING, message, next=advice)
    elif "://" not in url and not Path(url).is_dir():
        yield Finding("DVC remote", Status.WARNING, f"{url} does not exist", next=f"mkdir -p '{url}', or mount it")
    else:
        yield Finding("DVC remote", Status.OK, f"{url} (to test it: dvc status --cloud)")
