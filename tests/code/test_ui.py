"""`run.py ui`: the start page, its ways to ZenML and MLflow, and the servers that end with it."""

import socket
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil
import pytest
from starlette.testclient import TestClient

from cli import ui
from sentiment.errors import ConfigError, StackError
from sentiment.pages.start import Endpoint, Model, Run, start_page
from sentiment.registry import Registry
from sentiment.registry.records import Gate, ModelVersion, Status, new_change
from stacks import companions
from stacks.companions import PORT, Companion, mlflow_pages

NOW = datetime(2026, 11, 29, 9, 30, tzinfo=UTC)


def version(number: int, status: Status, gate: Gate | None) -> ModelVersion:
    return ModelVersion(
        version=number,
        status=status,
        aliases=(),
        kind="linear",
        gate=gate,
        metrics={"macro_f1": 0.8187},
        digest="d",
        dataset_digest="d",
        source="",
        run_id="r",
        created_at=NOW,
        reason="good <b>enough</b>, says kim@example.com",
        tags={},
    )


def model(forced: bool = False) -> Model:
    change = new_change("reviews", "promoted", 2, actor="kim", reason="I want it", forced=forced)
    return Model("reviews", [version(1, "archived", "approved"), version(2, "champion", "refused")], [change])


def test_it_shows_champion_gate_versions_endpoints_and_runs_in_both_languages() -> None:
    run = Run("run-1", "train", "failed", NOW, 12.4, "my.csv: no column 'text', ask 010-1234-5678")
    page = start_page([run], [model()], [Endpoint("reviews", "2", "http://127.0.0.1:3000", "process 4")])
    for shown in (
        "Champion: version 2",
        "챔피언: 버전 2",
        'href="report/reviews/1"',
        "0.8187",
        'href="http://127.0.0.1:3000/monitor"',
        'href="zenml?run=run-1"',
        "2026-11-29 09:30",
        "12 s",
        "no column &#x27;text&#x27;",
        'href="mlflow"',
        "1 champion, 1 endpoint serving.",
        "서비스 중인 엔드포인트 1개",
    ):
        assert shown in page, shown
    for hidden in ("kim@example.com", "010-1234-5678", "<b>enough</b>", "promoted by force"):
        assert hidden not in page, hidden


def test_a_forced_promotion_is_shown_as_forced() -> None:
    assert "promoted by force" in start_page([], [model(forced=True)], [])


def test_with_nothing_it_says_how_to_begin() -> None:
    page = start_page([], [], [])
    for shown in ("No champion yet: python run.py train", "None is deployed", "Nothing ran yet."):
        assert shown in page


class Asked(Companion):
    """One whose address is known without a process; counts how often it was asked."""

    asked = 0

    def url(self) -> str:
        self.asked += 1
        return f"http://127.0.0.1:9/{self.name}"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(ui, "_shown", lambda uri: ([], [model()], []))

    def page(self: Registry, number: int) -> str:
        if number != 1:
            raise ConfigError(f"{self.model_name} has no version {number}.", "Existing versions: 1.")
        return "the report"

    monkeypatch.setattr(Registry, "page", page)
    zenml, mlflow = Asked("zenml"), Asked("mlflow")
    made: Any = TestClient(
        ui.application("sqlite:////nowhere/mlflow.db", zenml, mlflow),
        base_url="http://127.0.0.1:8300",
        follow_redirects=False,
    )
    made.zenml, made.mlflow = zenml, mlflow
    return made  # type: ignore[no-any-return]


def test_zenml_and_mlflow_are_asked_for_when_their_links_are_followed(client: Any) -> None:
    assert "reviews" in client.get("/").text
    assert (client.zenml.asked, client.mlflow.asked) == (0, 0)
    assert client.get("/mlflow").headers["location"] == "http://127.0.0.1:9/mlflow/#/models"
    assert client.mlflow.asked == 1


def test_a_report_is_shown_and_one_that_is_not_there_is_a_sentence(client: Any) -> None:
    assert client.get("/report/reviews/1").text == "the report"
    missing = client.get("/report/reviews/7")
    assert missing.status_code == 404
    assert "reviews has no version 7." in missing.text
    assert "default-src" in missing.headers["content-security-policy"]


def test_another_name_for_this_machine_is_refused(client: Any) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_a_companion_starts_when_asked_and_ends_with_its_workers() -> None:
    companion = Companion("files", ("-m", "http.server", PORT, "--bind", "127.0.0.1"), health="/")
    companion.end()  # not started: nothing to do
    url = companion.url()
    assert companion.url() == url
    assert httpx.get(url).status_code == 200
    process = psutil.Process(companion._process.pid if companion._process else 0)
    companion.end()
    assert not process.is_running()
    assert companion.url() != url  # it is started again
    companion.end()


def test_a_companion_that_does_not_start_is_told_with_its_log() -> None:
    companion = Companion("broken", ("-c", "raise SystemExit('no port for kim')"))
    with pytest.raises(StackError, match=r"broken did not start\.\n  fix: See its log: less .*ui-broken\.log"):
        companion.url()
    assert "no port" in companion.log.read_text(encoding="utf-8")


def test_a_server_that_is_there_is_used_and_left_alone() -> None:
    assert mlflow_pages("http://mlflow.example:5000/").url() == "http://mlflow.example:5000"
    mlflow_pages("http://mlflow.example:5000/").end()
    assert "--backend-store-uri" in mlflow_pages("sqlite:////a/mlflow.db")._command


def test_the_usual_port_gives_way_and_one_that_was_asked_for_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"Port {taken} of 127\.0\.0\.1 is in use"), ui._listening(taken):
            pass
        monkeypatch.setattr(ui, "PORT", taken)
        with ui._listening(None) as listener:
            assert listener.getsockname()[1] != taken


def test_waiting_for_a_companion_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions, "SECONDS_TO_START", 0.5)
    started = time.monotonic()
    with pytest.raises(StackError):
        Companion("slow", ("-c", "import time; time.sleep(60)")).url()
    assert time.monotonic() - started < 10
