"""Custom sources of images. Register them in pyproject.toml; a change in this folder runs scrape again."""
