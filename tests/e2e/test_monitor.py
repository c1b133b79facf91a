"""Monitor an empty log, clean traffic, and services that a model of movie reviews was not made for."""

import re
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import polars as pl
import pytest

from sentiment.home import PROJECT
from sentiment.models.base import TextClassifier
from sentiment.models.folder import load_classifier
from sentiment.registry import Registry
from sentiment.store import PredictionRecord
from sentiment.store.journal import Entry, Journal
from sentiment.store.predictions import PredictionDatabase
from sentiment.store.records import FeedbackRecord
from tests.e2e.conftest import Run

NOW = datetime.now(UTC)
MONITOR = ("--pipeline", "monitor", "--set", "quality.rows=600", "--set", "drift.window_rows=600")
LENIENT = "gate.max_ece=0.2"  # with 246 test rows, chance alone comes near the ceiling
LABELS = {"1": "negative", "2": "negative", "4": "positive", "5": "positive"}
Result = CompletedProcess[str]


@pytest.fixture(scope="module")
def reviews() -> pl.DataFrame:
    rows = pl.read_csv(PROJECT / "data/sample/reviews.csv", infer_schema=False).drop_nulls("text")
    return rows.filter(pl.col("text").str.strip_chars() != "").with_row_index("number")


@pytest.fixture(scope="module")
def movies(reviews: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Three quarters to train on, and a quarter that arrives as clean traffic."""
    rows = reviews.filter(pl.col("domain") == "movie")
    return rows.filter(pl.col("number") % 4 != 0), rows.filter(pl.col("number") % 4 == 0)


@pytest.fixture(scope="module")
def trained(run: Run, movies: tuple[pl.DataFrame, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "movies.csv"
    movies[0].drop("number").write_csv(path)
    result = run("--pipeline", "train", "--set", f"dataset.path={path}", "--set", LENIENT)
    assert result.returncode == 0, result.stdout + result.stderr
    return path


class Traffic:
    """What the endpoint would have written."""

    def __init__(self, run: Run) -> None:
        home = Path(run.state["SENTIMENT_HOME"])
        self.url = f"sqlite:///{home}/predictions.db"
        self._model = self._champion(f"sqlite:///{home}/mlflow.db")

    def arrives(self, rows: pl.DataFrame, time: datetime) -> None:
        """Every review is answered; whoever gave a clear rating gave the label too."""
        probabilities = self._model.predict_proba(rows["text"].to_list())
        events: list[Any] = []
        for number, (text, rating) in enumerate(rows.select("text", "rating").iter_rows()):
            best = int(np.argmax(probabilities[number]))
            label, confidence = self._model.labels[best], float(probabilities[number, best])
            at = time + timedelta(seconds=number)
            answer = PredictionRecord(uuid.uuid4().hex, at, "sentiment", "1", text, label, confidence, {}, 1.0)
            events.append(answer)
            if rating in LABELS:
                later = at + timedelta(hours=1)
                events.append(FeedbackRecord(uuid.uuid4().hex, answer.id, later, "sentiment", LABELS[rating], "job"))
        database = PredictionDatabase(self.url, "sentiment")
        database.connect()
        assert database.insert(events) == []
        database.close()

    def journal(self, kind: Any) -> list[Entry]:
        journal = Journal(self.url, "sentiment")
        entries = journal.entries((kind,))
        journal.close()
        return entries

    def _champion(self, tracking_uri: str) -> TextClassifier:
        registry = Registry(tracking_uri, "sentiment")
        champion = registry.champion()
        assert champion is not None
        with tempfile.TemporaryDirectory() as folder:
            return load_classifier(registry.fetch(champion.version, Path(folder)))


@pytest.fixture(scope="module")
def traffic(run: Run, trained: Path) -> Traffic:
    return Traffic(run)


@pytest.fixture(scope="module")
def nothing(run: Run, trained: Path) -> Result:
    return run(*MONITOR)


@pytest.fixture(scope="module")
def clean(run: Run, nothing: Result, traffic: Traffic, movies: tuple[pl.DataFrame, pl.DataFrame]) -> Result:
    traffic.arrives(movies[1], NOW - timedelta(days=3))
    return run(*MONITOR, "--act")


@pytest.fixture(scope="module")
def drifted(run: Run, clean: Result, traffic: Traffic, reviews: pl.DataFrame) -> Result:
    traffic.arrives(reviews.filter(pl.col("domain") == "service"), NOW - timedelta(days=1))
    return run(*MONITOR, "--act", "--set", "retrain.deploy=false")


def test_nothing_to_monitor_is_no_failure_and_says_how_to_get_traffic(nothing: Result, run: Run) -> None:
    assert nothing.returncode == 0, nothing.stdout + nothing.stderr
    steps = ("fetch_reference", "read_window", "measure_drift", "measure_quality", "tell", "decide_retrain")
    for step in steps:
        assert re.search(rf"✓ {step} +\S.*\d s", nothing.stdout), step
    assert "Drift: Not enough data" in nothing.stdout
    assert "run.py deploy" in nothing.stdout
    assert "run.py score" in nothing.stdout
    assert "Traceback" not in nothing.stdout + nothing.stderr


def test_clean_traffic_shows_no_drift_and_no_drop(clean: Result, traffic: Traffic) -> None:
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "Drift: No drift" in clean.stdout
    assert "Quality: No drop" in clean.stdout
    assert "Decision: No retraining" in clean.stdout
    assert "train_linear" not in clean.stdout


def test_services_are_drift_and_a_drop_and_act_retrains(drifted: Result) -> None:
    assert drifted.returncode == 0, drifted.stdout + drifted.stderr
    found, _, retrained = drifted.stdout.partition("\nRetraining\n")
    assert "Drift: Drift in" in found
    assert re.search(r"✗ \S", found)
    assert "Quality: Accuracy dropped" in found
    assert "Decision: Retrain: the quality has dropped" in found
    assert re.search(r"✓ train_linear .*\d s", retrained)
    assert "Promoted: linear" in retrained


def test_pages_lie_where_it_says(drifted: Result, run: Run) -> None:
    pages = [Path(found) for found in re.findall(r"(/\S+report\.html)", drifted.stdout)]
    assert len(pages) == 4
    drift, evidently, quality, decision = (page.read_text(encoding="utf-8") for page in pages)
    assert "<svg" in drift
    assert "share of unseen character n-grams" in drift
    assert "미등록 n-gram 비율" in drift
    assert "correct more often than they confirm" in quality
    assert "the quality has dropped" in decision
    assert "품질이 하락했습니다" in decision
    assert len(drift) < 2_000_000
    assert "Drift in column 'unseen'" in evidently
    workspace = Path(run.state["SENTIMENT_HOME"]) / "evidently"
    assert re.search(rf"DO_NOT_TRACK=1 \S*evidently ui --workspace {re.escape(str(workspace))}  ", drifted.stdout)
    assert len(list(workspace.glob("*/snapshots/*.json"))) == 2  # the first run had nothing to compare


def test_the_journal_can_draw_drift_and_quality_over_time(drifted: Result, traffic: Traffic) -> None:
    last, middle, first = traffic.journal("monitor")
    statuses = [(entry.detail["drift"]["status"], entry.detail["quality"]["status"]) for entry in (first, middle, last)]
    assert statuses == [("not_enough_data", "not_enough_data"), ("no_drift", "ok"), ("drift", "drop")]
    assert last.model_version == "1"
    domain = last.detail["drift"]["effects"]["domain"]
    assert domain["effect"] > domain["threshold"]
    value, low, high = last.detail["quality"]["accuracy"]
    assert low < value < high < last.detail["quality"]["reference_accuracy"]
    days = last.detail["quality"]["days"]
    assert [day["day"] for day in days] == sorted(day["day"] for day in days)
    assert all(day["accuracy"] and day["estimate_error"] is not None for day in days)
    decided = [entry.detail["reason"] for entry in traffic.journal("decision") if entry.detail["event"] == "decided"]
    assert decided == ["quality_drop", "healthy", "not_enough_data"]
    alerts = {entry.detail["alert_kind"] for entry in traffic.journal("alert")}
    assert {"drift", "quality_drop"} <= alerts


def test_a_misspelt_key_is_told_before_anything_runs(run: Run) -> None:
    result = run("--pipeline", "monitor", "--set", "quality.day=7")
    assert result.returncode == 2, result.stdout + result.stderr
    assert "'days'" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
