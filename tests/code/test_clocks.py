"""Clocks that run ahead or behind change no order: not that of the journal, not that of the champions."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from sentiment.lifecycle import Lifecycle
from sentiment.registry import Registry, records
from sentiment.retraining.history import current_pause
from sentiment.store.journal import Entry, journal_of
from tests.code.registries import register
from tests.code.test_golden import GOLDEN

YEARS = timedelta(days=3 * 365)
CLOCKS = [timedelta(), YEARS, -YEARS, timedelta(hours=1), timedelta(microseconds=-1)]


@pytest.mark.parametrize("first", CLOCKS)
@pytest.mark.parametrize("second", CLOCKS)
def test_a_pause_and_its_end_hold_in_the_order_they_were_said(
    first: timedelta, second: timedelta, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    with journal_of(f"sqlite:///{tmp_path}/p.db", "sentiment") as journal:
        journal.record(Entry("paused", "paused", time=now + first))
        assert current_pause(journal)
        journal.record(Entry("resumed", "resumed", time=now + second))
        assert current_pause(journal) is None
        journal.record(Entry("paused", "paused again", time=now - YEARS))
        assert current_pause(journal)
        assert [each.summary for each in journal.entries()] == ["paused again", "resumed", "paused"]
        assert len(journal.entries(limit=1)) == 1


def test_an_entry_that_is_written_twice_keeps_its_place(tmp_path: Path) -> None:
    with journal_of(f"sqlite:///{tmp_path}/p.db", "sentiment") as journal:
        pause = journal.record(Entry("paused", "paused"))
        journal.record(Entry("resumed", "resumed"))
        journal.record(pause)
        assert current_pause(journal) is None


def test_entries_of_a_version_before_keep_their_order(tmp_path: Path) -> None:
    file = Path(shutil.copy(GOLDEN / "predictions.db", tmp_path))
    with closing(sqlite3.connect(file)) as before:
        written = [name for (name,) in before.execute("SELECT id FROM events ORDER BY rowid")]
        (name,) = before.execute("SELECT DISTINCT model_name FROM events").fetchone()
    with journal_of(f"sqlite:///{file}", name) as journal:
        assert [each.id for each in journal.entries()] == written[::-1]
        journal.record(Entry("paused", "now", time=datetime(2001, 1, 1, tzinfo=UTC)))
        assert journal.entries(limit=1)[0].summary == "now"


class _Clock(datetime):
    """The clock of the machine that changes the champion."""

    off = timedelta()

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + cls.off


@pytest.mark.parametrize("clocks", [[YEARS, -YEARS, timedelta()], [-YEARS, YEARS, -YEARS], [timedelta()] * 3])
def test_champions_follow_one_another_whatever_the_clocks_say(
    clocks: list[timedelta], empty_database: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db")
    lifecycle = Lifecycle(registry, f"sqlite:///{tmp_path}/journal.db")
    monkeypatch.setattr(records, "datetime", _Clock)
    versions = []
    for number, off in enumerate(clocks):
        monkeypatch.setattr(_Clock, "off", off)
        versions.append(register(lifecycle, tmp_path, f"weights {number}"))
        lifecycle.promote(versions[-1], "better", actor="kim")
    assert registry.champion().version == versions[-1]  # type: ignore[union-attr]
    assert all(sooner.time < later.time for sooner, later in pairwise(registry.history()))
    for off, expected in zip(clocks, versions[-2::-1], strict=False):
        monkeypatch.setattr(_Clock, "off", -off)
        assert lifecycle.roll_back("worse", actor="kim").version == expected
        assert registry.champion().version == expected  # type: ignore[union-attr]
