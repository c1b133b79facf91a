"""Stack files, environment variables in them, and what the doctor finds."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from zenml.enums import StackComponentType
from zenml.utils.secret_utils import is_secret_field, is_secret_reference

from sentiment.config.load import expand
from sentiment.config.stack import Component, StackConfig
from sentiment.errors import ConfigError, StackError
from sentiment.home import PROJECT, home
from stacks.catalogue import STACKS, available_stacks, load_stack, raw_stack, required_variables
from stacks.doctor import diagnose, examine, require_healthy
from stacks.flavors import known_flavors
from stacks.reach import Finding, reach
from stacks.webhook_alerter import WebhookAlerter, WebhookAlerterConfig
from tests.code.webhook_receiver import Receiver, receiving

SETTINGS_PAGE = PROJECT / "docs/stacks/settings.md"


def stack(components: dict[str, object], **keys: object) -> StackConfig:
    return StackConfig.model_validate({"name": "test", "description": "", "components": components, **keys})


def failures(findings: list[Finding]) -> dict[str, str]:
    return {finding.name: finding.detail for finding in findings if not finding.ok}


def test_variables_are_filled_in_at_any_depth() -> None:
    environ = {"BUCKET": "reviews", "EMPTY": ""}
    value = {"path": "s3://${BUCKET}/a", "list": ["${EMPTY:-x}", "${NONE:-}", 3], "plain": "$BUCKET"}
    assert expand(value, environ=environ) == {"path": "s3://reviews/a", "list": ["x", "", 3], "plain": "$BUCKET"}


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}])
def test_a_missing_variable_is_one_sentence(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as error:
        expand({"a": ["${TOKEN}"]}, source="configs/stacks/x.yaml", environ=environ)
    assert error.value.cause == "configs/stacks/x.yaml needs the environment variable TOKEN, which is not set."


def test_the_home_needs_no_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SENTIMENT_HOME", raising=False)
    assert expand("${SENTIMENT_HOME}/x") == str(Path.home() / ".sentiment-ops" / "x")
    monkeypatch.setenv("SENTIMENT_HOME", str(tmp_path))
    assert expand("${SENTIMENT_HOME}/x", environ={}) == f"{tmp_path}/x"
    assert home() == tmp_path


def test_every_shipped_stack_is_valid_and_named_by_its_file() -> None:
    assert available_stacks()["laptop"].startswith("Local orchestrator")
    config = load_stack("laptop")
    assert config.tracking_uri == f"sqlite:///{home() / 'mlflow.db'}"


def test_a_wrong_stack_name_suggests_the_nearest() -> None:
    with pytest.raises(StackError, match="Did you mean 'laptop'") as error:
        load_stack("labtop")
    assert error.value.exit_code == 4


def stack_files(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(f"name: {name}\ndescription: one\n{text}", encoding="utf-8")
    return folder


BASE = """
components:
  orchestrator: {flavor: local}
  artifact_store:
    flavor: s3
    configuration: {path: "s3://${BASE_BUCKET}", authentication_secret: keys, client_kwargs: {region_name: one}}
  alerter: {flavor: webhook}
settings: {steps: {score_shard: {retry: {max_retries: 2}}}}
secrets: {keys: {key: BASE_KEY}}
secret_environment: [A, B]
"""


def test_a_file_is_laid_over_the_one_that_it_extends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    above = """
extends: base
components:
  artifact_store: {configuration: {authentication_secret: null, client_kwargs: {endpoint_url: two}}}
  alerter: null
