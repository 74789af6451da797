"""List the models of MLflow's registry: which is in production, since when, and why.

With --serving, asks a server of `pixmill serve` which version it answers with;
exits 1 if that is not the one that the alias names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.parser import project_workspace
from pixmill.core.errors import PixmillError

if TYPE_CHECKING:
    from pixmill.registry.model_versions import Registry

EXAMPLES = (
    ("pixmill models", "which model is in production, since when, and why?"),
    ("pixmill models --serving http://127.0.0.1:8000", "does this server answer with it?"),
    ("pixmill models --json | jq '.versions[0].metrics'", ""),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--name", help="of the model in MLflow's registry (default: the project's name)")
    parser.add_argument("--alias", help="with --serving: the alias that the server should follow (default: champion)")
    parser.add_argument("--serving", metavar="URL", help="ask this server which version it answers with")
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help="whose first line is an API key for it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace) -> None:
    """Print the versions, or what a server answers with."""
    from pixmill.core.params import load_params
    from pixmill.registry.model_versions import Registry
    from pixmill.registry.report import versions_json, versions_text

    for name in ("alias", "api_key_file"):
        if getattr(arguments, name) and not arguments.serving:
            arguments.refuse(f"--{name.replace('_', '-')} belongs to --serving")
    workspace = project_workspace()
    registry = Registry(workspace, arguments.name)
    if arguments.serving:
        _ask(registry, arguments)
        return
    versions = [version for version in registry.versions() if version.is_shown]
    if arguments.json:
        print(versions_json(registry, versions))
        return
    print(versions_text(registry, versions, load_params(workspace.root).review.metric, arguments.name))


def _ask(registry: Registry, arguments: argparse.Namespace) -> None:
    import json
    from dataclasses import asdict

    from pixmill.registry.model_versions import CHAMPION
    from pixmill.registry.serving import ask_server

    key = None
    if arguments.api_key_file:
        try:
            lines = arguments.api_key_file.read_text(encoding="ascii", errors="replace").split()
        except OSError as error:
            raise PixmillError(f"{arguments.api_key_file}: {error.strerror}", next="check the path") from error
        if not lines or not lines[0].isascii():
            raise PixmillError(f"{arguments.api_key_file} holds no key", next="write a key into its first line")
        key = lines[0]
    served = ask_server(registry, arguments.serving, arguments.alias or CHAMPION, key)
    print(json.dumps(asdict(served) | {"follows": served.follows}, indent=2) if arguments.json else served.describe())
    if not served.follows:
        sys.exit(1)
