"""What a project says of itself: its ``pyproject.toml`` and its plugins."""
