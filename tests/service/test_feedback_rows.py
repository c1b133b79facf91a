"""Labels with what they are about, read from real SQLite and PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from sentiment.store.database import make_engine
from sentiment.store.feedback import SCHEMA, read_feedback
from sentiment.store.migrations import upgrade
from sentiment.store.records import SMOKE_TEST_CALLER, TRYOUT_CALLER
from sentiment.store.tables import feedback, predictions, scores
from tests.service.postgres_server import PostgresServer

DAY = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.delete()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/predictions.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    server.empty()
    return server.url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    upgrade(engine)
    yield engine
    engine.dispose()


def predicted(name: str, **changes: Any) -> dict[str, Any]:
    row = {"id": name, "time": DAY, "model_version": "1", "text": f"리뷰 {name}", "label": "positive"}
    row |= {"confidence": 0.9, "probabilities": {"positive": 0.9}, "latency_ms": 1.0, "role": "champion"}
    return row | {"caller": None} | changes


def scored(name: str, **changes: Any) -> dict[str, Any]:
    row = {"id": name, "batch": "b", "review_id": name, "model_version": "1", "time": DAY, "text": f"묶음 {name}"}
    row |= {"label": "negative", "confidence": 0.8, "probabilities": {"negative": 0.8}, "created_at": None}
    return row | {"category": "배달", "language": "ko", "source": "app"} | changes


def answered(name: str, prediction: str, minutes: int, **changes: Any) -> dict[str, Any]:
    row = {"id": name, "prediction_id": prediction, "time": DAY + timedelta(minutes=minutes), "label": "negative"}
    return row | {"source": "api", "caller": "c"} | changes


def fill(engine: Engine, **tables: list[dict[str, Any]]) -> None:
    with engine.begin() as connection:
        for table in (predictions, scores, feedback):
            if rows := tables.get(table.name):
                connection.execute(insert(table), rows)


def test_labels_come_with_the_prediction_or_the_score_they_are_about(url: str, engine: Engine) -> None:
    fill(
        engine,
        predictions=[predicted("p1")],
        scores=[scored("s1")],
        feedback=[answered("f1", "p1", 1), answered("f2", "s1", 2), answered("f3", "gone", 3)],
    )
    frame = read_feedback(url, "sentiment", max_rows=10)
    assert frame.schema == SCHEMA
    assert frame["id"].to_list() == ["f1", "f2", "f3"]
    assert frame["text"].to_list() == ["리뷰 p1", "묶음 s1", None]
    assert frame["predicted"].to_list() == ["positive", "negative", None]
    assert frame["category"].to_list() == [None, "배달", None]
    assert frame["time"][0] == DAY + timedelta(minutes=1)
    assert frame["predicted_at"].to_list() == [DAY, DAY, None]


def test_an_empty_database_gives_no_rows(url: str) -> None:
    frame = read_feedback(url, "sentiment", max_rows=10)
    assert (frame.height, frame.schema) == (0, SCHEMA)


def test_the_newest_labels_come_oldest_first(url: str, engine: Engine) -> None:
    fill(
        engine,
        predictions=[predicted(f"p{number}") for number in range(5)],
        feedback=[answered(f"f{number}", f"p{number}", number) for number in range(5)],
    )
    assert read_feedback(url, "sentiment", max_rows=3)["id"].to_list() == ["f2", "f3", "f4"]


@pytest.mark.parametrize("caller", [SMOKE_TEST_CALLER, TRYOUT_CALLER])
def test_smoke_tests_and_tryouts_are_left_out(url: str, engine: Engine, caller: str) -> None:
    fill(
        engine,
        predictions=[predicted("p1", caller=caller), predicted("p2", caller="c"), predicted("p3")],
        feedback=[answered(f"f{number}", f"p{number}", number) for number in (1, 2, 3)],
    )
    assert read_feedback(url, "sentiment", max_rows=10)["id"].to_list() == ["f2", "f3"]


def test_coverage_is_of_all_predictions_of_the_day(url: str, engine: Engine) -> None:
    tomorrow = DAY + timedelta(days=1)
    fill(
        engine,
        predictions=[predicted(f"p{number}", time=DAY + timedelta(hours=number)) for number in range(8)],
        scores=[scored(f"s{number}", time=tomorrow) for number in range(2)],
        feedback=[
            answered("f1", "p0", 1),
            answered("f2", "p1", 2),
            answered("f3", "p1", 3),
            answered("f4", "s0", 4),
            answered("f5", "s1", 5),
        ],
    )
    assert read_feedback(url, "sentiment", max_rows=10)["coverage"].to_list() == [0.25, 0.25, 0.25, 1.0, 1.0]
