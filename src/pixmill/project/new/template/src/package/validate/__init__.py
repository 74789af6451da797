"""Own checks of the images. Register them in pyproject.toml; a change in this folder runs validate again."""
