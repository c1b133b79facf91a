"""The parts of the prediction log that need no server: lines, the spool, URLs and migrations."""

import dataclasses
import fcntl
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.errors import ConfigError
from sentiment.store import PredictionLog
from sentiment.store.database import make_engine
from sentiment.store.log import spool
from sentiment.store.log.spool import Spool
from sentiment.store.migrations import upgrade
from sentiment.store.records import FeedbackRecord, PredictionRecord, from_line, storable, to_line

KOREA = timezone(timedelta(hours=9))


def record(**changes: object) -> PredictionRecord:
    values: dict[str, object] = {
        "id": "a1",
        "time": datetime(2026, 11, 20, 18, 0, 0, 123456, tzinfo=KOREA),
        "model_name": "reviews",
        "model_version": "3",
        "text": "배송이 빨라서 좋아요",
        "label": "positive",
        "confidence": 0.95,
        "probabilities": {"negative": 0.05, "positive": 0.95},
        "latency_ms": 3.2,
        "role": "canary",
        "caller": None,
    }
    return PredictionRecord(**{**values, **changes})  # type: ignore[arg-type]


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50))
def test_a_line_gives_back_what_was_written(text: str) -> None:
    answer = FeedbackRecord("f1", "a1", datetime.now(UTC), "reviews", "negative", "page", caller=text)
    assert from_line(to_line(record(text=text)), "other") == record(text=text)
    assert from_line(to_line(answer), "other") == answer
    assert to_line(answer).count(b"\n") == 1


def test_numpy_numbers_are_written_as_numbers() -> None:
    line = to_line(record(confidence=np.float32(0.5), probabilities={"positive": np.float32(0.5)}))
    assert from_line(line, "other") == record(confidence=0.5, probabilities={"positive": 0.5})


@given(text=st.text(st.characters(codec=None), max_size=50))
def test_storable_text_is_utf8_without_nul(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored
    assert stored.encode().decode() == stored
    assert storable(stored) == stored


def test_lines_come_in_order_and_stay_until_discarded(tmp_path: Path) -> None:
    queue = Spool(tmp_path)
    queue.append([b"1\n", b"2\n"])
    assert queue.peek() == queue.peek() == [b"1\n", b"2\n"]
    queue.append([b"3\n"])
    queue.discard()
    assert queue.peek() == [b"3\n"]
    queue.discard()
    assert queue.peek() == []
    queue.close()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".lock"]


def test_files_rotate_and_go_when_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 100)
    monkeypatch.setattr(spool, "PEEK_BYTES", 50)
    queue = Spool(tmp_path)
    expected = [f"line {number:03d}\n".encode() for number in range(200)]
    for line in expected:
        queue.append([line])
    assert len(list(tmp_path.rglob("*.jsonl"))) > 10
    read = []
    while lines := queue.peek():
        read += lines
        queue.discard()
    assert read == expected
    assert [path.stat().st_size for path in tmp_path.rglob("*.jsonl")] == [0]


def test_what_a_crash_left_is_read_first_without_its_torn_end(tmp_path: Path) -> None:
    crashed = Spool(tmp_path)
    crashed.append([b"1\n", b"2\n"])
    (file,) = tmp_path.rglob("*.jsonl")
    with file.open("ab") as stream:
        stream.write(b'{"id": "cut o')
    crashed.close()  # lets go of the lock, as the kernel does

    queue = Spool(tmp_path)
    queue.append([b"3\n"])
    waiting, since = queue.adopted()
    assert waiting == 2
    assert abs(since - file.stat().st_mtime) < 5
    assert queue.peek() == [b"1\n", b"2\n"]
    queue.discard()
    assert queue.peek() == [b"3\n"]
    assert queue.adopted()[0] == 0
    assert not file.exists()


def test_processes_keep_apart_and_the_next_takes_over_all(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.append([b"first\n"])
    second.append([b"second\n"])
    assert first.peek() == [b"first\n"]
    assert second.peek() == [b"second\n"]
    first.close()
    second.close()
    third = Spool(tmp_path)
    assert third.peek() == [b"first\n"]
    third.discard()
    assert third.peek() == [b"second\n"]
    third.discard()
    assert third.peek() == []
    locks = sorted(tmp_path.rglob(".lock"))
    assert [_is_locked(lock) for lock in locks] == [True, False]


def test_a_full_spool_refuses_and_takes_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_BYTES", 10)
    queue = Spool(tmp_path)
    queue.append([b"12345678\n"])
    with pytest.raises(OSError, match="largest size"):
        queue.append([b"9\n"])
    assert queue.peek() == [b"12345678\n"]
    queue.discard()
    queue.append([b"9\n"])
    assert queue.peek() == [b"9\n"]


@pytest.mark.parametrize(
    "url", ["not a url", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "postgresql+asyncpg://host/db"]
)
def test_an_unsupported_database_is_refused_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        PredictionLog(url, tmp_path, "sentiment")


def test_the_password_of_a_refused_url_stays_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        PredictionLog("oracle://scott:tiger@host/db", tmp_path, "sentiment")
    assert "tiger" not in str(refused.value)


def test_keeping_rows_for_no_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="retention"):
        PredictionLog(f"sqlite:///{tmp_path}/log.db", tmp_path, "sentiment", retention_days=0)


def test_a_database_of_a_newer_version_is_used_as_it_is(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/log.db")
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        connection.exec_driver_sql("ALTER TABLE predictions ADD COLUMN novelty TEXT")
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"


def test_records_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        record().label = "negative"  # type: ignore[misc]


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
