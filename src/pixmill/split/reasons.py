"""The vocabulary of reasons: why split dropped a picture that validate kept."""

from __future__ import annotations

__all__ = ["REASONS"]

REASONS = {
    "straddles": "a near-duplicate of it, or the same picture, lies in another part, which ranks higher",
    "straddles_group": "people put another picture of its group into another part, which ranks higher",
    "straddles_folds": "a near-duplicate of it, or the same picture, lies in another fold",
}
"""Every word that split writes, with its meaning; in the manifest it is ``word:<id>``, of the picture that stays.

Test ranks above val, and val above train.
"""
