"""From the command to the first step of a train run on Kubernetes, once more after a step's file was edited.

python benchmarks/cluster.py [--runs 2]

Needs what `--stack kubernetes` needs (docs/stacks/kubernetes.md). The edit is a comment at the end of the step that is
first; it is taken back. No image is built: the code reaches the pods through the artifact store.
"""

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
STEP = PROJECT / "steps/data.py"
NAMESPACE = "sentiment"
COMMAND = ("run.py", "--pipeline", "train", "--stack", "kubernetes", "--no-cache", "--set", "candidates=[linear]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    before = STEP.read_text(encoding="utf-8")
    print(f"{'run':>3}{'pod made':>12}{'step runs':>12}{'whole run':>12}   image")
    try:
        for number in range(1, arguments.runs + 1):
            STEP.write_text(f"{before}# edit {number}, {datetime.now(UTC):%H:%M:%S}\n", encoding="utf-8")
            made, running, whole, image = measure()
            print(f"{number:>3}{made:>10.1f} s{running:>10.1f} s{whole:>10.1f} s   {image}")
    finally:
        STEP.write_text(before, encoding="utf-8")


def measure() -> tuple[float, float, float, str]:
    """Seconds from the command until the first step's pod exists, until its process runs, and until the end."""
    start, clock = datetime.now(UTC), time.monotonic()
    subprocess.run([sys.executable, *COMMAND], cwd=PROJECT, check=True, capture_output=True)
    whole = time.monotonic() - clock
    pods = [each for each in _pods() if _time(each["metadata"]["creationTimestamp"]) >= start.replace(microsecond=0)]
    first = min(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    (status,) = first["status"]["containerStatuses"]
    started = _time(status["state"]["terminated"]["startedAt"])
    made = _time(first["metadata"]["creationTimestamp"])
    return (made - start).total_seconds(), (started - start).total_seconds(), whole, str(status["image"])


def _pods() -> list[dict[str, Any]]:
    command = ["kubectl", "-n", NAMESPACE, "get", "pods", "-l", "step_name=load_reviews", "-o", "json"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    items: list[dict[str, Any]] = json.loads(listed)["items"]
    return items


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
