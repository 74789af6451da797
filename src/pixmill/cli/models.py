"""List the registered model versions, and which one is in production."""

import argparse

from pixmill.cli.parser import project_workspace


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--name", help="name of the registered model (default: the project's name)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Print the versions."""
    from pixmill.core.params import load_params
    from pixmill.experiments.promotion.report import versions_json, versions_text
    from pixmill.tracking.model_versions import Registry

    workspace = project_workspace()
    registry = Registry(workspace, arguments.name)
    versions = [version for version in registry.versions() if version.is_shown]
    if arguments.json:
        print(versions_json(registry, versions))
        return
    print(
        versions_text(
            registry, versions, load_params(workspace.root).compare.metric, arguments.name
        )
    )
