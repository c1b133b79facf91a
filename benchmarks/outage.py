"""The endpoint while its database is gone: failed requests, rows lost and doubled, and the time to catch up.

python benchmarks/outage.py --seconds 30                   # a linear model trained on the bundled sample
python benchmarks/outage.py --seconds 30 --model FOLDER    # another

`bentoml serve` logs to a fresh PostgreSQL (its defaults, fsync included) while 4 clients ask. PostgreSQL is stopped
for as long as told, then started again, all under load. A row is lost when a caller got an answer whose id the
database does not hold in the end.
"""

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load import Load
from benchmarks.switch import sample_model
from sentiment.store.database import make_engine
from sentiment.store.tables import predictions
from tests.service.postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = 4
REQUESTS_PER_SECOND = 200  # at the most, all clients together
SECONDS_BEFORE = 3
SECONDS_AFTER = 3
SECONDS_TO_START = 60
SECONDS_TO_CATCH_UP = 120
CAUGHT_UP_LAG = 2.0  # seconds; a row takes a quarter of one when all is well


@contextmanager
def serving(model: Path, database_url: str, state: Path) -> Iterator[int]:
    """Its port, once it is ready. Ending it writes what the log still holds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "BENTOML_HOME": str(state / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "1",
        "SENTIMENT_HOME": str(state / "home"),
        "SENTIMENT_MODEL_DIR": str(model),
        "SENTIMENT_DATABASE_URL": database_url,
    }
    command = [str(Path(sys.executable).with_name("bentoml")), "serve", "serving.service:Sentiment"]
    with (state / "log.txt").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    workers = []
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"The server did not start:\n{(state / 'log.txt').read_text()[-2000:]}")
            time.sleep(0.2)
        workers = psutil.Process(process.pid).children(recursive=True)
        yield port
    finally:
        process.terminate()
        process.wait(30)
        for left in psutil.wait_procs(workers, 10)[1]:
            left.kill()


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def is_ready(port: int) -> bool:
    try:
        return get(port, "/readyz")[0] == 200
    except OSError:
        return False


def metric(port: int, name: str) -> float:
    lines = get(port, "/metrics")[1].splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def seconds_until_caught_up(port: int) -> float:
    start = time.perf_counter()
    while metric(port, "sentiment_log_lag_seconds") > CAUGHT_UP_LAG:
        if time.perf_counter() - start > SECONDS_TO_CATCH_UP:
            sys.exit(f"Rows still wait {SECONDS_TO_CATCH_UP} s after PostgreSQL was back.")
        time.sleep(0.1)
    return time.perf_counter() - start


def outage(postgres: PostgresServer, model: Path, state: Path, seconds: float) -> None:
    with serving(model, postgres.url, state) as port:
        with Load(f"http://127.0.0.1:{port}", CLIENTS, pause=CLIENTS / REQUESTS_PER_SECOND) as load:
            time.sleep(SECONDS_BEFORE)
            postgres.stop()
            stopped = len(load.finished)
            time.sleep(seconds)
            during = load.finished[stopped:]
            waited = metric(port, "sentiment_log_depth")
            postgres.start()
            catching_up = seconds_until_caught_up(port)
            time.sleep(SECONDS_AFTER)
        dropped = metric(port, "sentiment_log_dropped_total")
    engine = make_engine(postgres.url)
    with engine.connect() as connection:
        rows = Counter(connection.scalars(select(predictions.c.id)))
    engine.dispose()

    before = load.finished[:stopped]
    print(f"requests                {len(load.ids) + len(load.failures):>8,}")
    print(f"failed requests         {len(load.failures):>8,}   {dict(Counter(load.failures)) or ''}")
    print(f"rows in the database    {rows.total():>8,}")
    print(f"rows lost               {len(set(load.ids) - rows.keys()):>8,}   (the server counts {dropped:.0f})")
    print(f"rows doubled            {sum(count > 1 for count in rows.values()):>8,}")
    print(f"rows that waited        {waited:>8,.0f}   (after {seconds:.0f} s without PostgreSQL)")
    print(
        f"seconds to catch up     {catching_up:>8.1f}   (until no row is older than {CAUGHT_UP_LAG:.0f} s, under load)"
    )
    print(f"p95 of a request in ms  {p95_ms(during):>8.1f}   (before the outage {p95_ms(before):.1f})")


def p95_ms(finished: list[tuple[float, float]]) -> float:
    return 1_000 * sorted(seconds for _, seconds in finished)[int(0.95 * (len(finished) - 1))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="How long PostgreSQL is away.")
    parser.add_argument("--model", type=Path, help="A model folder.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        state = Path(temporary)
        model = arguments.model or sample_model(state / "model")
        postgres = PostgresServer(fsync=True)
        try:
            outage(postgres, model.resolve(), state, arguments.seconds)
        finally:
            postgres.delete()


if __name__ == "__main__":
    main()
