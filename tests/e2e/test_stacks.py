"""Stack files made real in a ZenML of their own, with MLflow on SQLite."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from zenml import pipeline, step
from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration
from zenml.enums import StackComponentType

from sentiment.config.load import expand
from sentiment.config.stack import StackConfig
from sentiment.errors import ConfigError, StackError
from sentiment.home import PROJECT
from sentiment.lifecycle.lifecycle import Lifecycle
from sentiment.models.folder import write_manifest
from sentiment.registry import Registry
from stacks.catalogue import load_stack
from stacks.doctor import diagnose, require_healthy
from stacks.ensure import ensure_stack, use_stack
from stacks.model_control_plane import mirror

SEEN: dict[str, str] = {}


@step(experiment_tracker="laptop-mlflow", enable_cache=False)
def tracked() -> None:
    SEEN["artifact_uri"] = mlflow.get_artifact_uri()


@step(enable_cache=False)
def untracked() -> None:
    SEEN["tracking_uri"] = os.environ["MLFLOW_TRACKING_URI"]


@pipeline(enable_cache=False)
def two_steps() -> None:
    tracked()
    untracked()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a ZenML that nobody used before."""
    root = tmp_path_factory.mktemp("stacks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZENML_CONFIG_PATH", str(root / "zenml"))
        patch.delenv("ZENML_ACTIVE_STACK_ID", raising=False)
        _forget_zenml()
        yield root
    _forget_zenml()


