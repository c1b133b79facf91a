"""run.py under another Python than the one that is needed: a sentence and the command that works."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sentiment.home import PROJECT

RUN = PROJECT / "run.py"


def run_as(version: str, folder: Path, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """run.py in a Python that says it is another one, without the project's packages."""
    program = f"""
import runpy, sys
sys.path = [each for each in sys.path if "site-packages" not in each]
sys.prefix = "/usr"
sys.version, sys.version_info = "{version} (main)", tuple(map(int, "{version}".split(".")))
{code}
sys.argv = {[str(folder / "run.py"), *arguments]!r}
sys.path.insert(0, {str(folder)!r})
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    return subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("version", [(3, 7), (3, 9), (3, 13)])
def test_every_python_can_read_it(version: tuple[int, int]) -> None:
    tree = ast.parse(RUN.read_text(encoding="utf-8"), feature_version=version)
    # What Python 2 does not read either.
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.Starred)]
    assert all(ord(character) < 128 for character in RUN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", ["3.9.18", "3.12.1"])
def test_another_python_is_told_which_one_to_call(version: str, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_bytes(RUN.read_bytes())
    alone = run_as(version, tmp_path, "train", "my file.csv")
    assert alone.returncode == 4
    assert alone.stderr == f"error: This is Python {version}; Python 3.11 is needed.\n  fix: make -C . train\n"

    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    with_environment = run_as(version, tmp_path, "train", "my file.csv")
    fix = with_environment.stderr.partition("fix: ")[2].strip()
    assert shlex.split(fix) == [".venv/bin/python", str(tmp_path / "run.py"), "train", "my file.csv"]


def test_a_python_without_the_packages_is_told_where_they_are(tmp_path: Path) -> None:
    for name in ("run.py", "cli", "pipelines", "sentiment"):
        (tmp_path / name).symlink_to(PROJECT / name)
    done = run_as("3.11.7", tmp_path, "models", "list", code="sys.modules['rich'] = None")
    assert done.returncode == 4, done.stderr
    assert re.match(rf"error: The package \w+ is not installed for {sys.executable}\.\n  fix: make", done.stderr)


def test_the_command_that_is_told_gets_further() -> None:
    told = run_as("3.12.1", PROJECT, "stack", "list").stderr.partition("fix: ")[2]
    done = subprocess.run(
        shlex.split(told), cwd=PROJECT, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "laptop" in done.stdout
