"""`run.py watch`: intervals, one line a tick, failures that are told and survived, signals."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cli.child import Child
from cli.watch import Watch, _alone
from sentiment.config.watch import interval
from sentiment.errors import ConfigError, SentimentError
from sentiment.home import PROJECT
from sentiment.store.database import default_database_url
from sentiment.store.journal import Entry, Journal
from tests.code.webhook_receiver import Receiver, receiving

# Journal entries as a run leaves them; the program's own arguments end up in its log.
HEALTHY = """
from sentiment.store.database import default_database_url
from sentiment.store.journal import Entry, Journal
journal = Journal(default_database_url(), "reviews")
journal.record(Entry("decision", "No retraining: healthy.", "3"))
journal.record(Entry("monitor", "No drift in 9 checks on 1,000 rows.", "3"))
"""
DRIVER = """
import sys
from datetime import timedelta
from cli.child import Child
from cli.watch import Watch
watch = Watch("laptop", "reviews", {{"monitor": []}}, Child([sys.executable, {program!r}]))
watch.heed_signals()
watch.keep_on(timedelta(seconds={seconds}))
"""
Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A stand-in for run.py with this code: its path."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))

    def written(code: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(code)
        return str(path)

    return written


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("SENTIMENT_WEBHOOK_URL", receiver.url)
        yield receiver


def watching(path: str, *names: str) -> Watch:
    return Watch(
        "laptop", "reviews", {name: ["--act"] for name in names or ("monitor",)}, Child([sys.executable, path])
    )


def alerts() -> list[Entry]:
    journal = Journal(default_database_url(), "reviews")
    entries = journal.entries(["alert"])
    journal.close()
    return entries


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("1h", timedelta(hours=1)),
        ("366d", timedelta(366)),
    ],
)
def test_an_interval_is_a_number_and_a_unit(text: str, span: timedelta) -> None:
    assert interval(text) == span


@pytest.mark.parametrize("text", ["", "1", "h", "0m", "-1h", "1.5h", "1 h", "1w", "367d", "999999999d", "1h30m", "١h"])
def test_anything_else_is_a_clear_error(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"is no interval of at most 366 days\.\n  fix: Write a whole number and s, m, h or d"
    ):
        interval(text)


def test_a_tick_is_one_line_with_the_verdict(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    assert watching(program(HEALTHY)).tick() == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("20")]  # the rest are logs
    assert "✓ No drift in 9 checks on 1,000 rows; No retraining: healthy  " in line


def test_a_run_gets_the_stack_and_its_arguments(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    watching(program("import sys; print(sys.argv[1:], 'hong@example.com')"), "score", "monitor").tick()
    arguments = "['{0}', '--stack', 'laptop', '--act'] [EMAIL]"
    said = [record.getMessage() for record in caplog.records if record.name == "cli.child"]
    assert said == [f"{name}: {arguments.format(name)}" for name in ("score", "monitor")]


def test_a_failed_run_is_told_in_its_own_words_and_sent(
    program: Program, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = "import sys; print('error: The disk is full.'); print('  fix: Free 2 GB.'); sys.exit(4)"
    assert watching(program(failing)).tick() == 4
    assert "✗ monitor failed (exit code 4). The disk is full. Free 2 GB." in capsys.readouterr().out
    assert len(receiver.messages) == 1
    assert "monitor failed (exit code 4). The disk is full. Free 2 GB." in receiver.messages[0]
    assert watching(program(failing)).tick() == 4
    assert len(receiver.messages) == 1


def test_a_failure_that_the_run_itself_has_sent_is_not_sent_twice(program: Program, receiver: Receiver) -> None:
    sent = HEALTHY.replace(
        'Entry("decision", "No retraining: healthy.", "3")', 'Entry("alert", "", None, {"alert_kind": "failed_run"})'
    )
    assert watching(program(sent + "raise SystemExit(1)")).tick() == 1
    assert receiver.messages == []
    assert len(alerts()) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "It was ended by SIGKILL."),
        ("raise ValueError('no such column')", "ValueError: no such column"),
    ],
)
def test_a_run_that_breaks_is_a_failure_like_any_other(
    program: Program, capsys: pytest.CaptureFixture[str], code: str, words: str
) -> None:
    assert watching(program(code)).tick() != 0
    assert words in capsys.readouterr().out
    assert alerts()[0].detail["outcome"] == "no_alerter"


def test_a_refusal_by_the_gate_is_no_failure(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    assert watching(program(HEALTHY + "raise SystemExit(3)")).tick() == 3
    assert "✓" in capsys.readouterr().out
    assert alerts() == []


def test_a_failed_score_does_not_keep_monitor_from_running(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watching(program(HEALTHY + "import sys; sys.exit('score' in sys.argv)"), "score", "monitor").tick() == 1
    line = capsys.readouterr().out
    assert line.index("score failed") < line.index("No drift")


def test_a_journal_out_of_reach_does_not_end_the_watch(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.db").write_text("no database")
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", f"sqlite:///{tmp_path / 'broken.db'}")
    assert watching(program("raise SystemExit(1)")).tick() == 1
    assert watching(program("")).tick() == 0
    failed, done = [line for line in capsys.readouterr().out.splitlines() if line.startswith("20")]
    assert "✗ monitor failed" in failed
    assert "? the journal cannot be read" in done
    assert "✓" not in done


def test_two_watches_of_one_model_do_not_run_at_once() -> None:
    with _alone("reviews"):
        with pytest.raises(SentimentError, match="Another watch of reviews runs"), _alone("reviews"):
            pass
        with _alone("films"):
            pass
    with _alone("reviews"):
        pass


def start(path: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRIVER.format(program=path, seconds=seconds)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_current_run_finish(program: Program, tmp_path: Path, number: signal.Signals) -> None:
    began, ended = tmp_path / "began", tmp_path / "ended"
    touch = "import pathlib, time; pathlib.Path({!r}).touch(); "
    process = start(program(touch.format(str(began)) + "time.sleep(2); " + touch.format(str(ended))), 60)
    _wait_for(began)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert ended.exists()
    assert said.splitlines()[-1] == "Stopped."
    assert "next" not in said


def test_a_second_signal_ends_the_run_too(program: Program, tmp_path: Path) -> None:
    began = tmp_path / "began"
    process = start(program(f"import pathlib, time; pathlib.Path({str(began)!r}).touch(); time.sleep(60)"), 60)
    _wait_for(began)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "It was ended by SIGTERM" in said
    assert alerts() == []


def test_a_run_that_takes_too_long_is_not_overtaken(program: Program, tmp_path: Path) -> None:
    """Also: the first run is at once, a failed one does not end the watch, and each line says when the next is due."""
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x'); import sys, time; time.sleep(1.5); sys.exit('error: no')"
    process = start(program(code), 1)
    deadline = time.monotonic() + 60
    while (not count.exists() or len(count.read_text()) < 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    lines = said.splitlines()
    assert any("left out: the run before still goes on" in line for line in lines)
    ticks = [line for line in lines if "monitor failed (exit code 1). no" in line]
    assert len(ticks) == len(count.read_text()) >= 2
    assert ", next 20" in ticks[0]


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path.exists()
