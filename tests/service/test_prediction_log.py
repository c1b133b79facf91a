"""The prediction log on real SQLite and PostgreSQL: outages, killed processes, full disks and hostile rows."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select

from sentiment.home import PROJECT
from sentiment.store import PredictionLog, PredictionRecord
from sentiment.store.database import make_engine
from sentiment.store.migrations import upgrade
from sentiment.store.tables import feedback, metadata, predictions, scores
from tests.service.postgres_server import PostgresServer

NOW = datetime.now(UTC)

# Puts rows as fast as told, and prints each one's id after `put` has returned.
WORKER = """
import resource, sys, time, uuid
from datetime import UTC, datetime
from pathlib import Path
from sentiment.store import PredictionLog, PredictionRecord

url, spool, rows, pause, queue_size, file_bytes = sys.argv[1:]
if int(file_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_bytes), int(file_bytes)))
log = PredictionLog(url, Path(spool), "sentiment", queue_size=int(queue_size))
log.start()
for _ in range(int(rows)):
    id, now = uuid.uuid4().hex, datetime.now(UTC)
    log.put(PredictionRecord(id, now, "sentiment", "1", "좋아요 " * 20, "positive", 0.9, {"positive": 0.9}, 1.0))
    print(id, time.time(), flush=True)
    time.sleep(float(pause))
log.close(20)
print("dropped", log.dropped, flush=True)
"""


def record(**changes: object) -> PredictionRecord:
    base = PredictionRecord(
        uuid.uuid4().hex,
        datetime.now(UTC),
        "sentiment",
        "3",
        "배송이 빨라서 좋아요",
        "positive",
        0.75,
        {"negative": 0.25, "positive": 0.75},
        3.5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def start_worker(
    url: str, spool: Path, *, rows: int, pause: float = 0.0, queue_size: int = 10_000, file_bytes: int = 0
) -> subprocess.Popen[str]:
    arguments = [url, str(spool), str(rows), str(pause), str(queue_size), str(file_bytes)]
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)


def ids_in(url: str) -> list[str]:
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            return list(connection.scalars(select(predictions.c.id)))
    finally:
        engine.dispose()


def feedback_in(url: str) -> list[tuple[str, str]]:
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(select(feedback.c.prediction_id, feedback.c.label).order_by(feedback.c.time))
            return [(row.prediction_id, row.label) for row in rows]
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.delete()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database on a server that runs, whatever a test does to it."""
    postgres.empty()
    yield postgres.url
    postgres.start()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/predictions.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


StartLog = Callable[..., PredictionLog]


@pytest.fixture
def start_log(tmp_path: Path) -> Iterator[StartLog]:
    """Start a log on a database, with its spool in this test's folder; closed at the end."""
    logs = []

    def start(url: str, model_name: str = "sentiment", **options: int) -> PredictionLog:
        log = PredictionLog(url, tmp_path / "spool", model_name, **options)
        logs.append(log)
        log.start()
        return log

    yield start
    for log in logs:
        log.close(2)


@pytest.fixture
def log(database_url: str, start_log: StartLog) -> PredictionLog:
    return start_log(database_url)


def test_tables_are_what_the_migrations_make(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine)
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_row_comes_back_as_it_was_put_with_its_text_masked(log: PredictionLog) -> None:
    put = record(text="연락처는 010-1234-5678, kim@example.com 입니다", role="canary", caller="7f3a")
    log.put(put)
    wait_until(lambda: log.written == 1)
    log._latest.clear()  # read it from the database
    assert log.recent(10) == [replace(put, text="연락처는 [PHONE], [EMAIL] 입니다")]
    assert (log.depth(), log.lag_seconds()) == (0, 0.0)
    assert (log.dropped, log.quarantined, log.spooled) == (0, 0, 0)


