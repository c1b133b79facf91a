"""The command line: one grammar, options that are there for whom they are meant, failures in a sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import proxy_bypass

import click
import pytest
from click.testing import CliRunner, Result

from cli.main import by_name, commands, reach_this_machine
from pipelines.common.naming import pipeline_names
from sentiment.home import PROJECT, home
from tests.ports import free_port


def call(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("--pipeline train --set a=b", "train --set a=b"),
        ("--stack docker --pipeline train", "train --stack docker"),
        ("--set a=b --pipeline=train --no-cache", "train --set a=b --no-cache"),
        ("train --set a=b", "train --set a=b"),
        ("predict -- --pipeline", "predict -- --pipeline"),
    ],
)
def test_a_pipeline_is_a_command_however_it_is_written(arguments: str, command: str) -> None:
    assert by_name(arguments.split()) == command.split()


def test_every_pipeline_is_a_command_with_a_config_of_its_own() -> None:
    root = click.Context(commands)
    for name in pipeline_names():
        assert name in commands.list_commands(root)
        assert f"configs/{name}.yaml" in call("--pipeline", name, "--help").output
        assert (PROJECT / f"configs/{name}.yaml").is_file()


@pytest.mark.parametrize(
    ("option", "pipelines"),
    [
        ("--set", set(pipeline_names())),
        ("--stack", set(pipeline_names())),
        ("--no-cache", {"train", "monitor", "retrain"}),
        ("--rollback", {"deploy"}),
        ("--reason", {"deploy"}),
        ("--schedule", {"score", "monitor"}),
        ("--act", {"monitor"}),
    ],
)
def test_an_option_is_in_the_help_of_those_that_have_it(option: str, pipelines: set[str]) -> None:
    having = {
        name for name in pipeline_names() if re.search(rf"^  {option}\b", call(name, "--help").output, re.MULTILINE)
    }
    assert having == pipelines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("tran", "'train'"),
        ("--pipeline depoly", "Did you mean 'deploy'?"),
        ("train --stak docker", "'--stack'"),
        ("--pipeline train --rollback", "No such option '--rollback'"),
        ("--pipeline train models list", "unexpected extra argument"),
        ("monitor --act --schedule 0", "leave out --act"),
        ("retrain statsu", "Did you mean 'status'?"),
        ("retrain --set a=b status", "status does not retrain"),
        ("retrain --model films", "--model goes with status"),
        ("stack doctor docker --stack laptop", "Two stacks are named"),
        ("--stack docker models list --stack laptop", "Two stacks are named"),
    ],
)
def test_a_mistake_is_told_with_the_nearest_name_and_exit_code_2(arguments: str, words: str) -> None:
    result = call(*arguments.split())
    assert result.exit_code == 2, result.output
    assert words in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        "--stack labtop stack up",
        "stack up --stack labtop",
        "stack up labtop",
        "stack --stack labtop doctor",
        "stack doctor labtop --stack labtop",
        "models list --stack labtop",
        "--stack labtop models show 1",
        "predict --stack labtop text",
        "watch --once --stack labtop",
        "retrain --stack labtop",
        "--stack labtop --pipeline train",
        "deploy --stack labtop",
    ],
)
def test_the_stack_is_heard_wherever_it_is_named(arguments: str) -> None:
    result = call(*arguments.split())
    assert str(result.exception).startswith("There is no stack 'labtop'."), result.output


def run(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; from cli import main; {program}; sys.argv = ['run.py', *{arguments!r}]; main.main()"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_fault_of_this_project_is_a_sentence_and_its_traceback_is_in_a_log() -> None:
    raising = "import stacks.catalogue as c; c.available_stacks = lambda: int('kim@example.com')"
    result = run(raising, "stack", "list")
    assert result.returncode == 1
    error, fix, log = result.stderr.splitlines()
    assert error.startswith("error: Unexpected: ValueError: invalid literal")
    assert "[EMAIL]" in error
    assert fix == "  fix: The log has the details; please report it."
    text = Path(log.removeprefix("  log: ")).read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "kim@example.com" not in text
    assert list((home() / "logs").iterdir()) == [Path(log.removeprefix("  log: "))]


def test_a_package_that_is_missing_is_told_with_the_line_that_installs_it() -> None:
    result = run("sys.modules['sqlalchemy'] = None", "retrain", "status")
    assert result.returncode == 4, result.stderr
    error, fix = result.stderr.splitlines()
    assert error == f"error: The package sqlalchemy is not installed for {sys.executable}."
    assert fix.endswith(" -m pip install -r requirements.txt -c requirements.lock")
    assert Path(fix.split()[1]).absolute() == Path(sys.executable) or fix.split()[1] == "python"


def test_zenmls_server_that_is_gone_is_a_sentence_with_a_way_out(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = run(
        "pass", "stack", "up", ZENML_STORE_URL=url, ZENML_STORE_TYPE="rest", ZENML_CONFIG_PATH=str(tmp_path / "zenml")
    )
    assert result.returncode == 4, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith(f"error: ZenML server: The server {url} does not answer"), result.stderr
    assert "configured for: unset ZENML_STORE_TYPE ZENML_STORE_URL\n" in result.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp949", "latin-1"])
def test_an_output_that_has_not_our_characters_gets_others(encoding: str, tmp_path: Path) -> None:
    code = "import cli.main as m; m._run = lambda: print('✓ done … 👍'); m.main()"
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "SENTIMENT_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, check=False)
    assert done.stdout.decode(encoding).startswith("+ done ") or encoding == "cp949"
    assert b"Traceback" not in done.stderr
    assert done.stdout.decode(encoding).rstrip().endswith("?")


@pytest.mark.parametrize(("variable", "command"), [("SENTIMENT_HOME", "train"), ("SENTIMENT_HOME", "models list")])
def test_a_folder_that_cannot_be_made_is_told_with_its_variable(variable: str, command: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {**os.environ, variable: str(tmp_path / "file")}
    done = subprocess.run(
        [sys.executable, "run.py", *command.split()],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert f"{variable} is {tmp_path}/file, which cannot be used" in done.stderr
    assert f"fix: Set it to a folder that can be written: export {variable}=DIRECTORY" in done.stderr


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    reach_this_machine(os.environ)
    assert "no_proxy" not in os.environ
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "intern.example")
    monkeypatch.setenv("NO_PROXY", "")
    reach_this_machine(os.environ)
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "intern.example,localhost,127.0.0.1"
    assert proxy_bypass("127.0.0.1:3000")
    assert not proxy_bypass("shop.example")
