"""Installation of a project: origin of Pixmill, extras, ``pyproject.toml`` and plugins."""
