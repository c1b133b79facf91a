"""Alerts: what arrives, what is not repeated, and that nothing dead or slow fails or holds up a run."""

import re
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import yaml
from click.testing import CliRunner

from cli.main import commands
from sentiment.config.stack import StackConfig
from sentiment.errors import StackError
from sentiment.home import PROJECT
from sentiment.messages import LANGUAGE_VARIABLE, LANGUAGES, Message, say
from sentiment.store.database import default_database_url
from sentiment.store.journal import Entry, Journal, journal_of
from stacks import alerts
from stacks.alerts import failures_alerted, send_alert
from stacks.webhook_alerter import WebhookAlerter, WebhookAlerterConfig
from tests.code.webhook_receiver import Receiver, receiving

SETTINGS = {"url_variable": "TEST_HOOK", "backoff_seconds": 0.01, "timeout_seconds": 2}
DRIFT = "3 of 9 checks are over their thresholds, length by 0.41 (threshold 0.10)."


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("TEST_HOOK", receiver.url)
        yield receiver


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("TEST_HOOK", f"http://{address}/T0/secret")
        yield address


def stack(**settings: Any) -> StackConfig:
    alerter = {"flavor": "webhook", "when": "TEST_HOOK", "configuration": {**SETTINGS, **settings}}
    return StackConfig.model_validate({"name": "test", "description": "", "components": {"alerter": alerter}})


def send(kind: alerts.AlertKind = "drift", message: str = DRIFT, version: str | None = "3", **settings: Any) -> str:
    return send_alert(kind, message, model_name="reviews", model_version=version, stack=stack(**settings))


def journal() -> list[Entry]:
    journal = Journal(default_database_url(), "reviews")
    entries = journal.entries(["alert"])
    journal.close()
    return entries


def test_an_alert_says_what_happened_and_what_to_do_and_is_kept(receiver: Receiver) -> None:
    assert send() == "delivered"
    (message,) = receiver.messages
    assert message.splitlines() == [
        "reviews version 3: the traffic has drifted",
        DRIFT,
        "What to do: Read the drift report of the run, then train on newer reviews: "
        "python run.py retrain --set model_name=reviews",
    ]
    (entry,) = journal()
    assert entry.model_version == "3"
    assert entry.summary == f"The traffic has drifted: {DRIFT}"
    assert entry.detail == {"alert_kind": "drift", "message": DRIFT, "outcome": "delivered"}


def test_personal_data_and_the_chats_own_commands_stay_out(receiver: Receiver) -> None:
    send(message="<!channel> hong@example.com wrote 010-1234-5678.")
    assert "&lt;!channel&gt; [EMAIL] wrote [PHONE]." in receiver.messages[0]
    assert journal()[0].detail["message"] == "<!channel> [EMAIL] wrote [PHONE]."


def test_the_same_alert_is_not_repeated_and_news_is(receiver: Receiver) -> None:
    assert send() == "delivered"
    assert send(message=DRIFT.replace("0.41", "0.43")) == "suppressed"
    assert send("quality_drop") == "delivered"
    assert send(version="4") == "delivered"
    assert send(message="The labels have drifted.") == "delivered"
    assert len(receiver.messages) == 4
    assert [each.detail["outcome"] for each in journal()].count("suppressed") == 1


def test_other_new_words_are_no_news(receiver: Receiver) -> None:
    def drift(*words: str) -> str:
        found = Message(code="moved.words", values={"words": words})
        values = {"drifted": 1, "tests": 19, "rows": 1000, "findings": (found,)}
        return say(Message(code="drift.found", values=values))

    assert [send(message=drift("환불", "주문번호")), send(message=drift("환불"))] == ["delivered", "suppressed"]


def test_an_hour_later_it_is_sent_again(receiver: Receiver) -> None:
    detail = {"alert_kind": "drift", "message": DRIFT, "outcome": "delivered"}
    earlier = Journal(default_database_url(), "reviews")
    earlier.record(Entry("alert", "", "3", detail, time=datetime.now(UTC) - timedelta(minutes=61)))
    earlier.close()
    assert send() == "delivered"
    assert send() == "suppressed"
    assert send(quiet_seconds=0) == "delivered"


def test_one_kind_cannot_flood_however_it_is_worded(receiver: Receiver) -> None:
    words = ["one", "two", "three", "four"]
    assert [send(message=word, most_per_kind=3) for word in words] == ["delivered"] * 3 + ["suppressed"]
    assert send("failed_run", "one", most_per_kind=3) == "delivered"
    assert len(receiver.messages) == 4


@pytest.mark.parametrize("spoken", LANGUAGES)
@pytest.mark.parametrize("kind", get_args(alerts.AlertKind))
def test_every_command_that_an_alert_names_is_one_for_this_model(
    kind: alerts.AlertKind, spoken: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LANGUAGE_VARIABLE, spoken)
    send(kind)
    assert ("할 일" in receiver.messages[0]) == (spoken == "ko")
    for command in re.findall(r"python run\.py ([^;\n]+)", receiver.messages[0]):
        assert "reviews" in command
        words = [*command.split(), "--help"]
        assert CliRunner().invoke(commands, words).exit_code == 0, command


