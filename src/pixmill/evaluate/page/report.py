"""The page ``reports/evaluate.html``."""

from pathlib import Path
from typing import Any

import numpy as np

from pixmill.core.manifest import sample_rows
from pixmill.evaluate.evaluation import Evaluation
from pixmill.evaluate.mistakes import commonest_confusions
from pixmill.evaluate.page import sentences
from pixmill.evaluate.page.sentences import say
from pixmill.evaluate.results import Results
from pixmill.heads import ONE_LABEL, Head
from pixmill.images.fit import thumbnail_uri
from pixmill.metrics.calibration import calibration_verdict
from pixmill.metrics.growth import Growth
from pixmill.pages import Excerpt, coverage_svg, reliability_svg, render_page
from pixmill.pages.chart import MAX_MATRIX_CLASSES, shade
from pixmill.pages.thumbnails import Thumbnail, thumbnails

MAX_CONFUSIONS = 6
MAX_CONFUSIONS_ALONE = 40
"""Number of listed confusions, next to a confusion matrix and without one (too many classes)."""

MAX_RANDOM = 10
MAX_UNSURE = 12
MAX_PER_CLASS = 4
MAX_CLASSES = 30
"""Unlabelled images shown at random, by low confidence and per predicted class; classes shown."""

MAX_UNREADABLE = 48
"""Number of unreadable files listed."""


def render_report(evaluation: Evaluation, root: Path, growth: Growth | None) -> str:
    """Return the page as self-contained HTML under 5 MB.

    Args:
        evaluation: The evaluation to show.
        root: Project folder, which holds the unlabelled images.
        growth: Expected gain from more images; ``None`` without a learning curve.
    """
    metrics = evaluation.metrics
    labels = evaluation.labels
    matrix = evaluation.matrix
    heatmaps = evaluation.heatmaps
    reliability = evaluation.plots["calibrated"]
    slices = evaluation.plots["slices"]
    confusions = commonest_confusions(matrix, labels)
    table = None
    listed = MAX_CONFUSIONS_ALONE
    if len(labels) <= MAX_MATRIX_CLASSES:
        table = matrix.tolist()
        listed = MAX_CONFUSIONS
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ranking = evaluation.ranking
    wrong = int(matrix.sum() - np.trace(matrix))
    return render_page(
        "pixmill.evaluate.page",
        "page.html",
        root=root,
        metrics=metrics,
        headline=say("headline", metrics, evaluation.interval_confidence),
        shortcut=say("shortcut", metrics),
        meaning=say("meaning", metrics),
        verdict=say("verdict", metrics),
        calibrated=calibration_verdict(metrics),
        cautions=sentences.cautions(metrics),
        steps=sentences.next_steps(
            metrics, confusions, ranking=ranking, slices=slices, growth=growth
        ),
        calibration=say("calibration", metrics),
        threshold=sentences.threshold_sentence(metrics, evaluation.target_accuracy),
        # The most frequent confusion of a class comes last here and wins.
        taken_for={confusion.actual: confusion for confusion in reversed(confusions)},
        table=table,
        shade=lambda row, column: shade(shares[row, column]),
        labels=labels,
        confusions=[say("confusion", each) for each in confusions[:listed]],
        reliability=reliability_svg(
            {"images": reliability}, name="Reliability diagram: accuracy by confidence"
        ),
        coverage=coverage_svg(
            {"answers": evaluation.plots["coverage"]},
            {
                "answers": metrics["covered_accuracy"]
                and (metrics["coverage"], metrics["covered_accuracy"])
            },
            name="Accuracy against coverage",
        ),
        slices=slices.to_dict("records"),
        worse=[say("worse", row) for row in sentences.worse(slices)],
        mistakes=Excerpt(evaluation.mistakes, wrong),
        typical=Excerpt(
            [item for item in evaluation.typical if item["id"] in heatmaps],
            int(np.count_nonzero(np.diag(matrix))),
        ),
        heatmaps=heatmaps,
        nearest=evaluation.nearest,
        thumbnail=thumbnail_uri,
        cells=evaluation.cells,
        unsure=evaluation.unsure,
        unlike=evaluation.unlike,
        sample=evaluation.sample,
        sample_right=sum(item["right"] for item in evaluation.sample),
        issues=None
        if ranking is None
        else Excerpt(evaluation.issues, sentences.count_issues(ranking)),
        suggestions=sentences.labels_sentence(ranking),
        unlabelled=view_unlabelled(evaluation, root, ONE_LABEL),
        wrong=wrong,
    )


def view_unlabelled(evaluation: Results, root: Path, head: Head) -> dict[str, Any] | None:
    """Return what the page shows of the unlabelled images; ``None`` if there is no such folder.

    Args:
        evaluation: The evaluation to show.
        root: Project folder, which holds the images.
        head: What the model answers.
    """
    table = evaluation.unlabelled
    folder = evaluation.unlabelled_folder
    if folder is None:
        return None
    if table is None or table.empty:
        return {"n": 0, "remark": evaluation.unlabelled_remark()}
    read = table[table["predicted"].notna()]
    answers = [", ".join(head.answers_of(text)) for text in read["predicted"]]
    read = read.assign(predicted=answers)
    unread = table[table["predicted"].isna()]
    # Copies of an image are shown once.
    distinct = read.drop_duplicates("id").sort_values(
        ["confidence", "path"], ascending=[False, True]
    )
    counts = read["predicted"].value_counts(sort=True)
    of_class = [
        (str(label), int(n), distinct[distinct["predicted"] == label])
        for label, n in counts.items()
    ]
    tables = [
        sample_rows(distinct, MAX_RANDOM),
        distinct[::-1][:MAX_UNSURE],
        *(rows[:MAX_PER_CLASS] for _, _, rows in of_class[:MAX_CLASSES]),
    ]
    groups: list[list[dict[Any, Any]]] = [rows.to_dict("records") for rows in tables]
    images = {
        row["path"]: Thumbnail(row["id"], root / folder / row["path"])
        for rows in groups
        for row in rows
    }
    uris = thumbnails(images.values())
    cards = [[{**row, "uri": uris.get(images[row["path"]])} for row in rows] for rows in groups]
    return {
        "n": len(table),
        "random": cards[0],
        "unsure": cards[1],
        "classes": Excerpt(
            [(label, n, shown) for (label, n, _), shown in zip(of_class, cards[2:], strict=False)],
            len(of_class),
        ),
        "unread": Excerpt(unread.head(MAX_UNREADABLE).to_dict("records"), len(unread)),
        "n_sure": int(read["sure"].sum()),
        "n_read": len(read),
        "n_unlike": int(read["unlike"].sum()),
    }
