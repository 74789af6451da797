"""Print the number of columns that drift by Evidently's ``DataDriftPreset``, for :mod:`watch`."""

import json
import sys

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

known, new = json.load(sys.stdin)
report = Report([DataDriftPreset()]).run(
    pd.DataFrame(new).add_prefix("f"), pd.DataFrame(known).add_prefix("f")
)
print(int(report.dict()["metrics"][0]["value"]["count"]))
