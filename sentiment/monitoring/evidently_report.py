"""Distances between two tables, computed by Evidently, column by column.

https://docs.evidentlyai.com/metrics/customize_data_drift lists its methods. Evidently's own page is not used: the
scripts in it are 3.5 MB, more than a dashboard should load for a verdict.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

# Evidently divides a Wasserstein distance by the reference's standard deviation, or by this where that is smaller.
SMALLEST_DEVIATION = 0.001

Method = Literal["wasserstein", "jensenshannon"]


@dataclass(frozen=True)
class Comparison:
    """A column to compare. `spread`: the least that counts as one standard deviation; for Wasserstein only."""

    column: str
    method: Method
    threshold: float
    spread: float = SMALLEST_DEVIATION


def distances(
    reference: pl.DataFrame, window: pl.DataFrame, comparisons: Sequence[Comparison]
) -> tuple[dict[str, float], dict[str, Any]]:
    """The distance of each column, and all of what Evidently reported, as plain JSON.

    Nulls are left out; every column needs values on both sides.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    numerical = [each.column for each in comparisons if each.method == "wasserstein"]
    categorical = [each.column for each in comparisons if each.method == "jensenshannon"]
    definition = DataDefinition(numerical_columns=numerical, categorical_columns=categorical)
    metrics = [ValueDrift(column=each.column, method=each.method, threshold=each.threshold) for each in comparisons]
    report = Report(metrics, include_tests=True).run(
        *(Dataset.from_pandas(_scaled(frame, comparisons).to_pandas(), definition) for frame in (window, reference))
    )
    found = json.loads(report.json())
    return {each["config"]["column"]: _number(each["value"]) for each in found["metrics"]}, found


def _scaled(frame: pl.DataFrame, comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """Numbers in units in which Evidently's smallest deviation is the column's `spread`; the distance has no unit."""
    return frame.select(
        pl.col(each.column) * (SMALLEST_DEVIATION / each.spread)
        if each.method == "wasserstein"
        else pl.col(each.column)
        for each in comparisons
    )


def _number(value: float) -> float:
    # The square root of what rounding made a little less than zero: both distributions are the same.
    return 0.0 if math.isnan(value) else float(value)