settings: {steps: {train_linear: {resources: {gpu_count: null}}}}
secrets: {keys: null}
secret_environment: [C]
"""
    folder = stack_files(tmp_path, base=BASE, middle=above, top="extends: middle\n")
    assert required_variables("top", folder) == ["BASE_BUCKET"]
    monkeypatch.setenv("BASE_BUCKET", "bucket")
    config = load_stack("top", folder)
    assert set(config.components) == {"orchestrator", "artifact_store"}
    assert config.components["artifact_store"].configuration == {
        "path": "s3://bucket",
        "client_kwargs": {"region_name": "one", "endpoint_url": "two"},
    }
    assert set(config.settings.steps) == {"score_shard", "train_linear"}
    assert config.secrets == {}
    assert config.secret_environment == ["C"]
    assert config.enabled()["artifact_store"].name == "top-s3"


def test_the_documented_stack_of_your_own_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(
        r"```yaml\n# configs/stacks/team.yaml\n(.*?)```", SETTINGS_PAGE.read_text("utf-8"), re.DOTALL
    )
    folder = Path(shutil.copytree(STACKS, tmp_path / "stacks"))
    (folder / "team.yaml").write_text(example, encoding="utf-8")
    for name in required_variables("team", folder):
        monkeypatch.setenv(name, "placeholder")
    config = load_stack("team", folder)
    assert config.components["container_registry"].flavor == "gcp"
    assert config.components["orchestrator"] == load_stack("kubernetes").components["orchestrator"]


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ("bass", r"top.yaml: extends: there is no stack 'bass'\.\n  fix: Did you mean 'base'"),
        ("[base]", r"top.yaml: extends: there is no stack \['base'\]"),
        ("top", "extends itself: top -> top"),
        ("loop", "loop.yaml extends itself: top -> loop -> top"),
    ],
)
def test_a_file_extends_another_one_that_is_there(tmp_path: Path, extends: str, message: str) -> None:
    folder = stack_files(tmp_path, base=BASE, loop="extends: top\n", top=f"extends: {extends}\n")
    with pytest.raises(ConfigError) as error:
        load_stack("top", folder)
    assert re.search(message, str(error.value))


def test_a_component_is_used_when_its_variable_is_set() -> None:
    config = stack({"alerter": {"flavor": "webhook", "when": "HOOK"}, "orchestrator": {"flavor": "local"}})
    assert set(config.enabled({})) == {"orchestrator"}
    assert config.enabled({"HOOK": "x"})["alerter"].name == "test-webhook"


def test_the_laptop_is_healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENTIMENT_HOME", str(tmp_path))
    findings = diagnose(load_stack("laptop"))
    assert failures(findings) == {}
    assert list(tmp_path.iterdir()) == []
    require_healthy(findings)


def test_the_doctor_finds_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "broken.db").write_text("no database " * 100)
    monkeypatch.setenv("SENTIMENT_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    config = stack(
        {
            "orchestrator": {"flavor": "lokal"},
            "step_operators": {"flavor": "local"},
            "artifact_store": {"flavor": "s3", "configuration": {"path": "/no/bucket"}},
            "experiment_tracker": {
                "flavor": "mlflow",
                "configuration": {"tracking_uri": f"sqlite:///{tmp_path / 'broken.db'}"},
            },
            "model_registry": {"flavor": "mlflow", "configuration": {"uri": "x"}},
        },
        requires={"modules": ["no_such_module"], "environment": ["AWS_SECRET_ACCESS_KEY"]},
    )
    found = failures(diagnose(config))
    assert found.keys() == {
        "library no_such_module",
        "variable AWS_SECRET_ACCESS_KEY",
        "SENTIMENT_HOME",
        "orchestrator (lokal)",
        "step_operators (local)",
        "artifact_store (s3)",
        f"MLflow sqlite:///{tmp_path / 'broken.db'}",
        "model_registry (mlflow)",
    }
    assert "not a database" in found[f"MLflow sqlite:///{tmp_path / 'broken.db'}"]
    with pytest.raises(StackError, match="no_such_module"):
        require_healthy(diagnose(config))


def tracker(uri: str) -> StackConfig:
    settings = {"tracking_uri": uri, "tracking_token": "t"}
    return stack({"experiment_tracker": {"flavor": "mlflow", "configuration": settings}})


def test_the_doctor_asks_mlflow_and_shows_its_credentials(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"MLflow {webhook.url}"
    assert failures(diagnose(tracker(webhook.url))) == {}
    webhook.get_status = 401
    assert failures(diagnose(tracker(webhook.url))) == {name: "It refuses the credentials (HTTP 401)."}
    webhook.get_status = 404
    assert failures(diagnose(tracker(webhook.url))) == {name: "It does not answer as MLflow does (HTTP 404)."}
    webhook.server.shutdown()
    webhook.server.server_close()
    assert "does not answer" in failures(diagnose(tracker(webhook.url)))[name]
    assert name not in failures(diagnose(tracker(webhook.url), offline=True))


def test_the_doctor_lists_every_variable_of_a_file_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*required_variables("hybrid"), "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    assert failures(examine("hybrid")).keys() == {"variable SENTIMENT_BUCKET", "variable MLFLOW_TRACKING_URI"}
    monkeypatch.setenv("SENTIMENT_BUCKET", "reviews")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    assert "variable AWS_ACCESS_KEY_ID" in failures(examine("hybrid", offline=True))


def test_what_is_empty_is_left_out_of_a_component() -> None:
    component = Component(flavor="s3", configuration={"path": "s3://bucket", "client_kwargs": {"endpoint_url": ""}})
    assert component.configuration == {"path": "s3://bucket"}


def test_a_pattern_that_no_pipeline_knows_is_found() -> None:
    config = stack({"orchestrator": {"flavor": "local"}}, settings={"steps": {"trian_*": {"runtime": "isolated"}}})
    found = failures(diagnose(config, step_names=["load_reviews", "train_*"]))
    assert found == {"settings.steps.trian_*": "No step of any pipeline has that name."}


@pytest.mark.parametrize("variable", ["S3 KEY", "", "?", "1KEY"])
def test_a_secret_names_a_variable_and_holds_no_value(variable: str) -> None:
    with pytest.raises(ValidationError, match="must be the name of an environment variable"):
        stack({}, secrets={"s3": {"key": variable}})


@pytest.mark.parametrize("name", sorted(available_stacks()))
def test_no_stack_file_holds_a_value_of_a_secret(name: str) -> None:
    """Keys that ZenML marks as sensitive refer to a secret, in every file."""
    for kind, component in raw_stack(name)["components"].items():
        fields = known_flavors(StackComponentType(kind))[component["flavor"]].config_class.model_fields
        for key, value in component.get("configuration", {}).items():
            assert not is_secret_field(fields[key]) or is_secret_reference(value), f"{name}: {kind}.{key}"


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiving() as chat:
        yield chat


def test_a_registry_counts_as_there_when_it_answers_where_the_deployer_reaches_it(webhook: Receiver) -> None:
    registry = {"flavor": "default", "configuration": {"uri": "127.0.0.1:9"}}

    def finding(**reached: str) -> Finding:
        deployer = {"flavor": "bentoml_kubernetes", "configuration": reached}
        (_, found) = reach(stack({"container_registry": registry, "model_deployer": deployer}), ["container_registry"])
        return found

    assert finding(registry_endpoint=webhook.url.partition("/services")[0]).ok
    alone = finding()
    assert not alone.ok
    assert alone.detail == "It does not answer as a registry does (no answer)."


@pytest.fixture
def alerter(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> WebhookAlerter:
    monkeypatch.setenv("TEST_HOOK", webhook.url)
    alerter = WebhookAlerter.__new__(WebhookAlerter)
    alerter._config = WebhookAlerterConfig(url_variable="TEST_HOOK", backoff_seconds=0.01, timeout_seconds=2)
    return alerter


def test_an_alert_arrives_as_slack_expects_it(
    webhook: Receiver, alerter: WebhookAlerter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    assert alerter.post("부정 비율 12% → 31%")
    assert webhook.messages == ["부정 비율 12% → 31%"]
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("statuses", "accepted", "attempts"), [([503, 429, 200], True, 3), ([500], False, 3), ([404], False, 1)]
)
def test_only_passing_failures_are_tried_again(
    webhook: Receiver, alerter: WebhookAlerter, statuses: list[int], accepted: bool, attempts: int
) -> None:
    webhook.statuses = statuses
    assert alerter.post("x") is accepted
    assert len(webhook.messages) == attempts


def test_a_dead_or_missing_webhook_is_a_warning_without_its_address(
    alerter: WebhookAlerter, webhook: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.server.shutdown()
    webhook.server.server_close()
    assert not alerter.post("x")
    monkeypatch.setenv("TEST_HOOK", "no address")
    assert not alerter.post("x")
    monkeypatch.delenv("TEST_HOOK")
    assert not alerter.post("x")
    assert "secret" not in caplog.text


def test_a_question_is_never_approved(alerter: WebhookAlerter, webhook: Receiver) -> None:
    assert not alerter.ask("Deploy?")
    assert webhook.messages == ["Deploy?"]
