"""Distances between two tables, computed by Evidently, column by column, and Evidently's own report of them.

https://docs.evidentlyai.com/metrics/customize_data_drift lists its methods.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from sentiment.stored import Report

# Evidently divides a Wasserstein distance by the reference's standard deviation, or by this where that is smaller.
SMALLEST_DEVIATION = 0.001
# A run takes about a megabyte of the workspace.
RUNS_KEPT = 30

Method = Literal["wasserstein", "jensenshannon"]


@dataclass(frozen=True)
class Comparison:
    """A column to compare. `spread`: the least that counts as one standard deviation; for Wasserstein only."""

    column: str
    method: Method
    threshold: float
    spread: float = SMALLEST_DEVIATION


class EvidentlyReport(Report):
    """Evidently's report as its own JSON, which `Snapshot.loads` of Evidently reads; None when nothing was compared.

    It holds counts of the compared columns, and no texts.
    """

    snapshot: str | None = None


def distances(
    reference: pl.DataFrame, window: pl.DataFrame, comparisons: Sequence[Comparison]
) -> tuple[dict[str, float], EvidentlyReport]:
    """The distance of each column, and the report that Evidently made of them.

    Nulls are left out; every column needs values on both sides.
    """
    from evidently import DataDefinition, Dataset
    from evidently import Report as Metrics
    from evidently.metrics import ValueDrift

    numerical = [each.column for each in comparisons if each.method == "wasserstein"]
    categorical = [each.column for each in comparisons if each.method == "jensenshannon"]
    definition = DataDefinition(numerical_columns=numerical, categorical_columns=categorical)
    metrics = [ValueDrift(column=each.column, method=each.method, threshold=each.threshold) for each in comparisons]
    units = [_in_units(reference[each.column], each) for each in comparisons]
    tables = (Dataset.from_pandas(frame.select(units).to_pandas(), definition) for frame in (window, reference))
    snapshot = Metrics(metrics, include_tests=True).run(*tables)
    found = {each["config"]["column"]: _number(each["value"]) for each in snapshot.dict()["metrics"]}
    return found, EvidentlyReport(snapshot=snapshot.dumps())


def keep_in_workspace(report: EvidentlyReport, workspace: Path, project: str) -> None:
    """Add the report to the folder that `evidently ui --workspace` shows; the newest `RUNS_KEPT` of a project stay."""
    if report.snapshot is None:
        return
    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Workspace

    workspace.mkdir(parents=True, exist_ok=True)
    runs = Workspace.create(str(workspace))
    known = runs.search_project(project)
    kept = known[0] if known else runs.create_project(project)
    runs.add_run(kept.id, Snapshot.loads(report.snapshot))
    stored = {run: runs.get_run(kept.id, run) for run in runs.list_runs(kept.id)}
    newest = sorted(stored, key=lambda run: stored[run].timestamp, reverse=True)
    for run in newest[RUNS_KEPT:]:
        with suppress(FileNotFoundError):  # another monitor was quicker
            runs.delete_run(kept.id, run)


def _in_units(reference: pl.Series, comparison: Comparison) -> pl.Expr:
    """The column as it is, or in units in which Evidently's smallest deviation is the column's `spread`.

    The distance has no unit. The second is for a reference that varies less than `spread`.
    """
    column = pl.col(comparison.column)
    if comparison.method == "jensenshannon" or (_deviation(reference) or 0.0) >= comparison.spread:
        return column
    return column * (SMALLEST_DEVIATION / comparison.spread)


def _deviation(numbers: pl.Series) -> float | None:
    return numbers.cast(pl.Float64).std(ddof=0)  # type: ignore[return-value]


def _number(value: float) -> float:
    # The square root of what rounding made a little less than zero: both distributions are the same.
    return 0.0 if math.isnan(value) else float(value)
