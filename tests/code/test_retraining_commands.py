"""python run.py retrain status | history | pause | resume"""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from cli.main import commands
from sentiment.store.database import default_database_url
from sentiment.store.journal import Entry, journal_of


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def call(*arguments: str) -> list[str]:
    result = CliRunner().invoke(commands, ["retrain", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_before_anything_was_decided() -> None:
    assert call("status") == ["Retraining of sentiment is not paused.", "Nothing was decided yet."]
    assert call("history") == ["Nothing was decided yet."]


def test_pause_and_resume_are_kept_with_their_reasons() -> None:
    said, next_command = call("pause", "--reason", "labels under review")
    assert "is paused by" in said
    assert "resume --reason" in next_command
    assert "labels under review" in call("status")[0]
    assert "other is not paused" in call("--model", "other", "status")[0]
    call("resume", "--reason", "reviewed")
    assert "is not paused" in call("status")[0]
    newest, oldest = call("history")
    assert "resumed by" in newest
    assert newest.endswith(": reviewed")
    assert "paused by" in oldest
    assert oldest.endswith(": labels under review")


def test_a_pause_needs_a_reason() -> None:
    result = CliRunner().invoke(commands, ["retrain", "pause"])
    assert result.exit_code == 2
    assert "--reason" in result.output


def test_the_history_is_newest_first_and_as_long_as_asked_for() -> None:
    with journal_of(default_database_url(), "sentiment") as journal:
        for day in (1, 2, 3):
            time = datetime(2026, 1, day, tzinfo=UTC)
            journal.record(Entry("decision", f"No retraining on day {day}.", "4", time=time))
        journal.record(Entry("alert", "Nothing to do with it."))
    assert [" ".join(line.split()) for line in call("history", "--limit", "2")] == [
        f"2026-01-0{day} 00:00:00 decision version 4 No retraining on day {day}." for day in (3, 2)
    ]
