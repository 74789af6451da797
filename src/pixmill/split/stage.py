"""Assign each kept image to a split, check for leakage, and pack the splits."""

import itertools

from pixmill.core.expectations import gate_error, warnings
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import fresh_folder, write_figures, write_json, write_text
from pixmill.core.manifest import PAIRS, SERIES_FILE, SPLIT, VALIDATED, read_table, write_table
from pixmill.core.params import Params
from pixmill.images.compute import RowLimits
from pixmill.images.depth import read_window
from pixmill.split.packing import pack
from pixmill.split.page.report import render_report
from pixmill.split.series import torn_series
from pixmill.split.splitting import metrics, plot_table, series_remark, split, summary


def main(workspace: Workspace, params: Params) -> None:
    """Write page and metrics, stop if a critical check failed, else pack the splits."""
    root = workspace.root
    report = "reports/split.html"
    images = root / "artifacts/scrape"
    validated = root / "artifacts/validate"
    result = split(
        read_table(validated / "manifest.parquet", VALIDATED, stage="validate", task=params.task),
        read_table(validated / "pairs.parquet", PAIRS, stage="validate"),
        params.split,
        classes=params.classes,
        root=root,
        task=params.task,
    )
    torn = torn_series(result.manifest, validated, params.split)
    remarks = [*filter(None, [series_remark(result), torn.get("sentence")])]
    limits = RowLimits(params.validate.timeout, params.validate.memory << 20)
    out = fresh_folder(root / "artifacts/split")
    window = read_window(validated)
    # Written before the gate, because it helps to fix the data.
    page = render_report(
        result, params.split, limits, remarks=remarks, folder=images, window=window, root=root
    )
    write_text(root / report, page)
    write_json(
        out / "expectations.json", {"results": [outcome.record() for outcome in result.outcomes]}
    )
    full = metrics(result)
    tables = {"counts": plot_table(result).to_csv(index=False, lineterminator="\n")}
    headline = result.sizes | {"dropped": full["dropped"]}
    write_figures(root, "split", headline=headline, full=full, tables=tables)
    for line in itertools.chain(*warnings(result.outcomes).values()):
        print(f"split: {line}")
    for remark in remarks:
        print(f"split: warning: {remark}")
    if error := gate_error(result.outcomes, report=report, fix="add images"):
        raise error
    if torn:
        write_json(out / SERIES_FILE, torn)
    pack(result.manifest, images, out, params.split, limits, window=window)
    write_table(out / "manifest.parquet", result.manifest, SPLIT)
    print(f"split: {summary(result)}\nsplit: {report}")
