"""The whole loop, from nothing: a model is trained and served, the world changes, and the model mends itself.

`make story` prints each chapter as it happens. Movie reviews of 2024 train the first champion; service reviews of 2025
are the traffic, and their labels come later, as feedback. All texts are those of data/sample.
"""

import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import polars as pl
import pytest

from benchmarks.load import Load
from sentiment.home import PROJECT
from sentiment.store.journal import Entry, Journal, Kind
from sentiment.store.records import SMOKE_TEST_KEY
from tests.code.webhook_receiver import Receiver, receiving
from tests.e2e.conftest import Result, Run

CUSTOMERS = 60


@pytest.fixture
def port(run: Run) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    yield number
    for process in run.servers():
        process.kill()


@contextmanager
def chapter(title: str) -> Iterator[None]:
    print(f"\n== {title}", flush=True)
    start = time.monotonic()
    yield
    print(f"   ({time.monotonic() - start:.0f} s)", flush=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as chat:
        yield chat


def test_the_loop_closes(run: Run, receiver: Receiver, port: int, tmp_path: Path) -> None:
    movies, services = reviews_in_files(tmp_path)
    url = f"http://127.0.0.1:{port}"
    # A few hundred test rows: a larger share shows a gain at all, and the calibration error is mostly noise.
    train = settings({"dataset.path": str(movies), "split.test": "0.3", "gate.max_ece": "0.15"})
    # A retraining starts from the config that the champion was trained with: nothing of it is said again.
    monitor = settings({"retrain.deployment.port": str(port)})

    with chapter("2024: the first champion, trained on movie reviews, is served"):
        tell(run("--pipeline", "train", *train), "Promoted")
        tell(run("--pipeline", "deploy", "--set", f"port={port}"), "Serving sentiment version 1")

    with chapter("2025: the customers write about services; what they meant comes later"):
        asked = replay(url, services)
        accuracy = answer_back(url, asked)
        print(f"   {len(asked)} predictions; {accuracy:.3f} of the labels that came back agree with them")
        assert accuracy < 0.76

    with chapter("The monitor sees both: other texts, and more mistakes"):
        seen = run("--pipeline", "monitor", *monitor, SENTIMENT_WEBHOOK_URL=receiver.url)
        tell(seen, "drift")
        (monitored,) = journal(run, "monitor")
        assert monitored.detail["drift"]["status"] == "drift"
        assert monitored.detail["quality"]["status"] == "drop"
        assert monitored.detail["quality"]["accuracy"][2] < 0.80
        print("   alerts:", *receiver.messages, sep="\n     ")
        assert any("drift" in message for message in receiver.messages)

    with chapter("It retrains, proves that it is better, and takes over under load"):
        with Load(url, pause=0.02, caller=SMOKE_TEST_KEY) as load:  # which monitoring leaves out
            acted = run("--pipeline", "monitor", "--act", *monitor, SENTIMENT_WEBHOOK_URL=receiver.url)
        tell(acted, "Promoted")
        # Better on services, the whole interval above zero, and no worse on movies.
        assert re.search(r"✓ On the \d+ feedback rows .* is \+[\d.]+ \(\+[\d.]+ to \+", acted.stdout)
        assert re.search(r"✓ On the \d+ test rows that are no feedback .* excludes a loss of 0\.05", acted.stdout)
        assert load.failures == []
        assert load.versions == {"1", "2"}
        print(f"   {len(load.finished)} requests meanwhile, none failed")

    with chapter("The new champion, asked again about what the old one got wrong"):
        assert httpx.get(f"{url}/model").json()["version"] == "2"
        (promotion,) = [entry for entry in journal(run, "promotion") if entry.model_version == "2"]
        print(f"   {promotion.summary}")
        assert any("champion" in message for message in receiver.messages)
        tell(run("models", "list"), "champion")


def reviews_in_files(folder: Path) -> tuple[Path, pl.DataFrame]:
    sample = pl.read_csv(PROJECT / "data/sample/reviews.csv", infer_schema=False)
    movies = sample.filter((pl.col("domain") == "movie") & pl.col("created_at").str.starts_with("2024"))
    movies.write_csv(folder / "movies.csv")
    services = sample.filter(pl.col("domain") == "service").sort("created_at")
    return folder / "movies.csv", services


def settings(values: Mapping[str, str]) -> list[str]:
    return [argument for key, value in values.items() for argument in ("--set", f"{key}={value}")]


def tell(result: Result, expected: str) -> None:
    """Show what the command printed, and hold it against what the story expects."""
    stdout, stderr, code = result.stdout, result.stderr, result.returncode
    for line in stdout.splitlines():
        print(f"   | {line}")
    assert code == 0, stderr
    assert re.search(expected, stdout), stdout


def replay(url: str, services: pl.DataFrame) -> list[tuple[dict[str, str], str | None]]:
    """Every review is sent; returns each answer with what the customer meant, None where the stars do not say."""
    truth = {"1": "negative", "2": "negative", "4": "positive", "5": "positive"}
    asked = []
    with httpx.Client(base_url=url, timeout=30) as client:
        for number, row in enumerate(services.iter_rows(named=True)):
            headers = {"X-Caller-Key": f"customer-{number % CUSTOMERS}"}
            answer = client.post("/predict", json={"text": row["text"] or "(no text)"}, headers=headers)
            if answer.status_code == 200:
                asked.append((answer.json() | {"caller": headers["X-Caller-Key"]}, truth.get(row["rating"])))
    return asked


def answer_back(url: str, asked: Sequence[tuple[dict[str, str], str | None]]) -> float:
    """Send the labels as feedback; returns the share of them that the predictions agree with."""
    right = []
    with httpx.Client(base_url=url, timeout=30) as client:
        for answer, label in asked:
            if label is None:
                continue
            body = {"prediction_id": answer["prediction_id"], "label": label}
            client.post("/feedback", json=body, headers={"X-Caller-Key": answer["caller"]}).raise_for_status()
            right.append(answer["prediction"] == label)
    return sum(right) / len(right)


def journal(run: Run, *kinds: Kind) -> list[Entry]:
    database = Journal(f"sqlite:///{Path(run.state['SENTIMENT_HOME']) / 'predictions.db'}", "sentiment")
    entries = database.entries(kinds)
    database.close()
    return entries
