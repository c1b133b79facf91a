"""What importing costs: `--help` is quick, and ZenML's database is left alone until a stack is made, one at a time."""

import os
import subprocess
import sys
from pathlib import Path

from pipelines.common.naming import pipeline_names
from sentiment.home import PROJECT


def test_importing_the_pipelines_opens_no_zenml_store(tmp_path: Path) -> None:
    names = [f"pipelines.{name}" for name in pipeline_names()]
    subprocess.run(
        [sys.executable, "-c", f"import {', '.join(names)}"],
        cwd=PROJECT,
        env={**os.environ, "ZENML_CONFIG_PATH": str(tmp_path / "zenml")},
        check=True,
        timeout=120,
    )
    assert not list(tmp_path.rglob("*.db"))


def test_the_command_line_imports_nothing_slow() -> None:
    slow = ("torch", "zenml", "mlflow", "sklearn", "polars", "datasets", "bentoml")
    code = f"""
import sys
from cli.main import commands
commands.main(["--help"], standalone_mode=False)
print([name for name in {slow} if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
