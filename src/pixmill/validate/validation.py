"""Validation of a scraped manifest: verdicts, near-duplicates and checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.expectations import Check, Outcome, Table, run_checks
from pixmill.core.install.plugins import load_plugin, plugin_error
from pixmill.core.manifest import PAIRS, TEXT, VALIDATED
from pixmill.core.params import ValidateParams
from pixmill.images.compute import RowLimits
from pixmill.images.depth import PROBABILITIES, Window
from pixmill.images.likeness.groups import VerifiedPairs, groups
from pixmill.images.likeness.neighbours import near_duplicates
from pixmill.validate.checks import checks
from pixmill.validate.decisions import FORGOTTEN, UNLABELLED, Decision, match_decisions, names_of
from pixmill.validate.series import Series, find_series
from pixmill.validate.shortcuts import SHORTCUTS, find_shortcuts, shortcut_table
from pixmill.validate.sightings import PARTS, collect_seen
from pixmill.validate.survey import Survey, survey
from pixmill.validate.tables import (
    LEAKS,
    LOOKALIKES,
    REPEATED,
    class_table,
    find_leaks,
    find_lookalikes,
    find_repeated,
    image_table,
    pair_table,
)
from pixmill.validate.verdicts import judge


@dataclass(frozen=True)
class Review:
    """Applied and ignored decisions.

    Args:
        followed: Applied decisions by image id.
        powerless: Decisions that could not be applied, each with an explanation.
    """

    followed: Mapping[str, Decision]
    powerless: Sequence[tuple[Decision, str]]


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
        repeated: Conflicts and placeholders, see :func:`pixmill.validate.tables.find_repeated`;
            default: none.
        leaks: See :func:`pixmill.validate.tables.find_leaks`; default: none.
        lookalikes: See :func:`pixmill.validate.tables.find_lookalikes`; default: none.
        shortcuts: See :func:`pixmill.validate.shortcuts.find_shortcuts`; default: none.
        series: Images whose names count on and that look alike; default: none.
        unused_pages: Number of pages of kept TIFF files after the first.
        window: Values that became black and white in images of more than 8 bits; ``None`` without
            such images.
        values: For each of these images, see :func:`pixmill.images.depth.measure_values`.
    """

    manifest: pd.DataFrame
    pairs: pd.DataFrame
    classes: pd.DataFrame
    outcomes: Sequence[Outcome]
    review: Review
    sightings: pd.DataFrame
    repeated: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(REPEATED)))
    leaks: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(LEAKS)))
    lookalikes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(LOOKALIKES)))
    shortcuts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SHORTCUTS)))
    series: Series | None = None
    unused_pages: int = 0
    window: Window | None = None
    values: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.empty((0, len(PROBABILITIES)), np.float32)
    )

    def pairs_across_labels(self) -> pd.DataFrame:
        """Return the verified pairs with different labels, which are kept but need review.

        Pairs of which decisions keep both images are left out.
        """
        settled = np.zeros(len(self.manifest), bool)
        decided = [
            name for name, decision in self.review.followed.items() if decision.verb != "drop"
        ]
        settled[pd.Index(self.manifest["id"]).get_indexer(pd.Index(decided, dtype=object))] = True
        table = pair_table(self.pairs, self.manifest, settled=settled)
        return table[table["label_a"] != table["label_b"]]


