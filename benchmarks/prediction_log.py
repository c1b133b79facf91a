"""The prediction log against a synchronous INSERT per request, the usual way to log predictions.

python benchmarks/prediction_log.py                # cost on the request path, rows per second, on SQLite and PostgreSQL
python benchmarks/prediction_log.py --outage 30    # PostgreSQL stopped for 30 s under load: rows lost and doubled

PostgreSQL is a fresh one with its defaults, fsync included (the pgserver package of requirements-dev.txt).
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sentiment.store import PredictionLog, PredictionRecord
from sentiment.store.database import make_engine
from sentiment.store.migrations import upgrade
from sentiment.store.tables import predictions
from tests.service.postgres_server import PostgresServer

ROWS = 20_000
PEER_ROWS = 1_000
TEXT = "배송이 빨라서 좋아요. 다음에도 여기서 살게요, 정말 추천합니다 ㅎㅎ"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outage", type=float, metavar="SECONDS", help="stop PostgreSQL for this long")
    parser.add_argument("--rate", type=int, default=500, help="rows per second during the outage run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres() as server:
        if arguments.outage:
            outage(server, Path(folder), arguments.outage, arguments.rate)
        else:
            compare(server, Path(folder))


def compare(server: PostgresServer, folder: Path) -> None:
    print(f"{'':12}{'us on the request path (p50 / p99)':>48}{'rows/s':>20}{'CPU us a row':>24}")
    print(f"{'':12}{'log':>17}{'INSERT':>20}{'ratio':>11}{'log':>11}{'INSERT':>9}{'log':>14}{'INSERT':>10}")
    for name, url in (("SQLite", f"sqlite:///{folder}/log.db"), ("PostgreSQL", server.url)):
        inserting = insert_each(url)
        log = put_each(url, folder / name)
        ratio = inserting.p50 / log.p50
        print(
            f"{name:12}{log.p50:>8.1f} / {log.p99:>6.1f}{inserting.p50:>11.0f} / {inserting.p99:>6.0f}{ratio:>10.0f}x"
            f"{log.rows_per_second:>11,.0f}{inserting.rows_per_second:>9,.0f}"
            f"{log.cpu_us:>14.0f}{inserting.cpu_us:>10.0f}"
        )


class Cost:
    """`microseconds` of each call, and the whole run's rows per second and CPU of this process."""

    def __init__(self, microseconds: list[float], seconds: float, cpu_seconds: float) -> None:
        self.p50 = statistics.median(microseconds)
        self.p99 = statistics.quantiles(microseconds, n=100)[98]
        self.rows_per_second = len(microseconds) / seconds
        self.cpu_us = cpu_seconds / len(microseconds) * 1e6


def put_each(url: str, spool: Path) -> Cost:
    log = PredictionLog(url, spool, "sentiment", queue_size=2 * ROWS)
    log.start()

    def until_written() -> None:
        while log.depth():
            time.sleep(0.001)

    cost = measured(ROWS, log.put, until_written)
    log.close()
    assert log.written == ROWS
    return cost


def insert_each(url: str) -> Cost:
    """What a handler does that writes its row before it answers, on a pooled connection."""
    engine = make_engine(url)
    upgrade(engine)

    def write(record: PredictionRecord) -> None:
        with engine.begin() as connection:
            connection.execute(insert(predictions), asdict(record))

    cost = measured(PEER_ROWS, write, lambda: None)
    engine.dispose()
    return cost


def measured(rows: int, write: Callable[[PredictionRecord], None], finish: Callable[[], None]) -> Cost:
    records = [record() for _ in range(rows)]
    taken = []
    start, cpu = time.perf_counter(), time.process_time()
    for each in records:
        before = time.perf_counter()
        write(each)
        taken.append((time.perf_counter() - before) * 1e6)
    finish()
    return Cost(taken, time.perf_counter() - start, time.process_time() - cpu)


def outage(server: PostgresServer, folder: Path, seconds: float, rate: int) -> None:
    log = PredictionLog(server.url, folder / "spool", "sentiment")
    log.start()
    put: list[str] = []
    slowest: list[float] = []
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            each = record()
            before = time.perf_counter()
            log.put(each)
            slowest.append((time.perf_counter() - before) * 1e6)
            put.append(each.id)
            time.sleep(1 / rate)

    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(3)
    server.stop()
    print(f"PostgreSQL stopped after {len(put):,} rows")
    time.sleep(seconds)
    print(f"{log.depth():,} rows wait, the oldest for {log.lag_seconds():.1f} s; PostgreSQL starts")
    server.start()
    back = time.perf_counter()
    while log.lag_seconds() > 1:
        time.sleep(0.01)
    print(f"caught up {time.perf_counter() - back:.1f} s after it was back, under the same load")
    time.sleep(2)
    done.set()
    thread.join()
    log.close()
    engine = make_engine(server.url)
    with engine.connect() as connection:
        written = Counter(connection.scalars(select(predictions.c.id)))
    engine.dispose()
    lost, doubled = set(put) - written.keys(), [each for each, count in written.items() if count > 1]
    p99, most = statistics.quantiles(slowest, n=100)[98], max(slowest)
    print(f"put {len(put):,}  written {written.total():,}  lost {len(lost)}  doubled {len(doubled)}")
    print(f"put() p50 {statistics.median(slowest):.1f} us  p99 {p99:.1f} us  longest {most / 1000:.1f} ms")


def record() -> PredictionRecord:
    probabilities = {"negative": 0.05, "positive": 0.95}
    now = datetime.now(UTC)
    return PredictionRecord(str(uuid.uuid4()), now, "sentiment", "3", TEXT, "positive", 0.95, probabilities, 3.2)


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer(fsync=True)
    try:
        yield server
    finally:
        server.delete()


if __name__ == "__main__":
    main()