def test_hostile_rows_hold_up_nobody(log: PredictionLog, tmp_path: Path) -> None:
    good = [
        record(text="앞\0뒤"),
        record(text="\ud800 half a character \udfff", caller="\0\ud800"),
        record(text="긴 글 " * 250_000),
        record(text="'); DROP TABLE predictions; --"),
    ]
    no_label = record(label=None)
    no_json = record(probabilities={"positive": object()})
    for each in (good[0], no_label, good[1], no_json, good[2], good[3]):
        log.put(each)
    wait_until(lambda: log.depth() == 0 and log.quarantined == 2)
    log._latest.clear()
    texts = {row.id: row.text for row in log.recent(10)}
    assert texts == {
        good[0].id: "앞\ufffd뒤",
        good[1].id: "? half a character ?",
        good[2].id: good[2].text,
        good[3].id: good[3].text,
    }
    kept = (tmp_path / "spool" / "quarantine.log").read_text()
    assert no_label.id in kept
    assert no_json.id in kept
    assert log.dropped == 0


def test_feedback_is_taken_for_rows_queued_and_written_and_keeps_its_history(
    log: PredictionLog, database_url: str
) -> None:
    right, wrong, silent = record(), record(), record()
    for each in (right, wrong, silent):
        log.put(each)
    assert log.feedback(right.id, "negative", source="page")  # most likely still in memory
    wait_until(lambda: log.written == 4)
    assert log.feedback(right.id, "positive")
    assert log.feedback(wrong.id, "negative", caller="\0")
    for unknown in (uuid.uuid4().hex, "", "a\0b", "\ud800", "x" * 10_000):
        assert not log.feedback(unknown, "positive")
        assert log.label_of(unknown) is None
    assert log.label_of(right.id) == "positive"
    wait_until(lambda: log.depth() == 0)
    assert feedback_in(database_url) == [(right.id, "negative"), (right.id, "positive"), (wrong.id, "negative")]
    summary = log.summary(1)
    assert (summary.confirmed, summary.corrected) == (1, 1)


def test_the_summary_counts_what_callers_were_answered(log: PredictionLog) -> None:
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    for time_, label, role, version in [
        (hour, "positive", "champion", "3"),
        (hour + timedelta(seconds=0.9), "negative", "champion", "3"),
        (hour - timedelta(seconds=0.2), "positive", "canary", "4"),
        (hour - timedelta(hours=1), "positive", "shadow", "4"),
        (hour - timedelta(hours=30), "positive", "champion", "2"),
    ]:
        log.put(record(time=time_, label=label, role=role, model_version=version, confidence=0.5))
    wait_until(lambda: log.written == 5)
    summary = log.summary(24)
    assert summary.complete
    assert summary.total == 3
    assert summary.labels == {"positive": 2, "negative": 1}
    assert summary.model_versions == {"3": 2, "4": 2}
    assert summary.roles == {"champion": 2, "canary": 1, "shadow": 1}
    assert summary.mean_confidence == 0.5
    assert [(each.hour, each.labels) for each in summary.hours] == [
        (hour - timedelta(hours=1), {"positive": 1}),
        (hour, {"positive": 1, "negative": 1}),
    ]
    assert [row.time for row in log.recent(2)] == [hour + timedelta(seconds=0.9), hour]


def test_old_rows_go_in_small_batches_and_take_their_feedback_along(start_log: StartLog, database_url: str) -> None:
    log = start_log(database_url, retention_days=30, label_retention_days=60)
    wait_until(lambda: log._retention_due > 0)  # the pass at the start is over
    old = [record(time=NOW - timedelta(days=61, seconds=number)) for number in range(2_500)]
    labelled = record(time=NOW - timedelta(days=31))
    young = record(time=NOW - timedelta(days=29))
    for each in [*old, labelled, young]:
        log.put(each)
    for each in (old[0], old[-1], labelled, young):
        assert log.feedback(each.id, "negative")
    wait_until(lambda: log.written == 2_506)
    log._retention_due = 0.0  # an hour has passed
    wait_until(lambda: sorted(ids_in(database_url)) == sorted([labelled.id, young.id]))
    wait_until(lambda: sorted(feedback_in(database_url)) == sorted([(labelled.id, "negative"), (young.id, "negative")]))


