"""Sentences about an evaluation: one approved text covers all cases."""

from pathlib import Path

import pandas as pd

from pixmill.evaluate.mistakes import Confusion
from pixmill.evaluate.page.sentences import (
    cautions,
    labels_sentence,
    next_steps,
    say,
    threshold_sentence,
    worse,
)
from pixmill.metrics.growth import Growth

GOOD = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 100}
SHORTCUT = {
    "property": "width",
    "skill": 1.0,
    "label": "a",
    "example": "90 of 90",
    "advice": "collect others",
}
METRICS = {
    "accuracy": 0.9,
    "accuracy_low": 0.85,
    "accuracy_high": 0.94,
    "n": 200,
    "baseline": {"majority_accuracy": 0.5, "histogram_accuracy": 0.6},
    "temperature": None,
    "ece": 0.03,
    "confidence": 0.9,
    "threshold": 0.7,
    "coverage": 0.8,
    "covered_accuracy": 0.975,
    "covered_accuracy_low": 0.94,
    "covered_accuracy_high": 0.99,
    "threshold_images": None,
    "threshold_target": None,
    "val": {"n": 170},
    "per_class": {"coat": GOOD, "dress": GOOD},
    "train": {"accuracy": 0.95},
    "cross_validation": None,
}
CROSSED = {
    "cross_validation": {"accuracy": 0.91, "accuracy_low": 0.895, "accuracy_high": 0.93, "n": 1200},
    "val": {"n": 1000},
}
OVERFITTED = METRICS | {"train": {"accuracy": 1.0}, "accuracy": 0.8}
ROW = {"dimension": "size", "right": 20, "n": 40, "accuracy": 0.5, "rest": 0.9, "worse": True}
SLICES = pd.DataFrame(
    [
        ROW | {"slice": "small", "what": "small images", "p_adjusted": 0.04},
        ROW | {"slice": "large", "what": "large images", "p_adjusted": 0.01},
        ROW | {"slice": "medium", "what": "medium images", "p_adjusted": 1.0, "worse": False},
    ]
)
CONFUSIONS = [Confusion("coat", "dress", 9, of=50), Confusion("dress", "coat", 1, of=50)]
CONFIDENCES = {
    "well calibrated": (0.89, 0.03, 0.87, 0.93),
    "underconfident": (0.80, 0.11, 0.85, 0.94),
    "overconfident within the interval": (0.93, 0.08, 0.85, 0.94),
    "within a wide interval": (0.97, 0.03, 0.70, 0.98),
}
WEAKNESSES = {
    "torn series": CROSSED | {"series_accuracy": 0.792},
    "a shortcut": {"shortcuts": [SHORTCUT]},
    "a large class": {"baseline": {"majority_accuracy": 0.86, "histogram_accuracy": 0.6}},
    "different colours": {"baseline": {"majority_accuracy": 0.5, "histogram_accuracy": 0.86}},
    "overfitting": {"train": {"accuracy": 1.0}, "accuracy": 0.8},
    "few images": {"per_class": {"coat": GOOD | {"support": 9}, "dress": GOOD}},
    "a class never predicted": {"per_class": {"coat": GOOD | {"precision": None}, "dress": GOOD}},
    "a class without images": {"per_class": {"coat": GOOD | {"support": 0}, "dress": GOOD}},
}


def ranked(confirmed: int, suggested: int) -> pd.DataFrame:
    """Return a ranking of 100 labels."""
    names = ["coat"] * suggested + [None] * (100 - suggested)
    return pd.DataFrame(
        {"suggested": names, "score": [0.9] * confirmed + [0.1] * (100 - confirmed)}
    )


def steps(
    metrics: dict, confirmed: int, suggested: int, slices: pd.DataFrame, growth: Growth | None
) -> str:
    ranking = ranked(confirmed, suggested)
    found = next_steps(metrics, CONFUSIONS, ranking=ranking, slices=slices, growth=growth)
    return "\n".join(" $ ".join(filter(None, step)) for step in found)


def test_sentences_match_the_approved_text() -> None:
    texts = {
        "headline": say("headline", METRICS, 0.95),
        "headline, cross-validated": say("headline", METRICS | CROSSED, 0.95),
        "meaning": say("meaning", METRICS),
        "baselines": say("baselines", METRICS),
        "verdict": say("verdict", METRICS),
        "verdict, no better": say("verdict", METRICS | {"accuracy_low": 0.6, "threshold": None}),
        "shortcut": say("shortcut", METRICS | {"shortcuts": [SHORTCUT]}),
        "no shortcut": say("shortcut", METRICS),
        "calibration": say(
            "calibration", METRICS | {"temperature": 0.8, "ece": 0.08, "confidence": 0.97}
        ),
        "threshold": threshold_sentence(METRICS, 0.95),
        "threshold, cross-validated": threshold_sentence(METRICS | CROSSED, 0.95),
        "threshold, contradicted": threshold_sentence(METRICS, 0.995),
        "threshold, never reached": threshold_sentence(METRICS | {"covered_accuracy": None}, 0.95),
        "no threshold": threshold_sentence(METRICS | {"threshold": None, "val": {"n": 27}}, 0.95),
        "no threshold, but within reach": threshold_sentence(
            METRICS
            | {
                "threshold": None,
                "threshold_images": 81,
                "threshold_target": 0.85,
                "val": {"n": 27},
            },
            0.95,
        ),
        # Written by an earlier version of train.
        "threshold of 0": threshold_sentence(METRICS | {"threshold": 0.0, "val": {"n": 27}}, 0.95),
        "worse": say("worse", worse(SLICES)[0]),
        "confusion": say("confusion", Confusion("coat", "dress", 7, of=50)),
        "labels": labels_sentence(ranked(90, 7)),
        "one label": labels_sentence(ranked(90, 1)),
        "labels of hard images": labels_sentence(ranked(60, 7)),
        "no labels": labels_sentence(ranked(90, 0)) + labels_sentence(None),
        "steps": steps(OVERFITTED, 60, 7, SLICES, Growth(-0.006, -0.03, 0.018)),
        "steps, more images": steps(METRICS, 90, 0, SLICES.tail(1), Growth(0.03, 0.01, 0.05)),
        "steps, no threshold": steps(
            METRICS | {"threshold": None, "threshold_target": 0.9}, 90, 0, SLICES.tail(1), None
        ),
        "steps, cross-validated": steps(METRICS | CROSSED, 90, 0, SLICES.tail(1), None),
        "steps, no learning curve": steps(OVERFITTED, 90, 0, SLICES.tail(1), None),
    }
    for name, values in CONFIDENCES.items():
        changes = dict(
            zip(("confidence", "ece", "accuracy_low", "accuracy_high"), values, strict=True)
        )
        texts[name] = say("calibration", METRICS | changes)
    texts |= {
        f"with {name}": "\n".join(cautions(METRICS | change)) for name, change in WEAKNESSES.items()
    }
    texts["with cross-validation"] = "\n".join(cautions(METRICS | CROSSED))
    text = "\n".join(f"[{name}]\n{one}\n" for name, one in texts.items()).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert text == Path(__file__).with_name("sentences.txt").read_text(encoding="utf-8")
