"""Custom augmentations and backbones. Register them in pyproject.toml; a change in this folder runs train again."""
