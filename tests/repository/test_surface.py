"""What each package offers is pinned: a name that comes, goes or changes is a decision, seen in a review."""

import ast
import importlib

import pytest

SURFACE = {
    "pixmill": "",
    "pixmill.browser": "Browser find_browser install_browser open_browser",
    "pixmill.bundled": "CLASSES PER_CLASS commit_data make_data",
    "pixmill.evaluate": "Evaluation as_tracked evaluate predictions_schema",
    "pixmill.fetch": "USER_AGENT Fetched Fetcher Limits Refused",
    "pixmill.images": "ASPECTS EXTENSIONS Decoded Undecodable decode fit sniff",
    "pixmill.metrics": (
        "accuracy_interval class_scores confusion_counts expected_calibration_error losses majority_accuracy "
        "normalised scores"
    ),
    "pixmill.models": "build_classifier fix_threads load_classifier reseed save_classifier training_graph",
    "pixmill.params": (
        "AugmentationParams CnnParams EvaluateParams Params ScrapeParams Severity SplitParams TrainParams "
        "ValidateParams flat load_params parse_params"
    ),
    "pixmill.report": "figure_png figure_svg render_page",
    "pixmill.scrape": "Account ScrapeResult render_report scrape",
    "pixmill.scrape.sources": "FolderSource Reader ShopSource Source open_source",
    "pixmill.shop": "ORIGIN Shop serve",
    "pixmill.split": "Split split",
    "pixmill.tracking": "Run data_hashes evaluation_run training_run",
    "pixmill.train": "Trained curves_csv curves_figure render_report train",
    "pixmill.validate": "Decision Validation gate_error metrics read_decisions render_report validate",
    "stages": "run",
}


def offered(source, module: str) -> list[str] | None:
    """Return ``__all__`` of a module, or ``None`` where it has none."""
    for node in source.tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def test_packages_offer_these_names(source) -> None:
    packages = {name for name, path in source.modules.items() if path.name == "__init__.py"}
    assert {name: offered(source, name) or [] for name in packages} == {
        name: names.split() for name, names in SURFACE.items()
    }


@pytest.mark.parametrize("package", sorted(set(SURFACE) - {"stages"}))
def test_a_name_that_is_offered_is_there(package: str) -> None:
    module = importlib.import_module(package)
    assert [name for name in SURFACE[package].split() if not hasattr(module, name)] == []


def test_a_module_that_lists_its_names_lists_every_one_without_an_underscore(source) -> None:
    for module in source.modules:
        names = offered(source, module)
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        public = {node.name for node in source.tree(module).body if isinstance(node, kinds)}
        assert names is None or {name for name in public if not name.startswith("_")} <= set(names), module