def test_a_row_of_a_batch_takes_feedback_and_keeps_it(start_log: StartLog, database_url: str) -> None:
    log = start_log(database_url, retention_days=30)
    wait_until(lambda: log._retention_due > 0)
    batch_row = {
        "id": "batch-row",
        "batch": "b",
        "review_id": "1",
        "model_version": "1",
        "time": NOW - timedelta(days=40),
        "text": "t",
        "label": "positive",
        "confidence": 0.9,
        "probabilities": {"positive": 0.9},
    }
    with make_engine(database_url).begin() as connection:
        connection.execute(scores.insert(), batch_row)
    assert log.label_of("batch-row") == "positive"
    assert log.feedback("batch-row", "negative")
    wait_until(lambda: log.written == 1)
    with make_engine(database_url).begin() as connection:
        connection.execute(feedback.update().values(time=NOW - timedelta(days=31)))
    log._retention_due = 0.0
    wait_until(lambda: log._retention_due > 0)
    assert feedback_in(database_url) == [("batch-row", "negative")]


def test_processes_that_start_together_share_a_database(database_url: str, tmp_path: Path) -> None:
    workers = [start_worker(database_url, tmp_path / "spool", rows=500, pause=0.001) for _ in range(3)]
    output = [worker.communicate(timeout=60)[0] for worker in workers]
    put = [line.split()[0] for lines in output for line in lines.splitlines() if not line.startswith("dropped")]
    assert len(put) == 1_500
    assert sorted(ids_in(database_url)) == sorted(put)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_an_outage_loses_and_doubles_nothing(
    mode: str, postgres: PostgresServer, postgres_url: str, start_log: StartLog, caplog: pytest.LogCaptureFixture
) -> None:
    log = start_log(postgres_url)
    put: list[PredictionRecord] = []
    slowest = 0.0
    done = threading.Event()

    def load() -> None:
        nonlocal slowest
        while not done.is_set():
            put.append(record())
            start = time.perf_counter()
            log.put(put[-1])
            slowest = max(slowest, time.perf_counter() - start)
            time.sleep(0.001)

    caplog.set_level(logging.WARNING)
    thread = threading.Thread(target=load)
    thread.start()
    wait_until(lambda: log.written > 100)
    postgres.stop(mode)
    wait_until(lambda: log.spooled > 100)
    assert log.feedback(put[0].id, "negative")  # cannot be looked up, so it is taken
    assert not log.summary(1).complete
    assert log.recent(5)
    assert log.lag_seconds() > 0
    time.sleep(2)
    waiting = log.depth()
    assert waiting > 500
    postgres.start()
    wait_until(lambda: log.depth() < waiting / 2)
    done.set()
    thread.join()
    wait_until(lambda: log.depth() == 0)
    assert sorted(ids_in(postgres_url)) == sorted(each.id for each in put)
    assert feedback_in(postgres_url) == [(put[0].id, "negative")]
    assert (log.dropped, log.quarantined) == (0, 0)
    assert slowest < 1
    ours = [each.getMessage() for each in caplog.records if each.name == "sentiment.store.log"]
    assert len(ours) == 2, ours


def test_a_log_starts_and_closes_without_its_database(
    postgres: PostgresServer, postgres_url: str, start_log: StartLog
) -> None:
    postgres.stop()
    log = start_log(postgres_url)
    first, second = record(), record()
    log.put(first)
    log.put(second)
    start = time.monotonic()
    log.close()
    assert time.monotonic() - start < 5
    assert log.dropped == 0
    postgres.start()
    following = start_log(postgres_url)
    wait_until(lambda: following.written == 2)
    assert sorted(ids_in(postgres_url)) == sorted([first.id, second.id])