@pytest.fixture
def zenml(store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, with the module's SENTIMENT_HOME and an empty working directory in it."""
    monkeypatch.setenv("SENTIMENT_HOME", str(store / "home"))
    (store / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(store / "work")
    return store


def _forget_zenml() -> None:
    GlobalConfiguration._reset_instance()
    Client._reset_instance()


def _state() -> dict[str, object]:
    stack = Client().get_stack("laptop")
    components = {
        kind.value: (items[0].id, items[0].updated, items[0].configuration) for kind, items in stack.components.items()
    }
    return {"id": stack.id, "updated": stack.updated, **components}


@pytest.mark.usefixtures("zenml")
def test_a_second_ensure_changes_nothing() -> None:
    first = ensure_stack(load_stack("laptop"))
    state = _state()

    assert ensure_stack(load_stack("laptop")) == first
    assert _state() == state
    assert set(state) == {"id", "updated", "orchestrator", "artifact_store", "experiment_tracker", "model_deployer"}


@pytest.mark.usefixtures("zenml")
def test_a_changed_value_updates_the_component_and_a_removed_one_goes(tmp_path: Path) -> None:
    ensure_stack(load_stack("laptop"))
    before = _state()
    text = (PROJECT / "configs/stacks/laptop.yaml").read_text(encoding="utf-8")
    (tmp_path / "laptop.yaml").write_text(text.replace("experiment_name: sentiment", "tags: {team: a}"))
    ensure_stack(load_stack("laptop", tmp_path))
    after = _state()

    assert after["experiment_tracker"][0] == before["experiment_tracker"][0]
    assert after["experiment_tracker"][2].keys() == {"tracking_uri", "tags"}
    assert after["orchestrator"] == before["orchestrator"]
    ensure_stack(load_stack("laptop"))
    assert _state()["experiment_tracker"][2] == before["experiment_tracker"][2]


@pytest.mark.usefixtures("zenml")
def test_the_alerter_comes_and_goes_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_WEBHOOK_URL", "http://127.0.0.1:9/T0/secret")
    ensure_stack(load_stack("laptop"))
    alerter = Client().get_stack("laptop").components[StackComponentType.ALERTER][0]
    assert alerter.flavor_name == "webhook"
    assert "secret" not in json.dumps(alerter.configuration)

    monkeypatch.delenv("SENTIMENT_WEBHOOK_URL")
    ensure_stack(load_stack("laptop"))
    assert StackComponentType.ALERTER not in Client().get_stack("laptop").components


def test_a_run_uses_the_stack_and_leaves_the_users_active_one(zenml: Path) -> None:
    active = Client().active_stack_model.name
    with use_stack(load_stack("laptop")) as stack_id:
        assert str(Client().active_stack_model.id) == stack_id
        two_steps()
    assert Client().active_stack_model.name == active
    assert "ZENML_ACTIVE_STACK_ID" not in os.environ
    assert SEEN["artifact_uri"].startswith(str(zenml / "home" / "mlflow-artifacts"))
    assert SEEN["tracking_uri"] == load_stack("laptop").tracking_uri
    assert list((zenml / "work").iterdir()) == []


@pytest.mark.usefixtures("zenml")
def test_a_component_that_zenml_does_not_accept_is_one_error() -> None:
    tracker = {"flavor": "mlflow", "configuration": {"tracking_url": "sqlite:///x"}}
    config = StackConfig.model_validate(
        {"name": "wrong", "description": "", "components": {"experiment_tracker": tracker}}
    )
    with pytest.raises(ConfigError, match="tracking_url"):
        ensure_stack(config)
    with pytest.raises(StackError, match=r"no setting 'tracking_url'(?s:.*)Did you mean 'tracking_uri'"):
        require_healthy(diagnose(config))


def test_the_control_plane_mirrors_the_registry(zenml: Path, tmp_path: Path) -> None:
    registry = Registry(f"sqlite:///{zenml / 'home' / 'mlflow.db'}", "mirrored")
    lifecycle = Lifecycle(registry, f"sqlite:///{tmp_path}/predictions.db")
    for number in (1, 2, 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "classifier.json").write_text(json.dumps({"kind": "linear", "labels": ["a", "b"], "number": number}))
        digest = write_manifest(folder)
        metrics = {"macro_f1": number / 10}
        given = {"digest": digest, "dataset_digest": "d", "metrics": metrics, "card": "", "actor": "ci"}
        lifecycle.register(folder, gate="approved", **given)
        if number < 3:
            lifecycle.promote(number, "better", actor="ci")
    mirror(registry)
    assert _stages() == {"v1": "archived", "v2": "production", "v3": "staging"}
    version = Client().get_model_version("mirrored", "v2")
    assert version.run_metadata["macro_f1"] == 0.2
    assert version.run_metadata["mlflow_version"] == 2

    lifecycle.promote(3, "better", actor="ci")
    lifecycle.roll_back("worse", actor="ci")
    mirror(registry)
    assert _stages() == {"v1": "archived", "v2": "production", "v3": "archived"}
    before = Client().get_model_version("mirrored", "v3").updated
    mirror(registry)
    assert Client().get_model_version("mirrored", "v3").updated == before


@step(enable_cache=False)
def reads_its_environment() -> None:
    SEEN.update({name: os.environ[name] for name in ("REGION", "SENTIMENT_DATABASE_URL") if name in os.environ})


@pipeline(enable_cache=False)
def one_step() -> None:
    reads_its_environment()


def _with_secrets(**keys: object) -> StackConfig:
    tracker = {
        "tracking_uri": "sqlite:///${SENTIMENT_HOME}/mlflow.db",
        "tracking_username": "{{tracker.user}}",
        "tracking_password": "{{tracker.password}}",
    }
    components = {
        "orchestrator": {"flavor": "local", "name": "default"},
        "artifact_store": {"flavor": "local", "name": "default"},
        "experiment_tracker": {"flavor": "mlflow", "configuration": tracker},
    }
    raw = {
        "name": "secretive",
        "description": "",
        "components": components,
        "secrets": {"tracker": {"user": "TRACKER_USER", "password": "TRACKER_PASSWORD", "token": "TRACKER_TOKEN?"}},
        "environment": {"REGION": "eu"},
        "secret_environment": ["SENTIMENT_DATABASE_URL", "ABSENT?"],
        **keys,
    }
    return StackConfig.model_validate(expand(raw))


@pytest.fixture
def secrets_set(zenml: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TRACKER_USER", "TRACKER_PASSWORD", "SENTIMENT_DATABASE_URL"):
        monkeypatch.setenv(name, f"secret-{name}")
    return zenml


@pytest.mark.usefixtures("secrets_set")
def test_secrets_reach_steps_and_stand_in_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    config = _with_secrets()
    require_healthy(diagnose(config))
    with use_stack(config):
        monkeypatch.delenv("SENTIMENT_DATABASE_URL")  # as on another machine
        one_step()
        assert "SENTIMENT_DATABASE_URL" not in os.environ
    assert {name: SEEN[name] for name in ("REGION", "SENTIMENT_DATABASE_URL")} == {
        "REGION": "eu",
        "SENTIMENT_DATABASE_URL": "secret-SENTIMENT_DATABASE_URL",
    }
    made = Client().get_stack("secretive")
    run = Client().list_pipeline_runs(size=1, hydrate=True).items[0]
    stored = [
        *((each.configuration, each.environment) for items in made.components.values() for each in items),
        made.environment,
        run.config.model_dump(mode="json"),
        run.steps["reads_its_environment"].config.model_dump(mode="json"),
    ]
    assert "{{tracker.password}}" in json.dumps(stored)
    assert "secret-" not in json.dumps(stored)
    assert Client().get_secret("tracker").secret_values == {
        "user": "secret-TRACKER_USER",
        "password": "secret-TRACKER_PASSWORD",
    }


@pytest.mark.usefixtures("secrets_set")
def test_secrets_follow_the_environment_and_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_stack(_with_secrets())
    before = Client().get_secret("tracker").updated
    ensure_stack(_with_secrets())
    assert Client().get_secret("tracker").updated == before

    monkeypatch.setenv("TRACKER_PASSWORD", "rotated")
    monkeypatch.setenv("TRACKER_TOKEN", "new")
    ensure_stack(_with_secrets())
    assert Client().get_secret("tracker").secret_values["password"] == "rotated"
    monkeypatch.delenv("TRACKER_TOKEN")
    ensure_stack(_with_secrets(environment={"ZONE": "a"}, secret_environment=[]))
    assert Client().get_secret("tracker").secret_values.keys() == {"user", "password"}
    made = Client().get_stack("secretive")
    assert (made.environment, made.secrets) == ({"ZONE": "a"}, [])


@pytest.mark.usefixtures("secrets_set")
def test_a_missing_variable_or_secret_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StackError, match="refers to the secret 'elsewhere', which ZenML does not have"):
        ensure_stack(
            _with_secrets(
                components={
                    "artifact_store": {"flavor": "local", "name": "default"},
                    "experiment_tracker": {"flavor": "mlflow", "configuration": {"tracking_token": "{{elsewhere.t}}"}},
                }
            )
        )
    monkeypatch.delenv("TRACKER_PASSWORD")
    with pytest.raises(ConfigError, match="needs the environment variable TRACKER_PASSWORD, which is not set"):
        ensure_stack(_with_secrets())


def _stages() -> dict[str, str | None]:
    model = Client().get_model("mirrored")
    return {version.name: version.stage for version in Client().list_model_versions(model=model.id).items}


def test_two_first_runs_at_once_both_succeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENML_CONFIG_PATH", str(tmp_path / "zenml"))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    code = "from stacks.catalogue import *; from stacks.ensure import *; print(ensure_stack(load_stack('laptop')))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], [error[-2000:] for _, error in outputs]
    ids = {output.strip().splitlines()[-1] for output, _ in outputs}
    assert len(ids) == 1