def test_an_alert_links_to_the_page_of_the_endpoint_that_was_deployed_last(receiver: Receiver) -> None:
    with journal_of(default_database_url(), "reviews") as journal:
        for minute, port in ((1, 3000), (2, 3001)):
            summary = f"reviews version 3 (linear) at http://127.0.0.1:{port}, after version 2"
            journal.record(Entry("deployment", summary, "3", time=datetime(2026, 11, 29, 9, minute, tzinfo=UTC)))
    send()
    assert receiver.messages[0].splitlines()[-1] == "Look: http://127.0.0.1:3001/monitor"


def test_a_run_in_a_terminal_sends_none_and_one_without_does(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(alerts, "sys", SimpleNamespace(stdin=terminal, stdout=terminal))
    assert send() == "watched"
    assert (receiver.messages, journal()) == ([], [])
    told = send_alert("failed_run", "It was killed.", model_name="reviews", stack=stack(), though_watched=True)
    assert told == "delivered"
    for unattended in (None, SimpleNamespace(isatty=lambda: False)):
        monkeypatch.setattr(alerts, "sys", SimpleNamespace(stdin=unattended, stdout=terminal))
        assert not alerts.watched()
    assert send() == "delivered"


def test_a_failed_delivery_is_kept_and_tried_again_by_the_next_run(receiver: Receiver) -> None:
    receiver.statuses = [500]
    assert send() == "failed"
    receiver.statuses = [503, 200]
    assert send() == "delivered"
    assert len(receiver.messages) == 3 + 2
    assert [each.detail["outcome"] for each in journal()] == ["delivered", "failed"]


@pytest.mark.parametrize("status", [400, 302])
def test_a_refusal_and_a_redirect_are_final_and_no_delivery(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    assert send() == "failed"
    assert len(receiver.messages) == 1


def test_a_stack_without_an_alerter_is_no_failure() -> None:
    assert send() == "no_alerter"
    assert journal()[0].detail["outcome"] == "no_alerter"


def test_a_webhook_that_never_answers_holds_up_no_longer_than_said(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "SECONDS_TO_DELIVER", 0.5)
    started = time.monotonic()
    assert send(timeout_seconds=30) == "failed"
    assert time.monotonic() - started < 5
    assert journal()[0].detail["outcome"] == "failed"


def test_without_a_database_it_is_sent_all_the_same(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.db"
    broken.write_text("no database")
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", f"sqlite:///{broken}")
    assert send() == "delivered"
    assert len(receiver.messages) == 1
    assert "The journal does not know" in caplog.text


def test_a_database_that_never_answers_holds_up_no_longer_than_said(
    receiver: Receiver, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_HOOK", receiver.url)
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", f"postgresql://user@{silent}/database")
    monkeypatch.setattr(alerts, "SECONDS_OF_DATABASE", 0.3)
    started = time.monotonic()
    assert send() == "delivered"
    assert time.monotonic() - started < 5


def test_no_log_holds_the_address(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> bool:
        raise ValueError(receiver.url)

    monkeypatch.setattr(WebhookAlerter, "post", broken)
    assert send() == "failed"
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_a_failed_run_is_told_with_its_cause_and_fails_all_the_same(receiver: Receiver) -> None:
    outer = failures_alerted("retrain", stack(), "reviews")
    with pytest.raises(StackError), outer, failures_alerted("monitor", stack(), "reviews"):
        raise StackError("The server 127.0.0.1:5000 does not answer.", "Start it.")
    (message,) = receiver.messages
    assert "The pipeline monitor failed on the stack test. The server 127.0.0.1:5000 does not answer. Start" in message
    assert journal()[0].detail["alert_kind"] == "failed_run"

    with failures_alerted("monitor", stack(), "reviews"):
        pass
    assert len(receiver.messages) == 1


def test_the_longest_wait_of_the_shipped_settings_fits_the_time_to_deliver() -> None:
    config = WebhookAlerterConfig(url_variable="TEST_HOOK")
    waits = sum(config.backoff_seconds * 2**attempt for attempt in range(config.attempts - 1))
    assert config.attempts * config.timeout_seconds + waits <= alerts.SECONDS_TO_DELIVER


def test_the_page_says_the_defaults_and_the_longest_wait() -> None:
    text = (PROJECT / "docs/operations/alerts.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    written = yaml.safe_load(block)["alerter"]["configuration"]
    assert written == WebhookAlerterConfig(url_variable="SENTIMENT_WEBHOOK_URL").model_dump(include=set(written))
    assert written.keys() == WebhookAlerterConfig.model_fields.keys()
    assert f"more than {alerts.LONGEST_SECONDS:.0f} seconds" in " ".join(text.split())
    assert set(get_args(alerts.AlertKind)) == set(re.findall(r"^\| `(\w+)` \|", text, re.M))
