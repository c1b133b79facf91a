"""The rows that monitoring reads, from real SQLite and PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import insert

from sentiment.errors import StackError
from sentiment.monitoring.window import read_window
from sentiment.pages import page_of
from sentiment.store.database import make_engine
from sentiment.store.migrations import upgrade
from sentiment.store.records import SMOKE_TEST_CALLER, TRYOUT_CALLER
from sentiment.store.tables import feedback, predictions, scores
from sentiment.store.window import LABELLED_SCHEMA, TRAFFIC_SCHEMA, WINDOW_SCHEMA, read_labelled
from tests.service.postgres_server import PostgresServer

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.delete()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/predictions.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    server.empty()
    return server.url


def predicted(id: str, time: datetime, **changes: Any) -> dict[str, Any]:
    base = {"text": f"좋아요 {id}", "label": "positive", "confidence": 0.75, "probabilities": {}, "latency_ms": 1.0}
    return {"id": id, "time": time, "model_version": "2", **base, "role": "champion", "caller": None, **changes}


def scored(id: str, time: datetime, **changes: Any) -> dict[str, Any]:
    base = {"batch": "b", "review_id": id, "text": "별로", "label": "negative", "confidence": 0.5, "probabilities": {}}
    return {"id": id, "time": time, "model_version": "2", **base, **changes}


def answered(id: str, prediction_id: str, time: datetime, label: str, source: str = "api") -> dict[str, Any]:
    return {"id": id, "prediction_id": prediction_id, "time": time, "label": label, "source": source, "caller": None}


def fill(url: str) -> None:
    """Two days of a champion (version 2) with a canary (version 3) beside it, a batch, and answers."""
    engine = make_engine(url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(predictions),
            [
                predicted("old", NOON - 40 * DAY),
                predicted("a", NOON - DAY),
                predicted("b", NOON, confidence=0.95, caller="someone"),
                predicted("smoke", NOON + MINUTE, caller=SMOKE_TEST_CALLER),
                predicted("try-out", NOON + MINUTE, caller=TRYOUT_CALLER),
                predicted("shadow", NOON + MINUTE, role="shadow", model_version="3"),
                predicted("shadow-2", NOON + MINUTE, role="shadow"),
                predicted("canary", NOON + MINUTE, role="canary", model_version="3"),
                predicted("c", NOON + 3 * MINUTE),
            ],
        )
        connection.execute(insert(scores), [scored("s", NOON + 2 * MINUTE), scored("s0", NOON - 2 * DAY)])
        connection.execute(
            insert(feedback),
            [
                answered("1", "a", NOON, "negative"),
                answered("2", "a", NOON + MINUTE, "positive", "audit"),
                answered("3", "b", NOON + 2 * DAY, "negative"),
                # Two answers at one time: the same one wins whenever it is asked.
                answered("5", "s", NOON, "positive"),
                answered("4", "s", NOON, "negative"),
                answered("6", "shadow-2", NOON, "negative"),
                answered("7", "smoke", NOON, "negative"),
                answered("8", "nobody", NOON, "negative"),
                answered("9", "old", NOON, "negative"),
                answered("10", "canary", NOON, "negative"),
            ],
        )
    engine.dispose()


def test_the_window_is_the_newest_rows_of_each_source_of_one_version_with_their_latest_label(database_url: str) -> None:
    fill(database_url)
    window = read_window(database_url, "sentiment", "2", 3)
    frame = window.frame()
    assert frame.select("id", "origin", "truth", "source").rows() == [
        ("s0", "batch", None, None),
        ("a", "endpoint", "positive", "audit"),
        ("b", "endpoint", "negative", "api"),
        ("try-out", "page", None, None),
        ("s", "batch", "negative", "api"),
        ("c", "endpoint", None, None),
    ]
    assert frame["time"].dtype == pl.Datetime("us", "UTC")
    assert frame["time"].to_list()[-3:] == [NOON + MINUTE, NOON + 2 * MINUTE, NOON + 3 * MINUTE]
    assert frame.row(2, named=True) | {"time": None} == {
        "text": "좋아요 b",
        "id": "b",
        "time": None,
        "model_version": "2",
        "label": "positive",
        "confidence": 0.95,
        "origin": "endpoint",
        "truth": "negative",
        "source": "api",
    }
    assert [row.id for row in read_window(database_url, "sentiment", "3", 10).rows] == ["canary"]


def test_labelled_rows_and_traffic_are_of_every_version_and_of_the_period(database_url: str) -> None:
    fill(database_url)
    found = read_labelled(database_url, "sentiment", NOON - 30 * DAY)
    assert found.labels.select("id", "model_version", "truth").rows() == [
        ("a", "2", "positive"),
        ("b", "2", "negative"),
        ("canary", "3", "negative"),
        ("s", "2", "negative"),
    ]
    assert found.traffic.rows() == [
        (date(2026, 3, 8), "2", 1, 0.5),
        (date(2026, 3, 9), "2", 1, 0.75),
        (date(2026, 3, 10), "2", 3, pytest.approx((0.95 + 0.5 + 0.75) / 3)),
        (date(2026, 3, 10), "3", 1, 0.75),
    ]
    assert read_labelled(database_url, "sentiment", NOON - 30 * DAY, limit=2).labels["id"].to_list() == ["canary", "s"]


def test_an_empty_database_is_made_and_has_no_rows(database_url: str) -> None:
    window = read_window(database_url, "sentiment", "1", 100)
    assert window.frame().schema == WINDOW_SCHEMA
    assert "answered nothing yet" in window.summary
    found = read_labelled(database_url, "sentiment", NOON)
    assert (found.labels.height, found.traffic.height) == (0, 0)
    assert (found.labels.schema, found.traffic.schema) == (LABELLED_SCHEMA, TRAFFIC_SCHEMA)


def test_the_page_of_a_window_holds_counts_and_no_text(database_url: str) -> None:
    fill(database_url)
    page = page_of(read_window(database_url, "sentiment", "2", 100))
    assert "좋아요" not in page
    assert "2026-03-09" in page
    assert "endpoint" in page


def test_a_database_out_of_reach_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be used") as failure:
        read_window(f"postgresql://user:secret@/db?host={tmp_path}", "sentiment", "1", 10)
    assert "secret" not in str(failure.value)
