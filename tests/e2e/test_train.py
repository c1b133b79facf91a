"""The train pipeline from the command line: the shipped config on the bundled sample, shrunk where it is slow."""

import json
import re
import shlex
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.e2e.conftest import Run

# One epoch of a narrow encoder: the transformer's way through the pipeline without its minutes.
SHRUNK = (
    "--pipeline",
    "train",
    "--set",
    "candidates=[linear, compact]",
    "--set",
    "candidates.compact.epochs=1",
    "--set",
    "candidates.compact.encoder.layers=1",
    "--set",
    "candidates.compact.encoder.hidden_size=32",
    "--set",
    "candidates.compact.encoder.intermediate_size=64",
    "--set",
    "candidates.compact.encoder.pretrain_epochs=0",
)


@pytest.fixture(scope="module")
def first(run: Run) -> CompletedProcess[str]:
    return run(*SHRUNK)


def test_first_run_promotes_and_says_what_it_did(first: CompletedProcess[str]) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    for step in ("load_reviews", "clean_reviews", "validate_splits", "train_linear", "train_compact", "register_model"):
        assert re.search(rf"✓ {step} .*\d s", first.stdout), step
    assert "Promoted: linear" in first.stdout
    assert "no champion yet" in first.stdout
    assert "synthetic sample" in first.stdout
    assert "train_nsmc.yaml" in first.stdout
    assert "Traceback" not in first.stdout + first.stderr


def test_the_log_holds_the_detail_and_the_terminal_does_not(first: CompletedProcess[str]) -> None:
    log = Path(re.search(r"log\s+(\S+\.log)", first.stdout)[1])  # type: ignore[index]
    assert "train_linear" in log.read_text(encoding="utf-8")
    assert len(first.stdout.splitlines()) < 60


def test_printed_next_commands_work_when_pasted(run: Run, first: CompletedProcess[str]) -> None:
    lines = first.stdout.split("Next\n")[1].split("\nLook")[0].strip().splitlines()
    assert len(lines) == 3
    for line in lines:
        arguments = shlex.split(line)
        result = run(*arguments[arguments.index("run.py") + 1 :])
        assert result.returncode == 0, f"{line}: {result.stderr}"
        assert result.stdout.strip()


def test_the_report_of_the_run_is_found_by_its_version(run: Run, first: CompletedProcess[str]) -> None:
    shown = run("report")
    path = Path(shown.stdout.splitlines()[-1])
    page = path.read_text(encoding="utf-8")
    assert path.name == "sentiment-1.html"
    assert page.index("promoted") < page.index("linear reaches a macro-F1") < page.index("Most confident mistakes")
    assert len(page.encode()) < 1_000_000
    look = first.stdout.partition("Look\n")[2].splitlines()[0]
    assert "run.py report 1 --open" in look


SEEN = """
import json, mlflow
from zenml.client import Client
client = Client()
run = client.list_pipeline_runs(sort_by="created")[0]
decision = run.steps["decide_promotion"].output
shown = [(each.type, each.uri.rpartition("/")[2]) for each in decision.visualizations or []]
names = [each.name for each in mlflow.search_experiments()]
tracked = mlflow.search_runs(experiment_names=names, order_by=["start_time"], output_format="list")[0]
print(json.dumps({
    "run": run.run_metadata, "artifact": decision.run_metadata, "shown": shown, "metrics": tracked.data.metrics,
    "parameters": tracked.data.params, "tags": tracked.data.tags,
    "data": {each.tags[0].value: each.dataset.digest for each in tracked.inputs.dataset_inputs},
}))
"""


def test_zenml_and_mlflow_say_the_verdict_and_the_figures(run: Run, first: CompletedProcess[str]) -> None:
    uri = f"sqlite:///{run.state['SENTIMENT_HOME']}/mlflow.db"
    result = run.shell(f"python -c {shlex.quote(SEEN)}", MLFLOW_TRACKING_URI=uri)
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout.splitlines()[-1])

    assert seen["run"]["verdict"] == "promote"
    assert seen["run"]["macro_f1_low"] < seen["run"]["macro_f1"] < seen["run"]["macro_f1_high"]
    assert "Promoted: linear" in seen["artifact"]["summary"]
    assert seen["shown"] == [["markdown", "report.md"], ["html", "report.html"]]
    assert seen["metrics"]["macro_f1"] == seen["run"]["macro_f1"]
    assert seen["parameters"]["gate.register_threshold"] == "0.7"
    assert {"verdict": "promote", "dataset": "sample", "stack": "laptop", "version": "1"}.items() <= seen[
        "tags"
    ].items()
    assert seen["data"].keys() == {"training", "validation", "test"}


def test_the_champion_answers_in_korean_and_english(run: Run, first: CompletedProcess[str]) -> None:
    result = run("predict", "--json", "정말 재밌어요 강력 추천합니다", "돈 아까워요 최악", "great movie, loved it")
    predictions = json.loads(result.stdout)
    assert [each["label"] for each in predictions] == ["positive", "negative", "positive"]
    assert all(sum(each["probs"].values()) == pytest.approx(1, abs=1e-5) for each in predictions)


def test_an_unchanged_run_is_cached_and_changes_nothing(run: Run, first: CompletedProcess[str]) -> None:
    again = run(*SHRUNK)
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(r"✓ train_compact .*cached", again.stdout)
    assert "Unchanged: linear is the champion already" in again.stdout
    assert run("models", "list").stdout.count("promoted") == 1


def test_a_worse_candidate_is_refused_with_exit_code_3(run: Run, first: CompletedProcess[str]) -> None:
    worse = run("--pipeline", "train", "--set", "candidates=[linear]", "--set", "dataset.sample_rate=0.3")
    assert worse.returncode == 3, worse.stdout + worse.stderr
    assert "Refused:" in worse.stdout
    listed = run("models", "list").stdout
    assert "refused" in listed
    assert run("models", "promote", "2", "--reason", "try").returncode == 3


def test_promote_by_force_and_roll_back(run: Run, first: CompletedProcess[str]) -> None:
    assert run("models", "promote", "2", "--reason", "drill", "--force").returncode == 0
    back = run("models", "rollback", "--reason", "drill over")
    assert "version 1 is the champion again" in back.stdout
    history = run("models", "list").stdout
    assert history.index("promoted") < history.index("rolled back 1, after 2")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "gate.registr_threshold=0.9"], 2, "register_threshold"),
        (["--set", "steps.train_liner.cache=false"], 2, "train_linear"),
        (["--config", "configs/trian.yaml"], 2, "train.yaml"),
        (["--stack", "labtop"], 4, "laptop"),
        (["--set", "dataset.path=nowhere.csv"], 5, "nowhere.csv"),
        (["--set", "validation.min_rows_per_class=5000"], 5, "rows"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_its_exit_code(
    run: Run, arguments: list[str], code: int, words: str
) -> None:
    result = run("--pipeline", "train", *arguments)
    assert result.returncode == code, result.stdout + result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_help_names_every_command(run: Run) -> None:
    shown = run("--help").stdout
    assert all(word in shown for word in ("--pipeline", "--stack", "train", "deploy", "models", "predict", "stack"))
    of_train = run("train", "--help").stdout
    assert all(word in of_train for word in ("--config", "--set", "--stack", "--no-cache"))
    assert run("stack", "list").stdout.count("laptop") >= 1
    assert run("stack", "doctor").returncode == 0
