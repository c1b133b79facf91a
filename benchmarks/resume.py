"""Kill a train run in the middle of the transformer's training, run it again, and show where it went on.

python benchmarks/resume.py

Both runs are `python run.py train` in processes of their own, on the bundled sample, with a ZenML and a
project home of their own. The first is ended by SIGKILL as soon as a sealed checkpoint of the given step exists.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, str(PROJECT / "run.py"), "--pipeline", "train", "--set", "candidates=[linear, compact]"]
CURVE = "SELECT run_uuid, MIN(step), MAX(step) FROM metrics WHERE key = 'compact/train_loss' GROUP BY run_uuid"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--after-step", type=int, default=30, help="kill once a checkpoint of this step is sealed")
    after_step = arguments.parse_args().after_step
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ZENML_CONFIG_PATH": f"{folder}/zenml", "SENTIMENT_HOME": f"{folder}/home"}
        killed_at = _kill_after(after_step, environment, Path(folder) / "home")
        started = time.monotonic()
        second = subprocess.run(COMMAND, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        with sqlite3.connect(Path(folder) / "home" / "mlflow.db") as database:
            curves = sorted(database.execute(CURVE).fetchall(), key=lambda row: row[1])
    print("| run | ended | steps of compact's learning curve |\n|---|---|---|")
    endings = (f"SIGKILL, checkpoint of step {killed_at}", f"exit code {second.returncode}, {seconds:.0f} s")
    for run, ending, (_, first, last) in zip(("first", "second"), endings, curves, strict=True):
        print(f"| {run} | {ending} | {first}-{last} |")


def _kill_after(step: int, environment: dict[str, str], home: Path) -> int:
    process = subprocess.Popen(
        COMMAND,
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None:
        sealed = [
            int(path.parent.name.rpartition("-")[2]) for path in home.glob("checkpoints/*/*/checkpoint-*/manifest.json")
        ]
        if sealed and max(sealed) >= step:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return max(sealed)
        time.sleep(0.05)
    raise SystemExit("The run ended before a checkpoint of that step was sealed; choose an earlier one.")


if __name__ == "__main__":
    main()
