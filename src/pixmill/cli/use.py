"""Put a recipe in place of params.yaml.

Without a name, lists the recipes. An edited file is replaced only once Git has
it, or by --force.
"""

from __future__ import annotations

import argparse

from pixmill.cli.parser import project_root

EXAMPLES = """\
examples:
  pixmill use                    the recipes, and what each is for
  pixmill use best               the one that we recommend
  pixmill use best --keep-data   its model alone, for the images that you have
  pixmill use garments --open    a recipe of shops, with openly licensed images instead
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what may be typed behind the verb."""
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="a file of recipes/, without .yaml")
    parser.add_argument(
        "--keep-data",
        action="store_true",
        help="take over only `train` and the form in which images are packed; your classes, sources and parts stay",
    )
    parser.add_argument(
        "--open", action="store_true", help="ask openly licensed archives in place of the recipe's sources"
    )
    parser.add_argument("--force", action="store_true", help="replace an edited params.yaml too; a copy is kept")


def run(arguments: argparse.Namespace) -> None:
    """List the recipes, or put one in place and print what changed."""
    from pixmill.use import find_recipe, listing, use

    root = project_root()
    if arguments.recipe is None:
        print(f"{listing(root)}\nNext: pixmill use RECIPE")
        return
    recipe = find_recipe(root, arguments.recipe)
    if arguments.open:
        recipe = recipe.opened()
    done = use(root, recipe, keep_data=arguments.keep_data, force=arguments.force)
    print(f"params.yaml is {'already ' if not done.rewritten else ''}as the recipe '{recipe.name}' says")
    print("\n".join(done.lines()))
