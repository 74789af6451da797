"""What each package offers is pinned: a name that comes, goes or changes is a decision, seen in a review."""

import ast
import importlib

import pytest

SURFACE = {
    "pixmill": "",
    "pixmill.backbones": "PixelSource backbone_digest build_backbone features",
    "pixmill.browser": (
        "Browser Grid LoadTimeout Unreachable Visit choose_browser close_popups find_browser install_browser "
        "open_browser visit"
    ),
    "pixmill.bundled": "CLASSES PER_CLASS commit_data make_data",
    "pixmill.compute": "Limits Loss default_workers map_batches",
    "pixmill.doctor": "Finding State examine render",
    "pixmill.evaluate": "LABELS Evaluation as_tracked evaluate predictions_schema unlabelled_schema",
    "pixmill.expectations": (
        "Advise Check Outcome Result Table Tell failures gate_error run_checks verdicts_by_name warnings"
    ),
    "pixmill.fetch": "USER_AGENT Fetched Fetcher Limits Manners Network Refused Unchanged Validators",
    "pixmill.images": (
        "ASPECTS EXTENSIONS RESIZES Decoded Undecodable decode fit header_size read_picture read_verified sniff"
    ),
    "pixmill.images.outlines": "OUTLINES Outline lengthened stops_short",
    "pixmill.metrics": (
        "Covered Difference McNemar accuracy_interval best_temperature class_scores confusion_counts "
        "coverage_curve covered expected_calibration_error holm losses macro_f1 majority_accuracy mcnemar "
        "normalised paired_differences reliability score_limits scores share_interval sure_enough tempered "
        "worse_than_rest"
    ),
    "pixmill.models": (
        "Augmenter augmented backbone_variables build_classifier build_head fix_threads fuse load_classifier "
        "objective reseed save_classifier scores_graph"
    ),
    "pixmill.params": (
        "SOURCES AugmentationParams BackboneParams BlockParams CnnParams DenseParams EvaluateParams FeaturesParams "
        "FolderParams KerasParams Params ScheduleParams ScrapeParams Severity SplitParams TrainParams UrlsParams "
        "ValidateParams flat load_params parse_params"
    ),
    "pixmill.report": "figure_png figure_svg histogram_svg render_page shorten",
    "pixmill.review": "",
    "pixmill.scrape": "Account Forecast ProbeReport ScrapeResult forecast probe_source render_report scrape",
    "pixmill.scrape.sources.keras": "DATA_SETS DataSet KerasSource",
    "pixmill.scrape.sources.urls": "UrlLists UrlsSource",
    "pixmill.scrape.sources": "Access Failure Kind LocalSource Opened SearchFailed Source is_local open_sources",
    "pixmill.shop": "ORIGIN Shop serve",
    "pixmill.parts": "PARTS Part PartName Shards load_parts",
    "pixmill.split": "Split gap_error metrics pack plot_table render_report split summary",
    "pixmill.tracking": "Run data_hashes evaluation_run send_waiting training_run",
    "pixmill.train": (
        "Interrupted Trained curves_csv curves_figure is_chief keep_checkpoints log_epochs log_folds render_report "
        "train"
    ),
    "pixmill.use": "Recipe find_recipe find_recipes listing use",
    "pixmill.validate": "SEEN Decision Validation metrics plot_tables read_decisions render_report validate",
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
