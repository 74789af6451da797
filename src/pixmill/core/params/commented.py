"""Edit YAML without losing comments, order and quotes."""

import io
from typing import Any

from ruamel.yaml import YAML


def load_commented(text: str) -> Any:
    """Parse valid YAML into mappings that retain comments."""
    return _yaml().load(text)


def dump_commented(content: Any) -> str:
    """Serialize content from :func:`load_commented` with its comments."""
    text = io.StringIO()
    _yaml().dump(content, text)
    return text.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml
