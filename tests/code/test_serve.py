"""`run.py serve`: what it says of a server that runs, that does not answer, that was stopped, and of none."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from cli import serve
from cli.main import commands
from sentiment.errors import StackError
from stacks.model_deployer import Running

METRICS = """
# TYPE sentiment_requests counter
sentiment_requests_total{endpoint="/predict",status="200"} 1200.0
sentiment_requests_total{endpoint="/predict_batch",status="200"} 34.0
sentiment_requests_total{endpoint="/predict",status="422"} 2.0
sentiment_requests_total{endpoint="/readyz",status="200"} 99.0
"""


class StandIn:
    """A server that keeps its state here, and a deployer that has it."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(model_name="sentiment", model_version="3")
        self.url = "http://127.0.0.1:3999"
        self.runs = True
        self.kept = 0

    def running(self) -> Running | None:
        return Running("process 41", datetime.now(UTC) - timedelta(hours=2)) if self.runs else None

    def stop(self) -> None:
        self.runs = False

    def restart(self) -> None:
        self.runs = True

    def get_logs(self, follow: bool = False, tail: int | None = None) -> Generator[str, bool, None]:
        yield from ["started", "kim@example.com failed"][-(tail or 9) :]

    def keep_state(self, server: Any) -> None:
        assert server is self
        self.kept += 1


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()

    @contextmanager
    def deployed(model_name: str) -> Iterator[tuple[StandIn, Sequence[StandIn]]]:
        yield stand_in, [stand_in]

    def get(url: str, **_: object) -> httpx.Response:
        if not stand_in.runs:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, text=METRICS if url.endswith("/metrics") else "")

    monkeypatch.setattr(serve, "_deployed", deployed)
    monkeypatch.setattr(serve.httpx, "get", get)
    return stand_in


def call(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["serve", *arguments])


def test_the_status_says_version_address_process_since_health_and_requests(server: StandIn) -> None:
    told = call("status")
    assert told.exit_code == 0, told.output
    assert "sentiment version 3 at http://127.0.0.1:3999\n  runs      process 41, since 20" in told.output
    assert "(2.0 h)" in told.output
    assert "✓ ready, in" in told.output
    assert "1,236 since then, of them 2 with 422" in told.output
    assert "http://127.0.0.1:3999/monitor" in told.output


def test_one_that_does_not_run_is_an_error_whose_fix_starts_it(server: StandIn) -> None:
    server.stop()
    told = call("status")
    assert isinstance(told.exception, StackError)
    assert told.exception.cause == "sentiment does not answer at http://127.0.0.1:3999."
    assert call(*told.exception.fix.partition(" serve ")[2].split()).exit_code == 0
    assert call("status").exit_code == 0


def test_stopping_twice_is_said_and_no_error(server: StandIn) -> None:
    assert "is stopped (process 41 has ended)" in call("stop").output
    again = call("stop")
    assert (again.exit_code, server.kept) == (0, 1)
    assert "sentiment version 3 at http://127.0.0.1:3999 was not running." in again.output


def test_the_log_is_masked_and_as_long_as_asked(server: StandIn) -> None:
    assert call("logs", "-n", "1").output == "[EMAIL] failed\n"
    assert call("logs").output == "started\n[EMAIL] failed\n"
