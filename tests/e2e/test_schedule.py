"""ZenML's own schedules. The orchestrator is ZenML's local one, told to keep schedules: a real one needs a cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from zenml import pipeline, step
from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration
from zenml.orchestrators.local.local_orchestrator import LocalOrchestrator, LocalOrchestratorConfig

from pipelines.common.launching import launching
from pipelines.common.scheduling import require_schedulable, schedule_pipeline
from sentiment.errors import ConfigError, StackError

HOURLY = "0 * * * *"


@step
def never_run_here() -> None:
    raise AssertionError


@pipeline(enable_cache=False)
def score(batch: str) -> None:
    never_run_here()


@pytest.fixture
def zenml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ZENML_CONFIG_PATH", str(tmp_path / "zenml"))
    monkeypatch.delenv("ZENML_ACTIVE_STACK_ID", raising=False)
    monkeypatch.chdir(tmp_path)
    _forget_zenml()
    yield
    _forget_zenml()


def _forget_zenml() -> None:
    GlobalConfiguration._reset_instance()
    Client._reset_instance()


def test_an_orchestrator_without_schedules_is_one_error_that_names_the_other_ways() -> None:
    with pytest.raises(
        StackError, match=r"(?s)orchestrator local .* has no schedules.*watch --every 1h.*schedules\.md"
    ):
        require_schedulable("laptop", HOURLY)


@pytest.mark.parametrize("cron", ["hourly", "0 * * *", "61 * * * *"])
def test_a_cron_expression_that_cannot_be_read_is_told_first(cron: str) -> None:
    with pytest.raises(ConfigError, match="is no cron expression"):
        require_schedulable("laptop", cron)


@pytest.mark.usefixtures("zenml")
def test_a_schedule_takes_the_place_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[Any] = []
    deleted: list[str] = []
    monkeypatch.setattr(LocalOrchestratorConfig, "is_schedulable", property(lambda _: True))
    monkeypatch.setattr(LocalOrchestrator, "run", lambda _, snapshot, **__: submitted.append(snapshot))
    monkeypatch.setattr(LocalOrchestrator, "delete_schedule", lambda _, schedule: deleted.append(schedule.name))
    require_schedulable("laptop", HOURLY)

    with launching("score", "laptop", lambda _: None, model_name="reviews") as launch:
        first = schedule_pipeline(launch, score, HOURLY, "reviews", lambda ready: ready(batch="a"), step_names=[])
        other = schedule_pipeline(launch, score, HOURLY, "reviews-new", lambda ready: ready(batch="a"), step_names=[])
        second = schedule_pipeline(
            launch, score, "30 * * * *", "reviews", lambda ready: ready(batch="a"), step_names=[]
        )

    assert (first.replaced, other.replaced, second.replaced) == ((), (), (first.name,))
    assert deleted == [first.name]
    kept = Client().list_schedules(is_archived=False).items
    assert {each.name: each.cron_expression for each in kept} == {other.name: HOURLY, second.name: "30 * * * *"}
    assert [each.schedule.name for each in submitted] == [first.name, other.name, second.name]
    assert submitted[0].run_name_template == "score-{date}-{time}"
    assert submitted[0].pipeline_configuration.parameters == {"batch": "a"}