def validate(
    manifest: pd.DataFrame,
    sightings: pd.DataFrame,
    *,
    classes: Sequence[str],
    params: ValidateParams,
    folder: Path,
    decisions: Iterable[Decision] = (),
    scratch: Path | None = None,
    workers: int | None = None,
    root: Path | None = None,
    surveyed: Survey | None = None,
) -> Validation:
    """Measure all images, decide which to keep, find near-duplicates, and run the checks.

    A failing image is a row with a reason, never an exception. Memory grows by 2 KB per image.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SCRAPED`, sorted by id.
        sightings: Sightings with at least :data:`pixmill.validate.sightings.SEEN`.
        classes: The classes.
        params: The section ``validate``.
        folder: Base folder of the paths in the manifest.
        decisions: Decisions on single images.
        scratch: Folder of the cache of measures; default: no cache.
        workers: Number of processes that decode and of threads that compare; default: one per CPU.
            ``0``: this process, without limits.
        root: Project folder, whose ``src`` contains the plugins; default: the current folder.
        surveyed: Measurements of the images in the order of the manifest; default: measure them.

    Raises:
        PluginError: One of ``params.plugins`` is missing, or does not return a list of checks.
        DecisionsError: Two decisions match the same image, or one matches several.
    """
    rows = manifest.reset_index(drop=True)
    if surveyed is None:
        limits = (
            None if workers == 0 else RowLimits(seconds=params.timeout, memory=params.memory << 20)
        )
        window = None if params.window == "auto" else params.window
        surveyed = survey(
            rows,
            folder,
            max_pixels=params.max_pixels,
            window=window,
            limits=limits,
            scratch=scratch,
            workers=workers,
        )
    where = collect_seen(rows["id"], sightings)
    decisions = list(decisions)
    matched, gone = match_decisions(decisions, names_of(decisions, rows, sightings))
    table = rows.assign(**surveyed.table)
    # Unreadable images have the format of their first bytes.
    table["format"] = table["format"].fillna(rows["format"])
    given = pd.Categorical(rows["given_split"], categories=PARTS).codes
    # The highest-ranking predefined split keeps the image.
    table["part"] = np.maximum(where.parts(len(rows))[1], given)
    verdicts = judge(table, matched, where, classes=classes, params=params)

    compared = np.flatnonzero(verdicts.kept)
    links = near_duplicates(
        surveyed.hashes,
        surveyed.greys,
        distance=params.duplicate_distance,
        similarity=params.duplicate_similarity,
        mirror=params.duplicate_mirror,
        among=compared,
        protected=verdicts.settled,
        workers=workers,
    )
    verdicts = verdicts.without(links.repeats, table["id"])
    both = verdicts.kept[links.a] & verdicts.kept[links.b]
    repeats = links.repeats
    links = VerifiedPairs(links.a[both], links.b[both], links.similarity[both], repeats=repeats[:0])
    ids = table["id"]
    table["group"] = ids.iloc[groups(len(table), links)].to_numpy()
    pairs = pd.DataFrame(
        {
            "a": ids.iloc[links.a].to_numpy(),
            "b": ids.iloc[links.b].to_numpy(),
            "similarity": links.similarity,
        },
        columns=PAIRS.names,
    )
    table["label"] = pd.array(verdicts.labels, dtype=TEXT)
    table["reason"] = pd.array(verdicts.reasons, dtype=TEXT)
    table["verdict"] = np.where(table["reason"].isna(), "keep", "drop")
    table["given_split"] = pd.array(
        np.array([None, *PARTS[1:]], dtype=object)[table["part"]], dtype=TEXT
    )

    repeated = find_repeated(ids, verdicts, where, repeats)
    leaks = find_leaks(table, verdicts, where)
    of_classes = class_table(table, classes)
    shortcuts = find_shortcuts(table, classes)
    unsettled = pair_table(pairs, table, settled=verdicts.settled)
    lookalikes = find_lookalikes(
        unsettled,
        repeats,
        labels=verdicts.labels,
        greys=surveyed.greys,
        kept=len(compared),
        similarity=params.duplicate_similarity,
    )
    images = image_table(
        table,
        settled=verdicts.settled,
        repeated=repeated,
        leaks=leaks,
        min_sharpness=params.blurred.min_sharpness,
    )
    tables = {
        "images": Table(images),
        "pairs": Table(unsettled),
        "lookalikes": Table(lookalikes),
        "classes": Table(of_classes, named_by=("label",)),
        "shortcuts": Table(shortcut_table(shortcuts, params.shortcuts), named_by=("property",)),
    }
    every = checks(params, classes)
    if params.plugins:
        tables["manifest"] = Table(table[VALIDATED.names])
        every += _plugin_checks(params.plugins, tables["manifest"].rows, classes, root or Path())
    outcomes = run_checks(every, tables)
    named = np.flatnonzero((table["verdict"] == "keep") & table["image_url"].notna())
    missing = (
        (decision, "no such image")
        for decision in gone
        if not decision.why.startswith((FORGOTTEN, UNLABELLED))
    )
    powerless = [*verdicts.powerless, *missing]
    ignored = {decision.line for decision, _ in powerless}
    return Validation(
        manifest=table[VALIDATED.names],
        pairs=pairs,
        classes=of_classes,
        outcomes=outcomes,
        review=Review(
            followed={
                name: decision for name, decision in matched.items() if decision.line not in ignored
            },
            powerless=sorted(powerless, key=lambda item: item[0].line),
        ),
        sightings=sightings,
        repeated=repeated,
        leaks=leaks,
        lookalikes=lookalikes,
        shortcuts=shortcuts,
        window=surveyed.window,
        values=surveyed.values,
        series=find_series(
            table["label"][named].tolist(),
            table["image_url"][named].tolist(),
            surveyed.hashes[named],
        ),
        unused_pages=int(table.loc[table["verdict"] == "keep", "unused"].sum()),
    )


def _plugin_checks(
    plugins: Sequence[str], manifest: pd.DataFrame, classes: Sequence[str], root: Path
) -> list[Check]:
    """Return the checks of the plugins, which are functions of the manifest and the classes.

    Raises:
        PluginError: A plugin is missing, or does not return a list of checks.
    """
    found: list[Check] = []
    for name in plugins:
        made = load_plugin("checks", name, root)(manifest.copy(), tuple(classes))
        for check in made if isinstance(made, list | tuple) else [made]:
            if not isinstance(check, Check):
                problem = f"expected a list of pixmill.validate.Check, received {check!r}"
                raise plugin_error("checks", name, root, problem)
            found.append(check)
    return found
