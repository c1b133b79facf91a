"""What `make` leaves out where a tool is missing must be an expression that pytest takes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
