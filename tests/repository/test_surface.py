"""What each package offers is pinned: a name that comes, goes or changes is a decision, seen in a review."""

import ast
import importlib

import pytest

SURFACE = {
    "pixmill": "",
    "pixmill.web.browser": (
        "Browser Grid LoadTimeout Unreachable Visit choose_browser close_popups count_browsers find_browser "
        "install_browser open_browser visit"
    ),
    "pixmill.cli": "main",
    "pixmill.compute": "Full Limits Loss Service default_workers map_batches",
    "pixmill.doctor": "Finding State examine render",
    "pixmill.evaluate": "LABELS Evaluation evaluate headline predictions_schema",
    "pixmill.web.fetch": "USER_AGENT Fetched Fetcher Limits Manners Network Refused Unchanged Validators",
    "pixmill.images": (
        "ASPECTS EXTENSIONS OTHER_FORMATS RESIZES Decoded Undecodable decode fit header_size read_image read_verified "
        "sniff"
    ),
    "pixmill.metrics": "",
    "pixmill.learn": (
        "Augmenter Classifier augmented backbone_variables build_classifier build_head describe_model "
        "export_classifier extract_features fix_threads fuse load_classifier logits_graph objective part_features "
        "reseed save_calibration save_classifier"
    ),
    "pixmill.core.params": (
        "SOURCES AugmentationParams BackboneParams BlockParams CnnParams DenseParams EvaluateParams FeaturesParams "
        "FolderParams KerasParams Params ReviewParams ScheduleParams ScrapeParams Severity SplitParams TrainParams "
        "UrlsParams ValidateParams flat load_params parse_overrides parse_params parse_yaml read_text"
    ),
    "pixmill.core": "",
    "pixmill.compare": "",
    "pixmill.images.likeness": "",
    "pixmill.pages": "",
    "pixmill.pages.evaluate": "figures render_report",
    "pixmill.pages.predict": "render_gallery",
    "pixmill.pages.scrape": "render_report",
    "pixmill.pages.validate": "render_report",
    "pixmill.pages.split": "render_report",
    "pixmill.pages.train": "curves_figure draw_samples render_report",
    "pixmill.web": "",
    "pixmill.pages.base": "figure_png figure_svg histogram_svg lines_svg render_page shorten",
    "pixmill.new": "",
    "pixmill.review": "",
    "pixmill.serve": "",
    "pixmill.scrape": "ProbeReport ScrapeResult ScrapeTally forecast probe_source scrape",
    "pixmill.scrape.sources": (
        "Access ApiSource Candidate Failure Fetched Kind LocalSource Opened Query Refused SearchFailed Source ask_json "
        "is_local open_sources row_of"
    ),
    "pixmill.web.shop": "ORIGIN Shop serve",
    "pixmill.split": "Split metrics pack plot_table split suggested_salt summary",
    "pixmill.predict": "Model current_version find_model",
    "pixmill.record": "",
    "pixmill.train": "Interrupted OnEpoch Trained curves_csv is_chief learning_curve_csv train",
    "pixmill.use": "Problem Recipe find_recipe find_recipes listing problems salt_for_folders use",
    "pixmill.validate": "SEEN Check Decision Table Validation metrics plot_tables read_decisions validate",
    "pixmill.pipeline": "run",
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
