"""Take the model of a recipe.

Without a name, lists the recipes. Changes `train` and the image format of `split`
in params.yaml; your comments, classes and sources stay. hub:PRESET uses a preset of KerasHub as the
backbone and pins it (extra `hub`). A copy of an uncommitted params.yaml is kept.
"""

import argparse
from pathlib import Path

from pixmill.cli.parser import project_root
from pixmill.core.errors import PixmillError
from pixmill.project.api import find_project

EXAMPLES = (
    ("pixmill use best", "use the model of the recommended recipe"),
    ("pixmill use", "list the recipes"),
    ("pixmill use digits --all", "replace classes, sources and splits, too"),
    ("pixmill use hub:dinov2_base", "use a preset of KerasHub as the backbone, and keep the rest"),
    (
        "pixmill use garments --all --open",
        "use openly licensed images instead of the recipe's sources",
    ),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help="name; your own are recipes/<name>.yaml"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help=(
            "replace all of params.yaml but `compare` and exclusions, with the recipe's classes, "
            "sources and splits"
        ),
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="with --all: use openly licensed archives instead of the recipe's sources",
    )


def run(arguments: argparse.Namespace) -> None:
    """List the recipes, or apply one and print the changes."""
    from pixmill.project.recipes.recipe import find_recipe, list_recipes, pin_preset, preset_recipe
    from pixmill.project.recipes.replacement import use

    name = arguments.recipe
    if name is None:
        project = find_project(Path.cwd())
        print(list_recipes(project))
        if project is None:
            print("Next: pixmill new NAME --recipe RECIPE")
        else:
            print("Next: pixmill use RECIPE; or hub:PRESET, a preset of KerasHub as the backbone")
        return
    of_hub = name.startswith("hub:")
    if of_hub and (arguments.all or arguments.open):
        raise PixmillError("a preset replaces only the backbone", next=f"pixmill use {name}")
    if arguments.open and not arguments.all:
        raise PixmillError(
            "--open changes the sources, which stay without --all",
            next=f"pixmill use {name} --all --open",
        )
    root = project_root()
    if of_hub:
        recipe = preset_recipe(root, name)
        content = f"'{recipe.name}' as the backbone"
    else:
        recipe = find_recipe(root, name)
        content = f"the {'values' if arguments.all else 'model'} of the recipe '{recipe.name}'"
    if arguments.open:
        recipe = recipe.with_open_sources()
    recipe, notes = pin_preset(root, recipe)
    done = use(root, recipe, full=arguments.all)
    print(f"params.yaml {'now' if done.rewritten else 'already'} has {content}")
    print("\n".join([*notes, *done.lines()]))
