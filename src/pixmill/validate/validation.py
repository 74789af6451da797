"""Validation of a scraped manifest: verdicts, near-duplicates and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import Task, cells_of
from pixmill.core.decided_cells import DECIDED
from pixmill.core.decisions import FORGOTTEN, Decided, Row
from pixmill.core.expectations import Check, Outcome, Table, run_checks
from pixmill.core.install.plugins import load_plugin, plugin_error
from pixmill.core.manifest import TEXT, VALIDATED
from pixmill.core.params import ValidateParams
from pixmill.core.process.progress import begin
from pixmill.images.compute import RowLimits
from pixmill.images.depth import Window
from pixmill.images.likeness.groups import VerifiedPairs, find_most_similar, groups
from pixmill.images.likeness.neighbours import near_duplicates
from pixmill.validate.checks import checks
from pixmill.validate.labelling import LABELLINGS, OneLabel
from pixmill.validate.series import Series, find_series
from pixmill.validate.shortcuts import shortcut_table
from pixmill.validate.sightings import (
    PARTS,
    Flags,
    Indices,
    Ranks,
    SightingIndex,
    collect_seen,
    match_decisions,
)
from pixmill.validate.survey import survey
from pixmill.validate.tables import (
    find_leaks,
    find_lookalikes,
    find_repeated,
    image_table,
    pair_table,
)
from pixmill.validate.verdicts import Rulings, Verdicts, apply_decisions, judge

MISSING = "no such image"
"""Why a decision on an image that no source found was not applied."""


@dataclass(frozen=True)
class Review:
    """Applied and ignored decisions.

    Args:
        followed: Applied decisions by image id.
        powerless: Decisions that could not be applied, each with an explanation.
        moved: Number of images that came with another label than people gave them.
    """

    followed: Mapping[str, Decided]
    powerless: Sequence[tuple[Row, str]]
    moved: int = 0


@dataclass(frozen=True)
class Validation:
    """Results of the stage.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`, sorted by id.
        pairs: The columns of :data:`pixmill.core.manifest.PAIRS`: verified near-duplicates among
            kept images.
        classes: See :func:`pixmill.validate.tables.class_table`.
        outcomes: Outcomes of the checks.
        review: Applied and ignored decisions.
        sightings: All sightings, for the page.
        repeated: Conflicts and placeholders, see :func:`pixmill.validate.tables.find_repeated`.
        leaks: See :func:`pixmill.validate.tables.find_leaks`.
        lookalikes: See :func:`pixmill.validate.tables.find_lookalikes`.
        shortcuts: See :func:`pixmill.validate.shortcuts.find_shortcuts`.
        series: Images that belong together, such as frames of a clip; ``None`` if there are none.
        unused_pages: Number of pages of kept TIFF files after the first.
        window: Values that became black and white in images of more than 8 bits; ``None`` without
            such images.
        values: For each of these images, see :func:`pixmill.images.depth.measure_values`.
        unlabelled: Mask of images without a label.
        labelling: What labels are.
    """

    manifest: pd.DataFrame
    pairs: pd.DataFrame
    classes: pd.DataFrame
    outcomes: Sequence[Outcome]
    review: Review
    sightings: pd.DataFrame
    repeated: pd.DataFrame
    leaks: pd.DataFrame
    lookalikes: pd.DataFrame
    shortcuts: pd.DataFrame
    series: Series | None
    unused_pages: int
    window: Window | None
    values: npt.NDArray[np.float32]
    unlabelled: Flags
    labelling: OneLabel

    @property
    def judged(self) -> pd.DataFrame:
        """The manifest without unlabelled images, which no check, figure or chart counts."""
        return self.manifest[~self.unlabelled]

    def pairs_across_labels(self) -> pd.DataFrame:
        """Return the verified pairs with different labels, which are kept but need review.

        Pairs of which decisions keep both images are left out.
        """
        settled = np.zeros(len(self.manifest), bool)
        decided = [name for name, of in self.review.followed.items() if of.fate == "keep"]
        settled[pd.Index(self.manifest["id"]).get_indexer(pd.Index(decided, dtype=object))] = True
        table = self.labelling.compare(pair_table(self.pairs, self.manifest, settled=settled))
        return table[table["label_a"] != table["label_b"]]


def validate(
    manifest: pd.DataFrame,
    sightings: pd.DataFrame,
    *,
    classes: Sequence[str],
    params: ValidateParams,
    folder: Path,
    decisions: Sequence[Row] = (),
    scratch: Path | None = None,
    workers: int | None = None,
    root: Path | None = None,
    task: Task = "one_label",
) -> Validation:
    """Measure all images, decide which to keep, find near-duplicates, and run the checks.

    A failing image is a row with a reason, never an exception. Memory grows by 2 KB per
    image, of which the system can free 1.3 KB, see :func:`pixmill.validate.survey.survey`.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SCRAPED`, sorted by id.
        sightings: Sightings with at least :data:`pixmill.validate.sightings.SEEN`.
        classes: The classes.
        params: The section ``validate``.
        folder: Base folder of the paths in the manifest.
        decisions: The rows of ``decisions.csv``.
        scratch: Folder of the caches of measures and near-duplicates; default: no cache.
        workers: Number of processes that decode and of threads that compare; default: one per CPU.
            ``0``: this process, without limits.
        root: Project folder, whose ``src`` contains the plugins; default: the current folder.
        task: Whether an image has one label.

    Raises:
        PluginError: One of ``params.plugins`` is missing, or does not return a list of checks.
        DecisionsError: A row matches several images.
    """
    rows = manifest.reset_index(drop=True)
    where = collect_seen(rows["id"], sightings)
    matched, gone = match_decisions(decisions, rows, sightings, DECIDED[task])
    labelling = LABELLINGS[task]
    rulings = apply_decisions(rows, matched, where)
    limits = RowLimits(seconds=params.timeout, memory=params.memory << 20)
    surveyed = survey(
        rows,
        folder,
        max_pixels=params.max_pixels,
        window=None if params.window == "auto" else params.window,
        limits=None if workers == 0 else limits,
        scratch=scratch,
        workers=workers,
        labelled=~rulings.unlabelled,
    )
    table = rows.assign(**surveyed.table)
    # Unreadable images have the format of their first bytes.
    table["format"] = table["format"].fillna(rows["format"])
    table["part"] = _parts(rows, where, rulings)
    rulings, where, conflicts = labelling.settle(table, rulings, matched, where)
    verdicts = judge(table, rulings, matched, where, classes=classes, params=params)

    ids = table["id"]
    begin("Find near-duplicates")
    compared = np.flatnonzero(verdicts.kept)
    compare = partial(
        near_duplicates,
        surveyed.greys,
        distance=params.duplicate_distance,
        similarity=params.duplicate_similarity,
        mirror=params.duplicate_mirror,
        workers=workers,
    )
    links = compare(
        among=compared, protected=verdicts.settled, cache=scratch and scratch / "likeness.npz"
    )
    verdicts = verdicts.without(links.repeats, ids, labelling.comparable(verdicts.labels))
    both = verdicts.kept[links.a] & verdicts.kept[links.b]
    repeats = links.repeats
    links = VerifiedPairs(links.a[both], links.b[both], links.similarity[both], repeats=repeats[:0])
    leaders = groups(len(table), links)
    if rulings.unlabelled.any():
        compare = partial(compare, cache=scratch and scratch / "likeness-unlabelled.npz")
        leaders = _follow(leaders, verdicts, rulings.unlabelled, compare)
    table["group"] = ids.iloc[leaders].to_numpy()
    pairs = pd.DataFrame(
        {
            "a": ids.iloc[links.a].to_numpy(),
            "b": ids.iloc[links.b].to_numpy(),
            "similarity": links.similarity,
        }
    )
    table["label"] = pd.array(verdicts.labels, dtype=TEXT)
    table["reason"] = pd.array(verdicts.reasons, dtype=TEXT)
    table["verdict"] = np.where(table["reason"].isna(), "keep", "drop")
    table["given_split"] = pd.array(
        np.array([None, *PARTS[1:]], dtype=object)[table["part"]], dtype=TEXT
    )

    repeated = find_repeated(ids, verdicts, where, repeats)
    if conflicts is not None:
        others = repeated[repeated["kind"] != "conflict"]
        repeated = pd.concat([others, conflicts], ignore_index=True)
    leaks = find_leaks(table, verdicts, where)
    of_classes = labelling.table(table, classes)
    begin("Look for shortcuts")
    shortcuts = labelling.shortcuts(table, classes)
    unsettled = labelling.compare(pair_table(pairs, table, settled=verdicts.settled))
    lookalikes = find_lookalikes(
        unsettled,
        repeats,
        labels=labelling.comparable(verdicts.labels),
        greys=surveyed.greys,
        kept=len(compared),
        similarity=params.duplicate_similarity,
    )
    judged = ~rulings.unlabelled
    images = image_table(
        table[judged],
        settled=verdicts.settled[judged],
        repeated=repeated,
        leaks=leaks,
        min_sharpness=params.blurred.min_sharpness,
    )
    tables = {
        "images": Table(images),
        "pairs": Table(unsettled),
        "lookalikes": Table(lookalikes),
        "classes": Table(of_classes, named_by=("label",)),
        "labels": Table(_named(images)),
        "shortcuts": Table(shortcut_table(shortcuts, params.shortcuts), named_by=("property",)),
    }
    every = checks(params, classes, labelling)
    if params.plugins:
        tables["manifest"] = Table(table.loc[judged, VALIDATED.names])
        every += _plugin_checks(params.plugins, tables["manifest"].rows, classes, root)
    outcomes = run_checks(every, tables)
    named = np.flatnonzero((table["verdict"] == "keep") & table["image_url"].notna())
    missing = [(row, MISSING) for row in gone if not row.why.startswith(FORGOTTEN)]
    powerless = [*verdicts.powerless, *missing]
    ignored = {row.image for row, _ in verdicts.powerless}
    return Validation(
        manifest=table[VALIDATED.names],
        pairs=pairs,
        classes=of_classes,
        outcomes=outcomes,
        review=Review(
            followed={name: of for name, of in matched.items() if name not in ignored},
            powerless=sorted(powerless, key=lambda item: item[0].line),
            moved=rulings.moved,
        ),
        sightings=sightings,
        repeated=repeated,
        leaks=leaks,
        lookalikes=lookalikes,
        shortcuts=shortcuts,
        window=surveyed.window,
        values=surveyed.values,
        unlabelled=rulings.unlabelled,
        labelling=labelling,
        series=find_series(
            table["label"][named].tolist(),
            table["image_url"][named].tolist(),
            surveyed.greys,
            named,
        ),
        unused_pages=int(table.loc[table["verdict"] == "keep", "unused"].sum()),
    )


def _named(images: pd.DataFrame) -> pd.DataFrame:
    """Return one row, with its ``label``, for each label that is known of an image."""
    labels = images["label"]
    named = labels.map(lambda text: [*cells_of(text)], na_action="ignore").astype(object)
    return named.explode().astype(labels.dtype).to_frame()


def _parts(rows: pd.DataFrame, seen: SightingIndex, rulings: Rulings) -> Ranks:
    """Return the index of each image's predefined split in :data:`PARTS`; the highest one wins.

    A split given with a label is for images that came without one.
    """
    given = pd.Categorical(rows["given_split"], categories=PARTS).codes
    came = np.maximum(seen.parts(len(rows))[1], given)
    return np.where(came > 0, came, rulings.parts).astype(np.int8)


def _follow(
    leaders: Indices, verdicts: Verdicts, unlabelled: Flags, compare: Callable[..., VerifiedPairs]
) -> Indices:
    """Return the leaders of groups, in which unlabelled images follow their near-duplicates.

    Labelled images are compared without them first, so that their groups are the same with and
    without unlabelled images.

    Args:
        leaders: Leader of each image; unlabelled images lead themselves.
        verdicts: Verdicts on the images.
        unlabelled: Mask of images without a label.
        compare: :func:`near_duplicates` of these images.
    """
    links = compare(among=np.flatnonzero(verdicts.kept | unlabelled), protected=verdicts.kept)
    found = leaders[find_most_similar(links, unlabelled, verdicts.kept)]
    found[links.repeats[:, 0]] = found[links.repeats[:, 1]]
    return found


def _plugin_checks(
    plugins: Sequence[str], manifest: pd.DataFrame, classes: Sequence[str], root: Path | None
) -> list[Check]:
    """Return the checks of the plugins, which are functions of the manifest and the classes.

    Raises:
        PluginError: A plugin is missing, or does not return a list of checks.
    """
    root = root or Path()
    found: list[Check] = []
    for name in plugins:
        made = load_plugin("checks", name, root)(manifest.copy(), tuple(classes))
        for check in made if isinstance(made, list | tuple) else [made]:
            if not isinstance(check, Check):
                problem = f"expected a list of pixmill.validate.Check, received {check!r}"
                raise plugin_error("checks", name, root, problem)
            found.append(check)
    return found
