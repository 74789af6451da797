"""Choose the images that may be handed on, by their licences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.metadata import read_metadata
from pixmill.core.names import to_nfc
from pixmill.core.params import Params
from pixmill.dataset.exporting.labelling import LABELLINGS, Labelling
from pixmill.scrape.licences import FAMILIES, parse_licence
from pixmill.split.grouping import group_names

UNKNOWN = "unknown"

NEXT = (
    "name the licence of your own images in the column licence of data/metadata.csv and run dvc "
    "repro, "
    "name other licences (--licence), or add --include-unknown if you have the permission"
)
"""How to export more images."""


@dataclass(frozen=True)
class Choice:
    """The images to hand on, and those left out.

    Args:
        images: Rows of the images to hand on, sorted by ``file_name``: the columns of
            ``labelling``, ``query``, ``original`` (path of the file in the project) and ``terms``
            (name of the licence). Unknown is empty text.
        labelling: How their labels are written.
        withheld: Number of images left out because of their licences, by licence.
        absent: Labels that lost all images because of their licences.
        dropped: Number of images that the pipeline dropped, by reason, such as ``straddles``.
    """

    images: pd.DataFrame
    labelling: Labelling
    withheld: Counter[str]
    absent: list[str]
    dropped: Counter[str]


def parse_licences(text: str) -> tuple[str, ...]:
    """Return the names of the licences in a list.

    >>> parse_licences("cc-by-4.0, cc0")
    ('CC BY 4.0', 'CC0')

    Raises:
        PixmillError: An unknown licence.
    """
    known = {name.strip(): parse_licence(name) for name in text.split(",") if name.strip()}
    if wrong := [name for name, licence in known.items() if licence is None]:
        problem = f"--licence: expected {', '.join(FAMILIES)}, received '{wrong[0]}'"
        raise PixmillError(problem, next="--licence cc-by,cc0")
    return (*map(str, known.values()),)


def choose(
    root: Path, params: Params, *, licences: Sequence[str] = (), include_unknown: bool = False
) -> Choice:
    """Return the kept images of the split whose licences permit to hand them on.

    Args:
        root: Project folder.
        params: Its params, for ``split.group_by``.
        licences: Names of the licences to include, without a version for all versions; default:
            all.
        include_unknown: Include images of unknown licences, such as those that are not of Creative
            Commons.

    Raises:
        DataError: No image is left.
        ManifestError: The split is missing.
    """
    table = _read_images(root, params)
    known = [parse_licence(text) for text in table["licence"]]
    table["terms"] = [
        str(each or text or UNKNOWN) for each, text in zip(known, table["licence"], strict=True)
    ]
    wanted = tuple(f"{name} " for name in licences) or ""
    allowed = np.array(
        [f"{each} ".startswith(wanted) if each else include_unknown for each in known], bool
    )
    is_kept = (table["verdict"] == "keep") & (table["split"] != "") & (table["label"] != "")
    withheld = Counter(table["terms"][is_kept & ~allowed])
    if not (is_kept & allowed).any():
        raise DataError(
            f"no image may be handed on: {describe(withheld) or 'all were dropped'}", next=NEXT
        )
    labelling = LABELLINGS[params.task]
    kept = table[is_kept].copy()
    kept["original"] = [root / "artifacts/scrape" / path for path in kept["path"]]
    names = kept["id"].str[:16] + [path.suffix for path in kept["original"]]
    kept["file_name"] = kept["split"] + "/" + kept["label"].map(labelling.folder) + "/" + names
    answers = pd.DataFrame([*map(labelling.answers, kept["label"])], kept.index)
    kept[answers.columns] = answers
    images = kept[allowed[is_kept]].sort_values("file_name")
    absent = {*kept["label"].explode().dropna()} - {*images["label"].explode()}
    reasons = table["reason"][~is_kept]
    dropped = Counter((reason or "no label").partition(":")[0] for reason in reasons)
    return Choice(images, labelling, withheld, sorted(absent), dropped)


def _read_images(root: Path, params: Params) -> pd.DataFrame:
    """Return all images of the split with their groups; unknown is empty text."""
    manifest = read_table(root / "artifacts/split/manifest.parquet", SPLIT, stage="split")
    table = manifest.assign(group=_groups(manifest, params, root)).astype(object)
    table = table.where(table.notna(), "")
    # The table of an import has no column for the URL of the image.
    pageless = (table["page_url"] == "") & table["image_url"].str.startswith("http")
    table["page_url"] = table["page_url"].mask(pageless, table["image_url"])
    return table


def describe(withheld: Counter[str]) -> str:
    """Return the images left out by licence, such as ``3 CC BY-ND 4.0, 2 unknown``."""
    return ", ".join(f"{number:,} {name}" for name, number in withheld.most_common())


def _groups(manifest: pd.DataFrame, params: Params, root: Path) -> pd.Series:
    """Return the given group of each image: of data/metadata.csv, else of ``split.group_by``."""
    given = {f"data/{name}": facts.group for name, facts in read_metadata(root / "data").items()}
    groups = manifest["image_url"].map(to_nfc, na_action="ignore").map(given)
    if (by := params.split.group_by) in (None, "page", "product"):
        return groups
    return groups.fillna(group_names(manifest, by, root).str.removeprefix("group "))
