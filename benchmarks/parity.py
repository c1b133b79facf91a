"""The same config and seed on several stacks: is the outcome the same, and what does each stack cost?

python -m benchmarks.parity laptop hybrid [--set KEY=VALUE ...]

Every stack trains once, uncached, with a ZenML and a home of its own, so that each decides without a champion (the
MLflow server of a stack may hold one: the model gets a new name). The variables of the stacks must be set:
`python run.py stack doctor NAME`. Ends with exit code 1 when the outcomes differ.

Data, splits and the probabilities of the test rows are compared by digest, the metrics of every candidate on validation
and of the chosen one on test by value: bit by bit. A transformer that trained on other hardware differs in the last
digits: with --tolerance 0.005 its metrics may differ by as much; those of the linear model may not. The digest of the
model's folder is shown, not compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 1800
# A transformer at a size that costs seconds, beside the linear model.
COMPACT = (
    "candidates=[linear, compact]",
    "candidates.compact.epochs=1",
    "candidates.compact.encoder.layers=1",
    "candidates.compact.encoder.hidden_size=32",
    "candidates.compact.encoder.intermediate_size=64",
    "candidates.compact.encoder.pretrain_epochs=0",
)
EXACT = "linear"  # the candidate that comes out the same to the bit on every machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stacks", nargs="+")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--tolerance", type=float, help="of a transformer's metrics")
    arguments = parser.parse_args()
    measured = {stack: measure(stack, arguments.overrides) for stack in arguments.stacks}
    print(table(measured))
    found = differences(measured, arguments.tolerance)
    print("\n".join(found) or "The outcomes are the same.")
    sys.exit(1 if found else 0)


def measure(stack: str, overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Train on `stack` in a process with a state of its own; the outcome, and the seconds of the run and its steps."""
    with tempfile.TemporaryDirectory(prefix=f"parity-{stack}-") as folder:
        # A ZenML server, where the stack has one, is named by variables, which count more than this folder.
        state = {"ZENML_CONFIG_PATH": f"{folder}/zenml", "SENTIMENT_HOME": f"{folder}/home"}
        result = Path(folder) / "result.json"
        finished = subprocess.run(
            [sys.executable, "-c", "from benchmarks.parity import train; train()", stack, str(result), *overrides],
            cwd=ROOT,
            env={**os.environ, **state, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if finished.returncode:
            raise RuntimeError(f"{stack}: {finished.stdout[-3000:]}")
        measured: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return measured


def train() -> None:
    """The process of `measure`."""
    from stacks.flavors import import_from_project

    import_from_project()  # steps that are imported ask for the project's folder, and `python -c` has none

    from pipelines.common.launching import artifact_of
    from pipelines.train import launch_train
    from sentiment.config.load import load_config
    from sentiment.config.train import TrainConfig
    from sentiment.data.read import source_digest

    stack, result, *overrides = sys.argv[1:]
    config = load_config(
        Path("configs/train.yaml"), TrainConfig, [*overrides, f"model_name=parity-{uuid.uuid4().hex[:8]}"]
    )
    digest = source_digest(config.dataset)
    started = time.monotonic()
    trained = launch_train(config, digest, stack, use_cache=False, on_step=lambda _: None)
    seconds = time.monotonic() - started

    from zenml.client import Client

    from stacks.catalogue import load_stack
    from stacks.ensure import use_stack

    with use_stack(load_stack(stack)):
        run = Client().get_pipeline_run(trained.run_id)
        outcome = {"source": digest, **facts(lambda name: artifact_of(run, name).load())}
        steps = {name: (step.end_time - step.start_time).total_seconds() for name, step in run.steps.items()}
    Path(result).write_text(json.dumps({"outcome": outcome, "seconds": seconds, "steps": steps}), encoding="utf-8")


def facts(load: Any) -> dict[str, Any]:
    """What must not depend on the stack, from the artifacts of a run; `load` takes an artifact's name."""
    import hashlib

    from sentiment.stats.bootstrap import Metric
    from steps.common import names

    decision, selection = load(names.GATE_DECISION), load(names.SELECTION)
    probabilities = load(names.PROBABILITIES)
    headline = load(names.EVALUATION).headline()
    return {
        "splits": [load(name).digest() for name in (names.TRAIN, names.VALIDATION, names.TEST)],
        "candidates": {
            each.name: {"macro-F1": each.macro_f1.value, "accuracy": each.accuracy.value, "ECE": each.ece}
            for each in sorted(selection.candidates, key=lambda each: each.name)
        },
        "winner": selection.winner,
        "model": decision.candidate_digest,
        "probabilities": hashlib.sha256(probabilities.tobytes()).hexdigest(),
        "metrics": {name: each.value if isinstance(each, Metric) else each for name, each in headline.items()},
        "gate": [decision.outcome, [[check.name, check.passed] for check in decision.checks]],
    }


def differences(measured: Mapping[str, Mapping[str, Any]], tolerance: float | None = None) -> list[str]:
    """A sentence for each fact in which a stack differs from the first one."""
    (reference, first), *others = measured.items()
    return [
        f"{stack} differs from {reference} in {fact}: {each['outcome'][fact]}, not {value}"
        for stack, each in others
        for fact, value in first["outcome"].items()
        if fact != "model" and not _same(fact, each["outcome"], first["outcome"], tolerance)
    ]


def _same(fact: str, outcome: Mapping[str, Any], reference: Mapping[str, Any], tolerance: float | None) -> bool:
    value, wanted = outcome[fact], reference[fact]
    if tolerance is None or value == wanted:
        return bool(value == wanted)
    if fact == "candidates":
        return value.keys() == wanted.keys() and all(
            _near(value[name], wanted[name], 0 if name == EXACT else tolerance) for name in wanted
        )
    if reference["winner"] == EXACT:
        return False
    return fact == "probabilities" or (fact == "metrics" and _near(value, wanted, tolerance))


def _near(metrics: Mapping[str, float], reference: Mapping[str, float], tolerance: float) -> bool:
    return all(abs(metrics[name] - reference[name]) <= tolerance for name in reference)


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table: what was decided, the wall time, and what a step costs over its own work.

    A step's own work is what it takes on the first stack, where all steps run in one process. What lies between the
    steps counts, too: the start of a container or a pod.
    """
    rows = [
        ["stack", "splits", "model", "macro-F1", "gate", "wall s", "in steps, s", "overhead a step, s"],
        ["---"] * 8,
    ]
    work = sum(next(iter(measured.values()))["steps"].values())
    for stack, each in measured.items():
        outcome = each["outcome"]
        rows.append(
            [
                stack,
                " ".join(split[:8] for split in outcome["splits"]),
                outcome["model"][:8],
                f"{outcome['metrics']['macro-F1']:.6f}",
                outcome["gate"][0],
                f"{each['seconds']:.0f}",
                f"{sum(each['steps'].values()):.0f}",
                f"{(each['seconds'] - work) / len(each['steps']):.1f}",
            ]
        )
    return "\n".join(_line(row) for row in rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
