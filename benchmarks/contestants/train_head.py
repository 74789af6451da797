"""Pixmill, a head on features of the same backbone, which are computed before the contest, as if cached."""

from packed import epochs, packed_part
from training import BATCH, LABELS, SCENES, TRIAL, arguments, compete

from pixmill.core.params import FeaturesParams
from pixmill.heads import ONE_LABEL
from pixmill.models.determinism import fix_threads
from pixmill.models.features import extract_features
from pixmill.models.layers import TOP, feature_layers
from pixmill.models.networks import build_head
from pixmill.train.examples import examples_of
from pixmill.train.steps import Trainer

options = arguments()
fix_threads(2)
part = packed_part(options.folder)
params = SCENES.model_copy(update={"model": "features", "features": FeaturesParams(head="mlp")})
seen = extract_features(
    part.pixels,
    part.rows["id"],
    params.backbone,
    scratch=options.folder / "features",
    threads=2,
    layers=feature_layers(params) if TRIAL else (TOP,),  # A trial run converts one backbone.
)


def batches(order):
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        yield seen[rows], part.targets[rows]


network = build_head(params, head=ONE_LABEL, labels=LABELS, features=seen.shape[1])
trainer = Trainer(network, params, examples_of(ONE_LABEL, part.targets, params, LABELS))
compete(epochs(trainer, part, params, batches))
