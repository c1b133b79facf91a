"""The table of scores on real SQLite and PostgreSQL: killed processes, two runs at once, a database that goes away."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select

from sentiment.config.dataset import DatasetConfig
from sentiment.errors import StackError
from sentiment.home import PROJECT
from sentiment.scoring import score as scoring
from sentiment.scoring.parquet import ParquetFiles
from sentiment.scoring.score import score_shard
from sentiment.scoring.snapshot import take_snapshot
from sentiment.stats import Probabilities
from sentiment.store.database import make_engine
from sentiment.store.scores import ScoreStore, Target
from sentiment.store.tables import scores
from sentiment.tasks import FIRST
from tests.service.postgres_server import PostgresServer

TARGET = Target("sentiment", "3", "monday")
ROWS = 3_000
TEXTS = ['따옴표 "하나", 쉼표', "두 줄\n짜리\r\n글", "", "\\N", "\\.", "😀 مرحبا", "NUL \0 끝", "null", "'; --", "\t탭"]

WORKER = """
import sys
from pathlib import Path
from sentiment.scoring import score
from sentiment.scoring.parquet import ParquetFiles
from tests.service.test_scores_table import TARGET, Slow
score.CHUNK_ROWS, score.TRANSACTION_ROWS = 50, 200
print("ready", flush=True)
score.score_shard(ParquetFiles((Path(sys.argv[1]),)), Slow(), TARGET, sys.argv[2], on_progress=lambda done, total: None)
"""


class Slow:
    """Takes about a second for all the rows."""

    seconds_per_text = 1 / ROWS

    def __init__(self) -> None:
        self.task, self.labels = FIRST, ("negative", "positive")
        self.asked = 0

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        time.sleep(len(texts) * self.seconds_per_text)
        self.asked += len(texts)
        positive = np.array([(len(text) % 7 + 1) / 9 for text in texts])
        return np.stack([1 - positive, positive], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.delete()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/scores.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    server.start()
    server.empty()
    return server.url


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> ParquetFiles:
    folder = tmp_path_factory.mktemp("shard")
    lines = [
        json.dumps({"id": f"r{n}", "text": f"{n} {TEXTS[n % 10]}", "created_at": "2025-03-04"}) for n in range(ROWS)
    ]
    (folder / "reviews.jsonl").write_text("\n".join(lines), encoding="utf-8")
    files, _ = take_snapshot(DatasetConfig(name="mine", path=str(folder)), 1)
    return files


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 50)
    monkeypatch.setattr(scoring, "TRANSACTION_ROWS", 200)


def ids_in(url: str) -> list[str]:
    engine = make_engine(url)
    with engine.connect() as connection:
        ids = list(connection.scalars(select(scores.c.review_id)))
    engine.dispose()
    return ids


def finish(shard: ParquetFiles, url: str) -> tuple[int, int]:
    """Run to the end; the rows that were scored and those that were there."""
    report = score_shard(shard, Slow(), TARGET, url, on_progress=lambda done, total: None)
    return report.scored, report.skipped


def test_what_is_written_is_read_by_sqlalchemy(url: str) -> None:
    time_ = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)
    rows = pl.DataFrame(
        {
            "id": [f"r{number}" for number in range(10)],
            "text": [text.replace("\0", "\ufffd") for text in TEXTS],
            "created_at": [datetime(2025, 3, 4, 5, 6, 7, 8), None] * 5,
            "category": ["a, b", None] * 5,
            "language": ["ko", None] * 5,
            "source": ["mine"] * 10,
        }
    )
    found = np.array([[0.25, 0.75], [1e-7, 1.0]] * 5, dtype=np.float32)
    labels = ('"bad"', "좋음")
    with closing(ScoreStore(url)) as store:
        written = scoring.table_rows(rows, found, SimpleNamespace(labels=labels, task=FIRST), TARGET, time_)
        store.insert(written)
        store.insert(written.with_columns(text=pl.lit("second")))
        fetched = store.fetch(TARGET.keys(rows["id"]).to_list()).sort("review_id")
    engine = make_engine(url)
    with engine.connect() as connection:
        stored = connection.execute(select(scores).order_by(scores.c.review_id)).all()
    engine.dispose()
    assert [row.text for row in stored] == rows["text"].to_list() == fetched["text"].to_list()
    assert [row.category for row in stored] == rows["category"].to_list() == fetched["category"].to_list()
    first, second = stored[:2]
    assert first.time == time_
    assert first.created_at == datetime(2025, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
    assert second.created_at is None
    assert fetched["created_at"].to_list() == rows["created_at"].to_list()
    assert first.probabilities == {'"bad"': 0.25, "좋음": 0.75}
    assert (second.label, second.confidence, second.probabilities['"bad"']) == ("좋음", 1.0, 0.0)
    assert (first.batch, first.review_id, first.model_version) == ("monday", "r0", "3")


def test_killed_at_random_and_run_again_every_row_is_there_once(shard: ParquetFiles, url: str) -> None:
    generator = random.Random(url.partition(":")[0])
    for _ in range(3):
        command = [sys.executable, "-c", WORKER, str(shard.paths[0]), url]
        worker = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0.2, 1.0))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    written = len(ids_in(url))
    assert written > 0, "it was killed before it wrote anything: the test shows nothing"
    scored, skipped = finish(shard, url)
    assert (scored, skipped) == (ROWS - written, written)
    assert sorted(ids_in(url)) == sorted(f"r{number}" for number in range(ROWS))


@pytest.mark.usefixtures("small_chunks")
def test_two_runs_at_once_write_every_row_once(shard: ParquetFiles, url: str) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            finish(shard, url)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(ids_in(url)) == sorted(f"r{number}" for number in range(ROWS))


@pytest.mark.usefixtures("small_chunks")
def test_a_server_that_stops_in_the_middle_leaves_what_a_second_run_goes_on_from(
    shard: ParquetFiles, postgres: PostgresServer
) -> None:
    postgres.start()
    postgres.empty()
    stopped = threading.Event()

    def stop_after_some(done: int, total: int) -> None:
        if done >= 400 and not stopped.is_set():
            stopped.set()
            postgres.stop("immediate")

    with pytest.raises(StackError, match="run the same command again") as raised:
        score_shard(shard, Slow(), TARGET, postgres.url, on_progress=stop_after_some)
    assert "\n" not in raised.value.cause
    postgres.start()
    scored, skipped = finish(shard, postgres.url)
    assert skipped >= 400
    assert scored == ROWS - skipped
    assert sorted(ids_in(postgres.url)) == sorted(f"r{number}" for number in range(ROWS))


@pytest.mark.usefixtures("small_chunks")
def test_a_full_disk_in_the_middle_leaves_what_a_second_run_goes_on_from(shard: ParquetFiles, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/scores.db"
    command = [sys.executable, "-c", "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"]
    command[2] += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + WORKER
    failed = subprocess.run(
        [*command, str(shard.paths[0]), url], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert failed.returncode == 1
    assert "sentiment.errors.StackError: The prediction database does not answer as it should" in failed.stderr
    before = len(ids_in(url))
    assert 0 < before < ROWS
    assert finish(shard, url) == (ROWS - before, before)
    assert sorted(ids_in(url)) == sorted(f"r{number}" for number in range(ROWS))


def test_no_database_is_one_sentence(shard: ParquetFiles) -> None:
    with pytest.raises(StackError, match="The prediction database does not answer as it should") as raised:
        score_shard(
            shard, Slow(), TARGET, "postgresql://me:hunter2@127.0.0.1:9/x", on_progress=lambda done, total: None
        )
    assert "hunter2" not in str(raised.value)
