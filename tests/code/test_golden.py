"""What a user of version 0.1 has is read by today's code: tests/golden/README.md."""

import asyncio
import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from pyarrow import parquet

from cli.main import commands
from materializers.reviews import ReviewsMaterializer
from sentiment import Predictor
from sentiment.config.load import validate
from sentiment.config.train import CONFIG_FILE, TrainConfig
from sentiment.data.reviews import Reviews
from sentiment.errors import ConfigError
from sentiment.export import ExportReport
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.deployment import ServedModel
from sentiment.lifecycle.registration import Registration
from sentiment.models.folder import load_classifier
from sentiment.monitoring.reference import REFERENCE_FILE, Reference
from sentiment.monitoring.window import read_window
from sentiment.pages import page_of
from sentiment.registry import Registry
from sentiment.registry.local import local_champion
from sentiment.retraining.history import current_pause, decisions, labels_used_until
from sentiment.scoring.collect import SCHEMA as SCORES_SCHEMA
from sentiment.store import PredictionLog
from sentiment.store.feedback import read_feedback
from sentiment.store.journal import KINDS, Journal
from sentiment.store.predictions import PredictionDatabase
from sentiment.store.window import read_labelled
from sentiment.stored import Report
from serving.monitoring import Monitoring

GOLDEN = Path(__file__).parents[1] / "golden" / "v0.1"
MODEL = "reviews"
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)
ADDRESSES: dict[str, str] = json.loads((GOLDEN / "reports" / "addresses.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((GOLDEN / "model" / "expected.json").read_text(encoding="utf-8"))
FOREVER_DAYS = 40_000
ReportT = TypeVar("ReportT", bound=Report)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return Path(shutil.copy(GOLDEN / "predictions.db", tmp_path))


@pytest.fixture
def database_url(database: Path) -> str:
    return f"sqlite:///{database}"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    home = tmp_path / "golden"
    shutil.copytree(GOLDEN / "mlflow-artifacts", home / "mlflow-artifacts")
    statements = gzip.decompress((GOLDEN / "mlflow.sql.gz").read_bytes()).decode().replace("/golden", str(home))
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        connection.executescript(statements)
    return Registry(f"sqlite:///{home / 'mlflow.db'}", MODEL)


def stored(kind: type[ReportT]) -> ReportT:
    file = next(file for address, file in ADDRESSES.items() if address.endswith(f".{kind.__name__}"))
    return kind.read((GOLDEN / "reports" / file).read_text(encoding="utf-8"), file)


def rows_by_table(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(database)) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("predictions", "feedback", "scores", "events")
        }


def test_the_database_keeps_every_row(database: Path, database_url: str) -> None:
    before = rows_by_table(database)
    assert before == {"predictions": 11, "feedback": 9, "scores": 5, "events": 12}

    with closing(PredictionDatabase(database_url, MODEL)) as predictions:
        predictions.connect()
        summary = predictions.summary(BEFORE)

    assert rows_by_table(database) == before
    assert (summary.roles["shadow"], summary.roles["canary"], summary.model_versions["1"]) == (2, 2, 4)
    assert (summary.labels["negative"], summary.corrected) == (4, 2)


def test_the_page_shows_what_was_said_as_it_was_said(database: Path, database_url: str) -> None:
    with closing(sqlite3.connect(database)) as connection:  # the page shows the last days
        connection.execute("UPDATE events SET time = ?", [datetime.now(UTC).isoformat(sep=" ")])
        connection.commit()
    with closing(Monitoring(database_url)) as monitoring:
        report = asyncio.run(monitoring.report(MODEL, "2", 30))

    assert (report.status, len(report.drift), len(report.quality)) == ("drift", 1, 1)
    assert report.summary.startswith("Drift in 5 of 18 tests on 120 rows: unseen character n-grams, share 4.08")
    assert report.said is not None
    assert report.said.en == report.said.ko == report.summary
    assert {each.said.ko for each in report.drift[0].effects} >= {"글자 수", "미등록 n-gram 비율"}
    assert {each.moved for each in report.drift[0].effects} == {None}
    assert report.quality[0].accuracy is not None


def test_monitoring_and_retraining_read_the_rows(database_url: str) -> None:
    window = read_window(database_url, MODEL, "2", 100)
    assert [row.origin for row in window.rows] == ["endpoint"] * 4 + ["batch"] * 5
    assert {row.text: (row.truth, row.source) for row in window.rows if row.truth} == {
        "옷감 마음에 들어요": ("negative", "api"),
        "서비스 실망했어요 ㅠㅠ": ("positive", "page"),
        "화면 별로예요": ("negative", "review team"),
    }

    labelled = read_labelled(database_url, MODEL, BEFORE)
    assert labelled.labels["truth"].to_list() == ["negative", "positive", "negative", "positive", "negative"]
    assert labelled.traffic["rows"].to_list() == [4, 4, 5]

    feedback = read_feedback(database_url, MODEL, max_rows=100)
    assert feedback["label"].to_list() == [
        *("positive", "negative", "negative", "positive"),
        *("negative", "positive", "negative", "positive"),
    ]
    assert feedback["text"].null_count() == 1  # its prediction was deleted


def test_the_journal_is_read(database_url: str) -> None:
    with closing(Journal(database_url, MODEL)) as journal:
        entries = journal.entries()
        history = decisions(journal, datetime(2026, 12, 1, tzinfo=UTC))
        used_until = labels_used_until(history)
        pause = current_pause(journal)

    assert {entry.kind for entry in entries} == set(KINDS)
    details = {entry.kind: entry.detail for entry in entries if entry.kind != "decision"}
    assert details["monitor"]["drift"]["status"] == "drift"
    assert details["monitor"]["quality"]["days"][0]["day"] == "2026-11-20"
    assert details["alert"]["outcome"] == "delivered"
    assert details["score"]["rows"] == 5
    finished, started, decided = history
    assert [entry.detail["event"] for entry in history] == ["finished", "started", "decided"]
    assert decided.detail["retrain"] is True
    assert finished.detail["outcome"] == "refused"
    assert used_until == started.time
    assert pause is None


def test_the_spool_is_written_and_nothing_is_put_aside(database: Path, database_url: str, tmp_path: Path) -> None:
    before = rows_by_table(database)
    spool = shutil.copytree(GOLDEN / "spool", tmp_path / "spool")
    log = PredictionLog(database_url, spool, MODEL, retention_days=FOREVER_DAYS, label_retention_days=FOREVER_DAYS)
    log.start()
    log.close(timeout_seconds=20)

    assert (log.written, log.quarantined, log.dropped) == (5, 0, 0)
    after = rows_by_table(database)
    assert (after["predictions"], after["feedback"]) == (before["predictions"] + 3, before["feedback"] + 2)
    window = read_window(database_url, MODEL, "2", 100)
    assert {row.text: row.truth for row in window.rows}["화면 훌륭합니다"] == "negative"
    assert '"따옴표" 그리고 😀 이모지' in [row.text for row in window.rows]


def test_the_registry_tells_versions_history_and_evidence(registry: Registry, database_url: str) -> None:
    assert Lifecycle(registry, database_url).settle() is None
    archived, champion = registry.versions()
    assert (archived.version, archived.status) == (1, "archived")
    assert (champion.version, champion.status) == (2, "champion")
    assert (champion.kind, champion.gate, champion.tags["candidate"]) == ("linear", "approved", "linear")
    assert champion.metrics["macro_f1"] > archived.metrics["macro_f1"]
    events = [(event.event, event.version, event.from_version) for event in registry.history()]
    assert events == [("promoted", 1, None), ("promoted", 2, 1), ("rolled_back", 1, 2), ("promoted", 2, 1)]

    reference = Reference.read(registry.report(2, REFERENCE_FILE), REFERENCE_FILE)
    assert (len(reference.texts), reference.labels) == (100, ("negative", "positive"))
    assert champion.digest[:12] in registry.card(2)
    config = validate(yaml.safe_load(registry.report(2, CONFIG_FILE)), TrainConfig, CONFIG_FILE, stored=True)
    assert (config.model_name, config.dataset.name) == (MODEL, "shop")
    assert [(model.kind, model.name) for model in config.models()] == [("linear", "linear"), ("linear", "short")]


def test_the_champion_predicts(registry: Registry, tmp_path: Path) -> None:
    champion = registry.champion()
    assert champion is not None
    found = local_champion(tmp_path / "golden" / "mlflow.db", MODEL)
    assert found == (2, Path(champion.source), champion.digest)

    predictor = Predictor.champion(registry.tracking_uri, MODEL)
    assert predictor.version == 2
    predicted = [list(each["probs"].values()) for each in predictor.predict(EXPECTED["texts"], return_probs=True)]
    np.testing.assert_allclose(predicted, EXPECTED["probabilities"]["linear"], atol=1e-5)
    assert load_classifier(registry.fetch(1, tmp_path / "downloads")).labels == ("negative", "positive")


def test_a_stored_config_is_read_without_what_is_no_longer_a_setting() -> None:
    raw = yaml.safe_load((GOLDEN / CONFIG_FILE).read_text(encoding="utf-8"))
    config = validate(raw, TrainConfig, CONFIG_FILE, stored=True)
    linear, compact = config.candidates
    assert (config.dataset.path, config.evaluation.resamples, linear.max_ngram) == ("reviews.csv", 300, 5)
    assert (compact.encoder.pretrain_epochs, compact.teacher_weight) == (1, 0.7)


def test_the_validation_split_is_found_by_its_reports(registry: Registry) -> None:
    champion, served = registry.get(2), stored(ServedModel)
    assert stored(Registration).digest == served.digest == champion.digest
    assert served.data_digest == champion.dataset_digest

    validation = ReviewsMaterializer(str(GOLDEN / "validation")).load(Reviews)
    assert (len(validation), validation.labels) == (77, ("negative", "positive"))
    assert validation.digest() == stored(ExportReport).data_digest


def test_the_scored_table_has_its_columns() -> None:
    table = parquet.read_table(GOLDEN / "scores.parquet")
    assert table.schema.equals(SCORES_SCHEMA)
    rows = table.to_pylist()
    assert [row["review_id"] for row in rows] == ["n0", "n1", "n2", "n3", "n5"]
    for row in rows:
        probabilities = json.loads(row["probabilities"])
        assert row["confidence"] == probabilities[row["label"]] == max(probabilities.values())
        assert (row["batch"], row["model_version"]) == ("november", "2")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_report_is_read_from_its_old_address_and_shown(address: str) -> None:
    module, _, name = address.rpartition(".")
    report = stored(getattr(import_module(module), name))
    again = type(report).read(report.model_dump_json(), address)
    assert again.model_dump() == report.model_dump()
    assert page_of(report).startswith("<!doctype html>")


@pytest.mark.parametrize("kind", EXPECTED["probabilities"])
def test_a_model_folder_predicts_what_it_did(kind: str) -> None:
    classifier = load_classifier(GOLDEN / "model" / kind)
    assert classifier.kind == kind
    predicted = classifier.predict_proba(EXPECTED["texts"])
    np.testing.assert_allclose(predicted, EXPECTED["probabilities"][kind], atol=1e-4)


def test_a_prediction_is_traced_to_its_model(
    database_url: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", database_url)
    monkeypatch.setenv("SENTIMENT_HOME", str(Path(registry.tracking_uri.removeprefix("sqlite:///")).parent))
    asked = CliRunner().invoke(commands, ["trace", "00000000000000000000000000000001"])
    assert asked.exit_code == 0, asked.output
    for words in (
        "2026-11-20 09:17:00 UTC, by a request to the champion",
        "포장 엉망입니다, 다시는 안 사요",
        "negative 88.7%",
        "negative, 2026-11-20 14:02:00 UTC, from api",
        "reviews version 1, linear, archived now",
        "promoted, 2026-",
    ):
        assert words in asked.output

    batch = CliRunner().invoke(commands, ["trace", "716B7D4DE536E294FB10C3170120C608"])
    assert "in the batch november" in batch.output
    assert "reviews version 2" in batch.output

    missing = CliRunner().invoke(commands, ["trace", "nobody"])
    assert isinstance(missing.exception, ConfigError)
