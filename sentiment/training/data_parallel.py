"""Training on several devices at once: a process a device, each with a share of every batch (data parallelism).

The processes run under torchrun. A step's batch holds the same rows however many processes share it, so that a config
means the same on a laptop and on a machine with eight GPUs; the results differ by rounding and by dropout's draws.
torchrun: https://docs.pytorch.org/docs/stable/elastic/run.html
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import polars as pl
import torch

from sentiment.data.reviews import Reviews
from sentiment.errors import OR, ConfigError, SentimentError, option
from sentiment.home import PROJECT
from sentiment.kinds.transformer import TransformerConfig
from sentiment.models.folder import load_classifier
from sentiment.models.transformer import TransformerClassifier
from sentiment.text.normalise import TextNormaliser
from sentiment.text.pii import mask
from sentiment.training import Log
from sentiment.training.checkpoints import last_checkpoint
from sentiment.training.transformer import STAGES, train_transformer

JOB, CURVES, OUTPUT, MODEL = "job.json", "curves.jsonl", "output.log", "model"
POLL_SECONDS = 0.5
# A ConfigError at the end of a traceback: its cause, and the lines of its fix.
_OURS = re.compile(r"sentiment\.errors\.ConfigError: (.*(?:\n +(?:fix|or): .*)*)")


def train_on_devices(
    config: TransformerConfig,
    train: Reviews,
    validation: Reviews,
    *,
    normaliser: TextNormaliser,
    seed: int,
    work_dir: Path,
    log: Log,
) -> TransformerClassifier:
    """`train_transformer` in this process, or in one per device."""
    count = process_count(config)
    fit = partial(train_in_processes, count=count) if count > 1 else train_transformer
    return fit(config, train, validation, normaliser=normaliser, seed=seed, work_dir=work_dir, log=log)


def process_count(config: TransformerConfig) -> int:
    """How many processes train: `config.processes`, else one per GPU, and one where there is none.

    Raises ConfigError when a batch cannot be shared equally among them.
    """
    count = config.processes or max(1, torch.cuda.device_count())
    if config.batch_size % count:
        raise ConfigError(
            f"A batch of {config.batch_size} rows cannot be shared equally by {count} processes.",
            f"Use a multiple of {count}: "
            f"{option(f'candidates.{config.name}.batch_size', count * max(1, round(config.batch_size / count)))}"
            f"{OR}Train in one process: {option(f'candidates.{config.name}.processes', 1)}",
        )
    return count


def train_in_processes(
    config: TransformerConfig,
    train: Reviews,
    validation: Reviews,
    *,
    normaliser: TextNormaliser,
    seed: int,
    work_dir: Path,
    log: Log,
    count: int,
) -> TransformerClassifier:
    """`train_transformer` by `count` processes on this machine; the same arguments, and it resumes in the same way.

    Raises ConfigError as `train_transformer` does, SentimentError with the end of the output when a process fails.
    """
    for stage in STAGES:
        last_checkpoint(work_dir / stage)  # deletes incomplete ones, which the processes would race to do
    folder = work_dir / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, reviews in (("train", train), ("validation", validation)):
        reviews.frame().write_parquet(folder / f"{name}.parquet")
    job = {
        "config": config.model_dump_json(),
        "normaliser": normaliser.model_dump_json(),
        "labels": list(train.labels),
        "seed": seed,
        "work_dir": str(work_dir),
    }
    (folder / JOB).write_text(json.dumps(job), encoding="utf-8")
    _run(folder, count, log)
    classifier = load_classifier(folder / MODEL)
    if not isinstance(classifier, TransformerClassifier):
        raise TypeError(f"the processes made a {type(classifier).__name__}")
    return classifier


def _run(folder: Path, count: int, log: Log) -> None:
    threads = str(max(1, (os.cpu_count() or 1) // count))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    environment = {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
    }
    with (folder / OUTPUT).open("wb") as output:
        process = subprocess.Popen(
            [*command, "-m", "sentiment.training.data_parallel", str(folder)],
            stdin=subprocess.PIPE,  # ends with this process, however that ends: see `_exit_with_the_parent`
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    told = 0
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            told = _tell(folder / CURVES, told, log)
    finally:
        if process.poll() is None:
            process.terminate()  # torchrun ends its workers
            process.wait()
    _tell(folder / CURVES, told, log)
    if process.returncode:
        raise _failure(folder / OUTPUT)


def _tell(curves: Path, told: int, log: Log) -> int:
    """Pass on the complete lines after byte `told`; returns where they end."""
    if not curves.exists():
        return told
    with curves.open("rb") as file:
        file.seek(told)
        complete, found, _ = file.read().rpartition(b"\n")
    for line in complete.splitlines():
        step, metrics = json.loads(line)
        log(step, metrics)
    return told + len(complete) + len(found)


def _failure(output: Path) -> SentimentError:
    text = output.read_text(encoding="utf-8", errors="replace")
    if found := _OURS.search(text):
        return ConfigError(found[1])
    lines = text.splitlines()
    errors = [line.strip() for line in lines if "Error: " in line and "ChildFailedError" not in line]
    reason = mask(errors[0] if errors else lines[-1] if lines else "no output")[-300:]
    return SentimentError(
        f"A training process failed: {reason}.", "Run the same command again: it goes on from the last checkpoint."
    )


def main(folder: Path) -> None:
    """What each process does: train its share; the first one reports and saves."""
    threading.Thread(target=_exit_with_the_parent, daemon=True).start()
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    first = os.environ["RANK"] == "0"
    train, validation = (
        Reviews.from_frame(pl.read_parquet(folder / f"{name}.parquet"), job["labels"])
        for name in ("train", "validation")
    )

    def log(step: int, metrics: dict[str, float]) -> None:
        if first:
            with (folder / CURVES).open("a", encoding="utf-8") as curves:
                curves.write(json.dumps([step, metrics]) + "\n")

    classifier = train_transformer(
        TransformerConfig.model_validate_json(job["config"]),
        train,
        validation,
        normaliser=TextNormaliser.model_validate_json(job["normaliser"]),
        seed=job["seed"],
        work_dir=Path(job["work_dir"]),
        log=log,
    )
    if first:
        classifier.save(folder / MODEL)


def _exit_with_the_parent() -> None:
    """Two runs must never write the same checkpoints: a killed run takes its processes along."""
    # Not sys.stdin, whose lock would be held when the interpreter shuts down.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
