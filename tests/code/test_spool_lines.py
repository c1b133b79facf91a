"""No line of a spool, no thread that ends and no database that takes nothing stops the prediction log."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sentiment.store import PredictionLog, PredictionRecord
from sentiment.store import log as log_module
from sentiment.store.database import StoreError, make_engine
from sentiment.store.records import FeedbackRecord, from_line, to_line
from sentiment.store.tables import predictions

NOW = datetime.now(UTC)


def record(name: str) -> PredictionRecord:
    return PredictionRecord(name, NOW, "sentiment", "1", "좋아요", "positive", 0.9, {"positive": 0.9}, 1.5)


GOOD = json.loads(to_line(record("f00")))
ANSWER = json.loads(to_line(FeedbackRecord("ab", "f00", NOW, "sentiment", "positive", "api")))
# One value of another kind each: what a program of another version, a bit that fell over or an editor may leave.
VALUES: list[Any] = [None, True, 0, -1, 1.5, 10**400, "", "x", "\0", [], [[]], {}, {"a": {}}, {"": None}, ["x"] * 9]
RAW = [
    b"",
    b" ",
    b"\0" * 64,
    b"\xff\xfe\x00",
    "좋아요".encode("cp949"),
    b"null",
    b"true",
    b"7",
    b'"text"',
    b"[]",
    b"{}",
    b"{",
    b"}" * 100,
    b"NaN",
    b"9" * 10_000,
    b"[" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"id": "a", "id": "b"}',
    b'{"id": "\\ud800"}',
    b"\x1f\x8b\x08\x00",
    b'{"prediction_id": 1}',
    b"-" * (1 << 20),
]


def bad_lines() -> Iterator[bytes]:
    whole = to_line(record("f00")).rstrip()
    yield from RAW
    yield from (whole[:cut] for cut in range(1, len(whole), 7))
    yield from (whole[:cut] + b"\xff" + whole[cut:] for cut in range(0, len(whole), 11))
    yield from (b"x" + whole, whole + b"x", whole + whole, whole.replace(b'"', b"'"), b"\xef\xbb\xbf" + whole)
    for row in (GOOD, ANSWER):
        for name in row:
            yield json.dumps({key: value for key, value in row.items() if key != name}).encode()
            for value in VALUES:
                yield json.dumps({**row, name: value}).encode()
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00", "now", "1e99"):
        yield json.dumps({**GOOD, "time": moment}).encode()
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "1" * 500):
        yield json.dumps({**GOOD, "confidence": 0.25}).replace("0.25", number).encode()
        yield json.dumps({**GOOD, "probabilities": {"positive": 0.25}}).replace("0.25", number).encode()
    yield json.dumps({**GOOD, "probabilities": {"x" * 100: 0.5, "\ud800": 0.5}}).encode()


LINES = list(bad_lines())


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_line_gives_an_event_or_a_value_error(line: bytes) -> None:
    try:
        event = from_line(line, "sentiment")
    except ValueError:
        return
    assert event.time.tzinfo
    to_line(event)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[PredictionLog]:
    made = PredictionLog(f"sqlite:///{tmp_path}/predictions.db", tmp_path / "spool", "sentiment")
    with closing(made):
        yield made


def ids_in(folder: Path) -> set[str]:
    engine = make_engine(f"sqlite:///{folder}/predictions.db")
    with engine.connect() as connection:
        found = set(connection.scalars(select(predictions.c.id)))
    engine.dispose()
    return found


def test_good_lines_between_bad_ones_are_all_written_and_the_bad_ones_kept(log: PredictionLog, tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "000"
    folder.mkdir(parents=True)
    bad = [line.replace(b"\n", b" ") for line in LINES]
    mixed = [part for number, line in enumerate(bad) for part in (line, to_line(record(f"c{number:x}")).rstrip())]
    (folder / f"{1:020d}.jsonl").write_bytes(b"\n".join(mixed) + b"\n" + to_line(record("cut"))[:-9])
    (folder / "notes.jsonl").write_text("not a file of the spool")
    (folder / f"{2:020d}.jsonl").mkdir()
    log.start()
    log.put(record("abc"))
    wait_until(lambda: log.depth() == 0 and log.written > len(bad))
    assert {f"c{number:x}" for number in range(len(bad))} | {"abc"} <= ids_in(tmp_path)
    kept = (tmp_path / "spool" / "quarantine.log").read_bytes()
    assert kept.count(b"\n") == log.quarantined > 100
    assert log.dropped == 0


@pytest.mark.parametrize("loop", ["_spool_queue", "_write_spool"])
def test_a_thread_that_ends_says_so_and_is_started_again(
    loop: str, log: PredictionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = getattr(log, loop)
    failures = iter([MemoryError("a fault that nobody thought of")])

    def faulty() -> object:
        for failure in failures:
            raise failure
        return whole()

    monkeypatch.setattr(log, loop, faulty)
    log.start()
    log.put(record("abc"))
    wait_until(lambda: log.written == 1)
    assert ids_in(tmp_path) == {"abc"}
    assert "ended and is started again" in caplog.text


def said_while(fails: Callable[[], bool], caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    wait_until(fails)
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_database_that_answers_and_takes_nothing_is_said_once_and_asked_less_and_less(
    log: PredictionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[float] = []
    insert = log._database.insert

    def refuse(events: Any) -> Any:
        asked.append(time.monotonic())
        raise StoreError(OSError("attempt to write a readonly database"))

    monkeypatch.setattr(log._database, "insert", refuse)
    log.start()
    log.put(record("abc"))
    (said,) = said_while(lambda: len(asked) >= 4, caplog)
    assert "out of reach" in said
    waits = [later - sooner for sooner, later in pairwise(asked)]
    assert waits == sorted(waits)
    assert waits[-1] > 1
    monkeypatch.setattr(log._database, "insert", insert)
    wait_until(lambda: log.written == 1)
    wait_until(lambda: "is back" in caplog.text)
    assert ids_in(tmp_path) == {"abc"}


def test_a_full_disk_is_said_once_and_rows_go_to_the_database(
    log: PredictionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def full(lines: object) -> None:
        nonlocal tries
        tries += 1
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log._spool, "append", full)
    log.start()
    for number in range(100):
        log.put(record(f"{number:x}"))
        time.sleep(0.01)
    wait_until(lambda: log.written == 100)
    assert len(ids_in(tmp_path)) == 100
    assert tries < 10
    assert caplog.text.count("cannot write its spool") == 1
    assert log_module.WARNING_SECONDS >= 60
