"""Batch scoring beside the bare inference loop, its memory, and what is left after SIGKILL.

python benchmarks/scoring.py --data naver_reviews.parquet --model FOLDER
python benchmarks/scoring.py --data naver_reviews.parquet --train ratings_train.txt [--database postgresql]
python benchmarks/scoring.py --data naver_reviews.parquet --model FOLDER --kill 20 --shares 0.3 [--database postgresql]

`--data` is a Parquet file with review_id and text. `--model` is a model folder of any kind; `--train` trains the linear
classifier on a file in NSMC's format first. Bare: the texts of the snapshot's chunks through `predict_proba`, nothing
kept. Score: `score_shard`, every row in the table at the end. Each runs in a process of its own, in turns, `--repeat`
times; the table shows medians. Peak memory is that of the scoring process, model and all.
"""

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))
BATCH = "benchmark"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 1.0], help="shares of the rows to score")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kill", type=int, default=0, help="how often scoring is killed")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(json.loads(arguments.child))
        return
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or train(arguments.train, Path(folder) / "model")
        if arguments.kill:
            kill_often(arguments.data, model, Path(folder), arguments)
        else:
            compare(arguments.data, model, Path(folder), arguments)


def train(file: Path, folder: Path) -> Path:
    from sentiment.config.dataset import DatasetConfig, SplitConfig
    from sentiment.data.clean import clean
    from sentiment.data.read import read
    from sentiment.data.split import split
    from sentiment.kinds.linear import LinearConfig
    from sentiment.text.normalise import TextNormaliser
    from sentiment.training.linear import train_linear

    names = {"0": "negative", "1": "positive"}
    dataset = DatasetConfig(
        name="nsmc", path=str(file), format="tsv", quote_char=None, text_column="document", label_values=names
    )
    parts = split(clean(read(dataset)[0], TextNormaliser())[0], SplitConfig())
    classifier = train_linear(
        LinearConfig(name="linear"), parts.train, parts.validation, normaliser=TextNormaliser(), seed=42
    )
    classifier.save(folder)
    return folder


def compare(data: Path, model: Path, folder: Path, arguments: argparse.Namespace) -> None:
    print("| rows | bare, texts/s | score, rows/s | score / bare | snapshot, s | score, s | collect, s | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for share in arguments.shares:
        shard = folder / f"shard-{share}.parquet"
        rows = run({"do": "snapshot", "data": str(data), "share": share, "shard": str(shard)})
        bare, scored = [], []
        for _ in range(arguments.repeat):
            common = {"shard": str(shard), "model": str(model)}
            bare.append(run({"do": "bare", **common}))
            with database(arguments.database, folder) as url:
                scored.append(run({"do": "score", "url": url, **common}))
        median = {key: statistics.median(each[key] for each in scored) for key in scored[0]}
        bare_rate = statistics.median(rows["rows"] / each["seconds"] for each in bare)
        rate = rows["rows"] / median["seconds"]
        print(
            f"| {rows['rows']:,} | {bare_rate:,.0f} | {rate:,.0f} | {rate / bare_rate:.1%} | {rows['seconds']:.1f} "
            f"| {median['seconds']:.1f} | {median['collect']:.1f} | {median['peak_mb']:.0f} |",
            flush=True,
        )


def kill_often(data: Path, model: Path, folder: Path, arguments: argparse.Namespace) -> None:
    shard = folder / "shard.parquet"
    task = {"do": "snapshot", "data": str(data), "share": arguments.shares[0], "shard": str(shard)}
    rows = int(run(task)["rows"])
    task = {"do": "score", "shard": str(shard), "model": str(model)}
    print("| database | kills | killed with rows in the table | rows missing | rows doubled |\n|---|---|---|---|---|")
    missing = doubled = midway = 0
    with database(arguments.database, folder) as url:
        whole = run({**task, "url": url, "batch": "whole"})["seconds"]
        for number in range(arguments.kill):
            batch = f"kill-{number}"
            kill(start({**task, "url": url, "batch": batch}), random.uniform(0.02, whole))  # noqa: S311
            midway += 0 < count(url, batch)[0] < rows
            run({**task, "url": url, "batch": batch})
            there, distinct = count(url, batch)
            missing, doubled = missing + rows - distinct, doubled + there - distinct
    print(f"| {arguments.database} | {arguments.kill} | {midway} | {missing} | {doubled} |", flush=True)


def run(task: dict[str, Any]) -> dict[str, float]:
    process = start(task)
    output, _ = process.communicate()
    assert process.returncode == 0, task
    answer: dict[str, float] = json.loads(output)
    return answer


def start(task: dict[str, Any]) -> "subprocess.Popen[str]":
    """A child that has everything loaded and is about to begin."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--data", "-", "--child", json.dumps(task)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n", task
    return process


def kill(process: "subprocess.Popen[str]", after: float) -> None:
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def count(url: str, batch: str) -> tuple[int, int]:
    from sqlalchemy import distinct, func, select

    from sentiment.store.database import make_engine
    from sentiment.store.tables import scores

    engine = make_engine(url)
    with engine.connect() as connection:
        wanted = select(func.count(), func.count(distinct(scores.c.review_id))).where(scores.c.batch == batch)
        there, different = connection.execute(wanted).one()
    engine.dispose()
    return there, different


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(dir=folder) as place:
            yield f"sqlite:///{place}/scores.db"
        return
    from tests.service.postgres_server import PostgresServer

    server = PostgresServer(fsync=True)
    try:
        yield server.url
    finally:
        server.delete()


def child(task: dict[str, Any]) -> None:
    from sentiment.config.dataset import DatasetConfig
    from sentiment.models.folder import load_classifier
    from sentiment.scoring.collect import collect
    from sentiment.scoring.parquet import ParquetFiles
    from sentiment.scoring.score import CHUNK_ROWS, score_shard
    from sentiment.scoring.snapshot import take_snapshot
    from sentiment.store.scores import Target

    answer: dict[str, float] = {}
    if task["do"] == "snapshot":
        dataset = DatasetConfig(
            name="benchmark",
            path=task["data"],
            id_column="review_id",
            rating_column="",
            split_column="",
            sample_rate=task["share"],
        )
        print("ready", flush=True)
        started = time.perf_counter()
        files, report = take_snapshot(dataset, 1)
        answer = {"seconds": time.perf_counter() - started, "rows": report.planned}
        files.paths[0].replace(task["shard"])
    else:
        shard = ParquetFiles((Path(task["shard"]),))
        classifier = load_classifier(Path(task["model"]))
        classifier.predict_proba(["예열"])
        print("ready", flush=True)
        started = time.perf_counter()
        if task["do"] == "bare":
            for chunk in shard.chunks(CHUNK_ROWS):
                classifier.predict_proba(chunk["text"].to_list())
            answer["seconds"] = time.perf_counter() - started
        else:
            target = Target("sentiment", "1", task.get("batch", BATCH))
            score_shard(shard, classifier, target, task["url"], on_progress=lambda done, total: None)
            answer["seconds"] = time.perf_counter() - started
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                collect(shard, target, classifier.labels, task["url"], Path(folder) / "result.parquet")
                answer["collect"] = time.perf_counter() - started
    answer["peak_mb"] = peak_megabytes()
    print(json.dumps(answer))


def peak_megabytes() -> float:
    """Of this process alone: getrusage would count what the one that started it held at that moment."""
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
