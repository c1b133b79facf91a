"""Retrain from labels that came back: paused, promoted, and taken back when the new champion cannot be deployed."""

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from sentiment.home import PROJECT
from tests.e2e.conftest import Run

# The champion's answers to the service reviews of 2025, each with its label, as the endpoint would have logged them.
TRAFFIC = """
from datetime import UTC, datetime, timedelta
import polars as pl
from sentiment.store import PredictionRecord
from sentiment.store.database import default_database_url
from sentiment.store.predictions import PredictionDatabase
from sentiment.store.records import FeedbackRecord
from sentiment.predictor import Predictor

rows = pl.read_csv("data/sample/reviews.csv").filter(pl.col("domain") == "service", pl.col("rating") != 3)
champion = Predictor.champion()
start = datetime.now(UTC) - timedelta(hours=2)
events = []
texts = rows["text"].fill_null("").to_list()
for number, (answer, rating) in enumerate(zip(champion.predict(texts, return_probs=True), rows["rating"], strict=True)):
    time = start + timedelta(seconds=number)
    events.append(PredictionRecord(
        f"p{number}", time, "sentiment", str(champion.version), answer["text"], answer["label"], answer["confidence"],
        answer["probs"], 1.0,
    ))
    label = "positive" if rating > 3 else "negative"
    later = time + timedelta(minutes=5)
    events.append(FeedbackRecord(f"f{number}", f"p{number}", later, "sentiment", label, "api", "c"))
    if number < 40:  # and a caller who calls everything wrong
        flipped = "positive" if answer["label"] == "negative" else "negative"
        confident = PredictionRecord(
            f"x{number}", time, "sentiment", str(champion.version), f"아무 말 {number}", answer["label"], 0.95,
            answer["probs"], 1.0,
        )
        events += [confident, FeedbackRecord(f"y{number}", f"x{number}", time, "sentiment", flipped, "api", "flipper")]
database = PredictionDatabase(default_database_url(), "sentiment")
database.connect()
assert database.insert(events) == []
database.close()
"""
PAUSE = """
from sentiment.store.database import default_database_url
from sentiment.store.journal import journal_of
from sentiment.retraining.history import {what}
with journal_of(default_database_url(), "sentiment") as journal:
    {what}(journal, "a drill", "kim")
"""


def python(run: Run, code: str) -> None:
    result = run.shell(f"{sys.executable} -c '{code.replace(chr(39), chr(34))}'")
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "movies.csv"
    pl.read_csv(PROJECT / "data/sample/reviews.csv").filter(pl.col("domain") == "movie").write_csv(path)
    return path


@pytest.fixture(scope="module")
def retrained(run: Run, movies: Path) -> subprocess.CompletedProcess[str]:
    """A champion of 2024's movies meets the services of 2025; the new one does not start in the time it is given.

    Nobody tells the retraining which reviews the champion learnt from, nor how they were split.
    """
    trained = run("--pipeline", "train", "--set", f"dataset.path={movies}", "--set", "split.test=0.3")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    python(run, TRAFFIC)
    python(run, PAUSE.format(what="pause"))
    refused = run("--pipeline", "retrain")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "paused by kim: a drill" in refused.stderr
    python(run, PAUSE.format(what="resume"))
    refused = run("--pipeline", "retrain", "--set", "train=configs/train.yaml")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    told = " ".join(refused.stderr.split())
    assert (
        f"was trained on {movies.stem} ({movies}); the retrain config names sample (data/sample/reviews.csv), which"
        in told
    )
    trusted = ("--set", "feedback.trusted_callers=[c]")  # known to us: the labels of one day earn no trust
    return run("--pipeline", "retrain", *trusted, "--set", "deployment.start_seconds=0.05")


def test_the_gate_promotes_with_the_intervals_to_prove_it(retrained: subprocess.CompletedProcess[str]) -> None:
    assert re.search(r"✓ collect_feedback .* 40 label flip", retrained.stdout), retrained.stdout + retrained.stderr
    assert "Promoted: linear over v1" in retrained.stdout
    feedback = re.search(r"feedback rows of the test set the macro-F1 difference is \+0\.\d+ \(\+", retrained.stdout)
    known = re.search(
        r"rows that are no feedback the macro-F1 difference is .* which excludes a loss", retrained.stdout
    )
    assert feedback
    assert known


def test_what_cannot_be_deployed_is_not_champion(run: Run, retrained: subprocess.CompletedProcess[str]) -> None:
    assert retrained.returncode == 4, retrained.stdout + retrained.stderr
    assert "version 1, which still serves, is the champion again" in retrained.stdout
    assert "Traceback" not in retrained.stdout + retrained.stderr
    versions = run("models", "list").stdout
    assert re.search(r"1 +champion", versions)
    assert "could not be deployed" in versions
    assert run.servers() == []


def test_the_journal_tells_it_all(run: Run, retrained: subprocess.CompletedProcess[str]) -> None:
    history = run("retrain", "history").stdout
    expected = ("started (asked for)", "Promoted: linear over v1", "champion again", "could not be deployed", "a drill")
    for sentence in expected:
        assert sentence in history, history
    assert "No retraining, though" in history


def test_the_card_says_where_its_rows_come_from_and_its_command_makes_the_model_again(
    run: Run, retrained: subprocess.CompletedProcess[str]
) -> None:
    card = run("models", "show", "2").stdout
    assert re.search(r"labels of users.*accepted; quarantined: .*40 label flip", card), card
    assert re.search(r"compared with *│? *version 1", card), card
    command = re.search(r"python run\.py reproduce [0-9a-f]{12}", card)
    assert command
    again = run.shell(command.group())
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Version 2 is reproduced, byte for byte." in again.stdout
