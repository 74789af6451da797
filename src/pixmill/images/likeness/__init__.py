"""Image similarity and near-duplicate search."""
