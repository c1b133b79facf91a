"""Evidently's own report of drift: a page for people, and a workspace that `evidently ui` shows."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from evidently.core.report import Snapshot
from evidently.ui.workspace import Workspace

from sentiment.monitoring import evidently_report
from sentiment.monitoring.evidently_report import Comparison, EvidentlyReport, distances, keep_in_workspace
from sentiment.pages import page_of

COMPARISONS = (Comparison("length", "wasserstein", 0.15, spread=0.5), Comparison("label", "jensenshannon", 0.1))


@pytest.fixture(scope="module")
def report() -> EvidentlyReport:
    rng = np.random.default_rng(0)
    before, now = (
        pl.DataFrame({"length": rng.normal(mean, 9, 400), "label": rng.choice(["긍정", "부정"], 400)})
        for mean in (20, 40)
    )
    found, report = distances(before, now, COMPARISONS)
    assert found["length"] > 2
    assert found["label"] < 0.1
    return report


def test_it_has_a_page_that_needs_nothing_from_elsewhere(report: EvidentlyReport) -> None:
    page = page_of(EvidentlyReport.read(report.model_dump_json(), "The report"))
    assert "Drift in column 'length'" in page
    assert page.count("Data drift detected") == page.count("Data drift not detected") == 1
    assert 'script src="http' not in page
    assert len(page) < 5_000_000


def test_without_a_comparison_the_page_says_so() -> None:
    assert "nothing was compared" in page_of(EvidentlyReport())


def test_the_workspace_keeps_the_newest_runs(
    report: EvidentlyReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidently_report, "RUNS_KEPT", 2)
    keep_in_workspace(EvidentlyReport(), tmp_path, "movies")
    assert not list(tmp_path.iterdir())
    assert report.snapshot
    for day in (3, 1, 2):
        snapshot = Snapshot.loads(report.snapshot).to_snapshot_model()
        snapshot.timestamp = datetime(2026, 1, day, tzinfo=UTC)
        keep_in_workspace(EvidentlyReport(snapshot=Snapshot.load_model(snapshot).dumps()), tmp_path, "movies")
    workspace = Workspace(str(tmp_path))
    (project,) = workspace.search_project("movies")
    runs = [workspace.get_run(project.id, run) for run in workspace.list_runs(project.id)]
    assert sorted(run.timestamp.day for run in runs if run) == [2, 3]
