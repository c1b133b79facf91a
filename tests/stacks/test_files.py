"""Every stack file that ships: ZenML takes it, and the doctor finds nothing wrong in it that can be told offline."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration
from zenml.enums import StackComponentType

from stacks import ensure
from stacks.catalogue import available_stacks, load_stack, required_variables
from stacks.doctor import diagnose
from stacks.settings import run_options

# What only the machine that uses them has.
LIBRARIES_OF_THEIR_OWN = {
    "sagemaker": {"orchestrator (sagemaker)"},
    "vertex": {"orchestrator (vertex)", "artifact_store (gcp)"},
}
SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "SENTIMENT_DATABASE_URL",
)
STEPS = ["load_reviews", "train_linear", "train_kcelectra", "score_shard"]


@pytest.fixture(scope="module")
def zenml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZENML_CONFIG_PATH", str(tmp_path_factory.mktemp("zenml")))
        # The servers of the files do not exist; that one which does is used is shown in test_hybrid.
        patch.setattr(ensure, "_ensure_experiment", lambda _: None)
        _forget()
        yield
    _forget()


def _forget() -> None:
    GlobalConfiguration._reset_instance()
    Client._reset_instance()


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for stack in available_stacks():
        for name in required_variables(stack):
            monkeypatch.setenv(name, "placeholder")
    for name in SECRETS:
        monkeypatch.setenv(name, "a-secret")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    monkeypatch.setenv("SENTIMENT_REGISTRY", "123456789012.dkr.ecr.eu-central-1.amazonaws.com")
    monkeypatch.setenv("SAGEMAKER_EXECUTION_ROLE", "arn:aws:iam::123456789012:role/sentiment")


@pytest.mark.usefixtures("variables", "zenml")
@pytest.mark.parametrize("name", sorted(available_stacks()))
def test_a_stack_is_made_as_its_file_says(name: str) -> None:
    config = load_stack(name)
    ensure.ensure_stack(config)
    made = Client().get_stack(name)
    assert {kind.value: items[0].flavor_name for kind, items in made.components.items()} == {
        kind: component.flavor for kind, component in config.enabled().items()
    }
    state = made.updated, [items[0].updated for items in made.components.values()]
    ensure.ensure_stack(config)
    again = Client().get_stack(name)
    assert (again.updated, [items[0].updated for items in again.components.values()]) == state


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("name", sorted(available_stacks()))
def test_the_doctor_finds_nothing_wrong_offline(name: str) -> None:
    findings = diagnose(load_stack(name), step_names=["load_reviews", "train_*", "score_shard"], offline=True)
    failed = {finding.name: finding for finding in findings if not finding.ok}
    assert failed.keys() <= LIBRARIES_OF_THEIR_OWN.get(name, set())
    for finding in failed.values():
        assert finding.detail.startswith("Its library is missing")
        assert finding.fix.startswith("Run pip install '")


@pytest.mark.usefixtures("variables")
def test_only_the_transformer_asks_for_the_gpu() -> None:
    steps = run_options(load_stack("cloud-gpu"), STEPS)["steps"]
    pods = {name: each["settings"]["orchestrator"]["pod_settings"] for name, each in steps.items()}
    gpu = pods.pop("train_kcelectra")
    assert gpu["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert gpu["volume_mounts"] == [{"name": "shm", "mountPath": "/dev/shm"}]  # noqa: S108 - the place of shared memory
    assert steps["train_kcelectra"]["retry"].max_retries == 3
    for pod in pods.values():
        assert set(pod) == {"resources", "container_security_context"}
        assert set(pod["resources"]["limits"]) == {"memory"}
    assert steps["train_linear"]["retry"].max_retries == 2
    assert steps["score_shard"]["runtime"] == "isolated"


@pytest.mark.usefixtures("variables")
def test_cloud_gpu_is_the_kubernetes_stack_without_keys_for_s3() -> None:
    """What make test-cluster proves of one is true of the other."""
    proven, other = load_stack("kubernetes"), load_stack("cloud-gpu")
    assert other.settings.orchestrator == proven.settings.orchestrator
    assert "authentication_secret" not in other.components["artifact_store"].configuration
    assert "sentiment-s3" not in other.secrets
    for kind in ("orchestrator", "experiment_tracker", "model_deployer"):
        assert other.components[kind].configuration == proven.components[kind].configuration


@pytest.mark.usefixtures("variables", "zenml")
def test_no_component_of_any_stack_holds_a_secret() -> None:
    for name in available_stacks():
        ensure.ensure_stack(load_stack(name))
    for kind in StackComponentType:
        for component in Client().list_stack_components(type=kind, size=100, hydrate=True).items:
            assert "a-secret" not in f"{component.configuration} {component.environment}", component.name