def test_a_killed_process_loses_its_last_moments_at_most(
    postgres: PostgresServer, postgres_url: str, start_log: StartLog, tmp_path: Path
) -> None:
    postgres.stop()
    worker = start_worker(postgres_url, tmp_path / "spool", rows=100_000, pause=0.001)
    assert worker.stdout is not None
    lines = [worker.stdout.readline() for _ in range(1_000)]
    worker.send_signal(signal.SIGKILL)
    killed = time.time()
    lines += worker.stdout.readlines()
    worker.wait()
    put = {name: float(when) for name, when in (line.split() for line in lines if line.endswith("\n"))}

    log = start_log(postgres_url)
    wait_until(lambda: log.depth() > 0)
    assert log.lag_seconds() > 0.5
    assert log.feedback(next(iter(put)), "negative")
    postgres.start()
    wait_until(lambda: log.depth() == 0)
    written = ids_in(postgres_url)
    lost = put.keys() - set(written)
    assert len(written) == len(set(written))
    assert all(put[name] > killed - 0.5 for name in lost), f"{len(lost)} lost"
    assert feedback_in(postgres_url) == [(next(iter(put)), "negative")]


def test_without_a_spool_rows_go_straight_to_the_database(
    database_url: str, start_log: StartLog, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    log = start_log(database_url)
    put = [record() for _ in range(1_000)]
    for each in put:
        log.put(each)
    wait_until(lambda: log.depth() == 0)
    assert sorted(ids_in(database_url)) == sorted(each.id for each in put)
    assert log.dropped == 0


def test_without_spool_and_database_the_queue_is_kept_and_the_rest_counted(
    postgres: PostgresServer, postgres_url: str, start_log: StartLog, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    postgres.stop()
    log = start_log(postgres_url, queue_size=300)
    put = [record() for _ in range(1_000)]
    for each in put:
        log.put(each)
    assert log.depth() == 300
    assert log.dropped == 700
    postgres.start()
    wait_until(lambda: log.depth() == 0)
    assert sorted(ids_in(postgres_url)) == sorted(each.id for each in put[:300])
    (tmp_path / "spool").unlink()

    def goes_through_the_spool_again() -> bool:
        log.put(record())  # the first may still be taken straight from memory
        return any((tmp_path / "spool").rglob("*.jsonl"))

    wait_until(goes_through_the_spool_again)
    wait_until(lambda: log.depth() == 0)
    assert log.dropped == 700


def test_writes_that_the_disk_cuts_off_lose_and_double_nothing(
    postgres: PostgresServer, postgres_url: str, start_log: StartLog, tmp_path: Path
) -> None:
    """A limit on the size of files stands for the full disk: a write stops in the middle of a line."""
    postgres.stop()
    worker = start_worker(postgres_url, tmp_path / "spool", rows=1_000, pause=0.002, file_bytes=200_000)
    *put, dropped = worker.communicate(timeout=60)[0].splitlines()
    assert len(list(tmp_path.rglob("*.jsonl"))) >= 4
    postgres.start()
    log = start_log(postgres_url)
    wait_until(lambda: log.written > 0 and log.depth() == 0)
    assert sorted(ids_in(postgres_url)) == sorted(line.split()[0] for line in put)
    assert dropped == "dropped 0"
    assert log.quarantined == 0


def test_a_spool_that_is_deleted_is_made_again_and_its_rows_are_counted(
    postgres: PostgresServer, postgres_url: str, start_log: StartLog, tmp_path: Path
) -> None:
    postgres.stop()
    log = start_log(postgres_url)
    lost, kept = record(), record()
    log.put(lost)
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.rglob("*.jsonl")))
    for path in tmp_path.rglob("*.jsonl"):
        path.unlink()
    postgres.start()
    wait_until(lambda: log.dropped == 1)
    log.put(kept)
    wait_until(lambda: log.written == 1)
    assert ids_in(postgres_url) == [kept.id]
    assert (log.depth(), log.lag_seconds()) == (0, 0.0)


def test_what_is_quarantined_is_one_line_a_row(start_log: StartLog, database_url: str, tmp_path: Path) -> None:
    log = start_log(database_url)
    log.put(record(label=None, text="메일은 kim@example.com"))
    wait_until(lambda: log.quarantined == 1)
    (line,) = (tmp_path / "spool" / "quarantine.log").read_text().splitlines()
    assert json.loads(line)["text"] == "메일은 [EMAIL]"
