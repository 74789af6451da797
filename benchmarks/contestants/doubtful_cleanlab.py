"""Print cleanlab's rankings of labels for :mod:`doubtful`, as lists of places, for each set."""

import json
import sys

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

SCORES = {
    "self-confidence": {"method": "self_confidence"},
    "normalized margin": {"method": "normalized_margin"},
    "entropy": {"method": "confidence_weighted_entropy"},
    "self-confidence, adjusted": {"method": "self_confidence", "adjust_pred_probs": True},
    "normalized margin, adjusted": {"method": "normalized_margin", "adjust_pred_probs": True},
}
RANKED = {"confident learning": "normalized_margin", "same, by self-confidence": "self_confidence"}


def rank_classes(given: np.ndarray, both: np.ndarray) -> dict[str, list[int]]:
    """Return rankings of images; of confident learning, its issues, then the others by margin."""
    scores = {name: get_label_quality_scores(given, both, **how) for name, how in SCORES.items()}
    found = {name: np.argsort(values, kind="stable").tolist() for name, values in scores.items()}
    for name, ranked in RANKED.items():
        issues = find_label_issues(given, both, return_indices_ranked_by=ranked)
        found[name] = [*dict.fromkeys([*issues.tolist(), *found["normalized margin"]])]
    return found


def rank_cells(given: np.ndarray, both: np.ndarray) -> dict[str, list[int]]:
    """Return the ranking of cells by cleanlab's default score of several labels."""
    own = np.where(given == 1, both, 1 - both)
    return {"self-confidence": np.argsort(own, axis=None, kind="stable").tolist()}


sets = np.load(sys.argv[1])
rankings = []
for place in range(len(sets.files) // 2):
    given, both = sets[f"given{place}"], sets[f"both{place}"]
    found = (rank_classes if given.ndim == 1 else rank_cells)(given, both)
    rankings.append({f"cleanlab, {name}": order for name, order in found.items()})
print(json.dumps(rankings))
