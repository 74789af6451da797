"""Labels in doubt: pictures that look like those of another class, by what the manifest knows of them.

A linear discriminant with Ledoit-Wolf shrinkage (:class:`sklearn.discriminant_analysis.LinearDiscriminantAnalysis`)
tells the classes apart by the 64 bits of the perceptual hash, which are the signs of the picture's low frequencies, and
by brightness, contrast and sharpness. Each picture is judged by a discriminant that has not seen it (five folds), and
is in doubt where its own label is improbable and another one is probable: the off-diagonal of confident learning
(Northcutt, Jiang and Chuang, "Confident Learning", JAIR 70, 2021). Where shapes say nothing of the class no label is
probable, so that nothing is in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.review.outliers import FEWEST

__all__ = ["Suspect", "find_suspects"]

_FOLDS = 5
_TAUGHT = 1_000
"""Pictures of a class that a discriminant learns from: for 67 features that is plenty, and a million take seconds."""

_OWN, _OTHER = 0.05, 0.9
"""The most probability of its own label, and the least of another, that a picture in doubt has."""


Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Suspect:
    """Hold a picture whose label is in doubt.

    Args:
        row: Its row in the manifest.
        label: The label that it has.
        other: The label that it looks like.
        margin: The probability of its own label less that of the other, -1 to 0.
    """

    row: int
    label: str
    other: str
    margin: float


def find_suspects(manifest: pd.DataFrame) -> list[Suspect]:
    """Return the kept pictures whose labels are in doubt, the most doubtful first.

    Args:
        manifest: The columns of :data:`pixmill.manifest.VALIDATED`, sorted by id. Classes of fewer than
            :data:`pixmill.review.outliers.FEWEST` kept pictures are left out.
    """
    kept = manifest[manifest["verdict"] == "keep"]
    sizes = kept["label"].value_counts()
    kept = kept[kept["label"].isin(sizes.index[sizes >= FEWEST])]
    labels = kept["label"].to_numpy(dtype=str)
    classes = np.unique(labels)
    if len(classes) < 2:
        return []
    found = _probabilities(_features(kept), labels)
    places = np.arange(len(labels))
    own, best = found[places, np.searchsorted(classes, labels)], found.argmax(axis=1)
    other = found[places, best]
    doubtful = np.flatnonzero((own < _OWN) & (other > _OTHER))
    order = doubtful[np.argsort(own[doubtful] - other[doubtful], kind="stable")]
    rows = kept.index.to_numpy()
    return [
        Suspect(int(rows[place]), str(labels[place]), str(classes[best[place]]), float(own[place] - other[place]))
        for place in order.tolist()
    ]


def _features(kept: pd.DataFrame) -> Floats:
    hashes = np.array([int(text, 16) for text in kept["phash"]], dtype=">u8")
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    plain = [kept[name].to_numpy(np.float32) for name in ("brightness", "contrast")]
    return np.column_stack([bits, *plain, np.log1p(kept["sharpness"].to_numpy(np.float32))])


def _probabilities(features: Floats, labels: npt.NDArray[np.str_]) -> Floats:
    """Return each picture's probability of each label, in alphabetical order, as those see it who do not know it."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold

    classes, counts = np.unique(labels, return_counts=True)
    found = np.empty((len(labels), len(classes)), dtype=np.float32)
    # Sorted by id, which is a digest, the pictures are in random order already.
    for known, unknown in StratifiedKFold(_FOLDS).split(features, labels):
        taught = np.concatenate([known[labels[known] == label][:_TAUGHT] for label in classes])
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=counts / len(labels))
        found[unknown] = model.fit(features[taught], labels[taught]).predict_proba(features[unknown])
    return found
