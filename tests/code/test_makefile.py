"""What `make` leaves out where a tool is missing, and what a commit and GitHub run besides."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

WITH = {"CHROMIUM": "/usr/bin/chromium", "PROMTOOL": "/usr/bin/promtool"}

MAKE = shutil.which("make")


def marker_expression(target: str, **tools: str) -> str:
    assert MAKE
    assignments = [f"{name}={value}" for name, value in (WITH | tools).items()]
    printed = subprocess.run(
        [MAKE, "--no-print-directory", "--dry-run", target, *assignments],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    (expression,) = re.findall(r'-m pytest .*-m "(.*)"', printed)
    return str(expression)


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ({}, ""),
        ({"CHROMIUM": ""}, "not browser"),
        ({"PROMTOOL": ""}, "not promtool"),
        ({"CHROMIUM": "", "PROMTOOL": ""}, "not browser and not promtool"),
    ],
)
def test_the_tests_of_a_missing_tool_are_left_out_and_no_others(
    tools: dict[str, str], expected: str, tmp_path: Path
) -> None:
    expression = marker_expression("test", **tools)
    assert expression == expected
    marks = ("browser", "promtool")
    left_out = [mark for mark in marks if f"not {mark}" in expected]
    tests = tmp_path / "test_each.py"
    tests.write_text(
        "import pytest\n"
        + "".join(f"@pytest.mark.{mark}\ndef test_{mark}(): ...\n" for mark in marks)
        + "def test_plain(): ...\n"
    )
    options = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--collect-only", "-m", expression, str(tests)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert collected.returncode == 0, collected.stdout + collected.stderr
    for mark in marks:
        assert (f"::test_{mark}\n" in collected.stdout) == (mark not in left_out)
    assert "::test_plain\n" in collected.stdout


def test_a_commit_is_held_to_what_make_lint_runs_and_downloads_nothing() -> None:
    assert MAKE
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    lint = subprocess.run(
        [MAKE, "--no-print-directory", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    tool = re.compile(r"^\.venv/bin/(ruff check|ruff format|mypy|lint-imports)\b", re.M)
    called = [found[1] for hook in hooks if (found := tool.match(hook["entry"]))]
    assert called == tool.findall(lint)
    assert len(called) == len(hooks)
    assert all(Path(sys.executable).with_name(command.split()[0]).exists() for command in called)


@pytest.mark.parametrize("file", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda file: file.name)
def test_what_github_reads_is_a_mapping_of_yaml(file: Path) -> None:
    assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict)
