"""Custom checks of images. Register them in pyproject.toml; a change in this folder runs validate again."""
