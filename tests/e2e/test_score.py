"""The score pipeline from the command line: once, again, in shards, from a database, and without what it needs."""

import re
import shlex
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from tests.e2e.conftest import Result, Run

ROWS = 998  # the sample's reviews of 2025


@pytest.fixture(scope="module")
def first(run: Run) -> Result:
    trained = run("--pipeline", "train", "--set", "candidates=[linear]")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    return run("--pipeline", "score")


def table(run: Run, batch: str) -> list[tuple[str, str]]:
    with sqlite3.connect(Path(run.state["SENTIMENT_HOME"]) / "predictions.db") as database:
        rows = database.execute("SELECT review_id, label FROM scores WHERE batch = ?", [batch])
        return sorted(rows.fetchall())


def batch_of(result: Result) -> str:
    found = re.search(r"^  batch +(\S+)$", result.stdout, re.M)
    assert found, result.stdout + result.stderr
    return found[1]


def test_without_a_champion_it_says_what_to_do(run: Run) -> None:
    result = run("--pipeline", "score", "--set", "model_name=nobody")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "nobody has no champion" in result.stderr
    assert "run.py train" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_every_review_is_in_the_table_and_in_the_file(run: Run, first: Result) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"{ROWS:,} rows by sentiment version 1 ({ROWS:,} scored now, 0 there before)" in first.stdout
    rows = table(run, batch_of(first))
    assert len(rows) == len(set(rows)) == ROWS
    result = re.search(r"^  result +(\S+)$", first.stdout, re.M)
    assert result
    assert sorted(pl.read_parquet(result[1]).select("review_id", "label").rows()) == rows
    assert len(first.stdout.splitlines()) < 40
    next_commands = first.stdout.split("Next\n")[1].strip().splitlines()[:3]
    assert all("run.py" in shlex.split(command)[1] for command in next_commands)


def test_again_in_shards_nothing_is_scored_and_nothing_changes(run: Run, first: Result) -> None:
    before = table(run, batch_of(first))
    again = run("--pipeline", "score", "--set", "shards=3")
    assert again.returncode == 0, again.stdout + again.stderr
    assert batch_of(again) == batch_of(first)
    assert "(nothing new: all were there before)" in again.stdout
    assert len(re.findall(r"✓ map:score_shard:\d", again.stdout)) == 3
    assert table(run, batch_of(first)) == before


def test_a_query_is_scored_and_its_address_stays_out_of_sight(run: Run, first: Result, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "hunter2.db") as database:
        database.execute("CREATE TABLE reviews (number INTEGER, body TEXT)")
        database.executemany("INSERT INTO reviews VALUES (?, ?)", [(n, f"정말 좋아요 {n}") for n in range(40)])
    result = run(
        *("--pipeline", "score", "--set", "batch=from-sql", "--set", "shards=2"),
        *("--set", "dataset.path=database://REVIEWS_URL", "--set", "dataset.query=SELECT * FROM reviews"),
        *("--set", "dataset.id_column=number", "--set", "dataset.text_column=body"),
        REVIEWS_URL=f"sqlite:///{tmp_path}/hunter2.db",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(table(run, "from-sql")) == 40
    assert "hunter2" not in result.stdout + result.stderr
    with sqlite3.connect(Path(run.state["ZENML_CONFIG_PATH"]) / "local_stores/default_zen_store/zenml.db") as store:
        assert "hunter2" not in "\n".join(store.iterdump())


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        (["--set", "dataset.path=nowhere.csv"], {}, (5, "nowhere.csv")),
        (["--set", "shard=2"], {}, (2, "'shards'")),
        (["--set", "batch=x"], {"SENTIMENT_DATABASE_URL": "postgresql://me@127.0.0.1:9/x"}, (4, "prediction database")),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_its_exit_code(
    run: Run, first: Result, arguments: list[str], variables: dict[str, str], expected: tuple[int, str]
) -> None:
    result = run("--pipeline", "score", *arguments, **variables)
    code, words = expected
    assert result.returncode == code, result.stdout + result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
