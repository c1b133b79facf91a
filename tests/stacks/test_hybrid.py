"""--stack hybrid from nothing to a model, against S3, and MLflow with accounts on PostgreSQL and S3."""

import json
from pathlib import Path

import pytest

from tests.stacks.conftest import Machine, Result
from tests.stacks.servers import MLFLOW_BUCKET, Team

TRAIN = ("--stack", "hybrid", "--pipeline", "train", "--set", "model_name=hybrid")


@pytest.fixture(scope="module")
def trained(machine: Machine) -> Result:
    return machine(*TRAIN)


def test_the_doctor_finds_everything_in_place(machine: Machine, team: Team) -> None:
    result = machine("stack", "doctor", "hybrid")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{team.s3} takes the credentials" in result.stdout
    assert "answers, and takes the credentials" in result.stdout


def test_a_run_leaves_what_it_made_on_the_servers(machine: Machine, team: Team, trained: Result) -> None:
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "is registered and promoted to champion" in trained.stdout
    artifacts = team.objects()
    for step in ("load_reviews", "train_linear", "evaluate_candidate", "register_model"):
        assert any(key.startswith(f"zenml/{step}/") for key in artifacts), step
    assert any(key.endswith("/folder/classifier.json") for key in team.objects(MLFLOW_BUCKET))
    home = Path(machine.state["SENTIMENT_HOME"])
    assert not (home / "mlflow.db").exists()
    assert not list(Path(machine.state["ZENML_CONFIG_PATH"]).rglob("report.html"))


def test_no_secret_is_printed_or_logged(machine: Machine, team: Team, trained: Result) -> None:
    written = [trained.stdout, trained.stderr]
    written += [path.read_text(encoding="utf-8") for path in Path(machine.state["SENTIMENT_HOME"]).rglob("*.log")]
    assert len(written) > 2
    for name in ("MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        assert not any(team.environment[name] in text for text in written), name


def test_another_machine_of_the_team_uses_the_champion(machine: Machine, trained: Result, tmp_path: Path) -> None:
    other = Machine({**machine.state, "SENTIMENT_HOME": str(tmp_path / "home"), "ZENML_CONFIG_PATH": str(tmp_path)})
    result = other("--stack", "hybrid", "predict", "--model", "hybrid", "--json", "정말 재밌어요 강력 추천합니다")
    assert result.returncode == 0, result.stdout + result.stderr
    assert [each["label"] for each in json.loads(result.stdout)] == ["positive"]


def test_an_unchanged_run_is_cached(machine: Machine, trained: Result) -> None:
    again = machine(*TRAIN)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Unchanged: linear is the champion already" in again.stdout
