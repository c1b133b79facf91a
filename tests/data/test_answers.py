"""`score --out`: the file as it was given, with an answer or a reason in every row."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from sentiment.config.dataset import DatasetConfig
from sentiment.errors import ConfigError
from sentiment.scoring.answers import check_out, write_answers
from sentiment.scoring.score import table_rows
from sentiment.scoring.snapshot import take_snapshot
from sentiment.store.scores import ScoreStore, Target
from sentiment.tasks import FIRST

TARGET = Target("sentiment", "3", "mine")
MODEL: Any = SimpleNamespace(task=FIRST, labels=("negative", "positive"))
ROWS = [
    ["a", "좋아요, 정말", "x", "2024-01-01"],
    ["b", "<br />", "y", "2024-01-01"],
    ["c", '"끝"\n아니다', "z", "2024-01-01"],
    ["d", "too long " * 20, "", "2024-01-01"],
    ["e", "old", "", "2020-01-01"],
    ["a", "같은 id", "", "2024-01-01"],
]


@pytest.fixture
def scored(tmp_path: Path) -> tuple[DatasetConfig, str]:
    """A file whose rows were scored as the pipeline does."""
    file = tmp_path / "mine.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([["id", "text", "label", "created_at"], *ROWS])
    config = DatasetConfig(name="mine", path=str(file), max_chars=100, created_from="2023-01-01")
    url = f"sqlite:///{tmp_path}/predictions.db"
    files, _ = take_snapshot(config, 1)
    store = ScoreStore(url)
    for chunk in files.chunks(100):
        found = np.tile(np.array([[0.25, 0.75]], dtype=np.float32), (len(chunk), 1))
        store.insert(table_rows(chunk, found, MODEL, TARGET, datetime(2024, 1, 2, tzinfo=UTC)))
    store.close()
    return config, url


def test_every_row_comes_back_with_an_answer_or_a_reason(scored: tuple[DatasetConfig, str], tmp_path: Path) -> None:
    config, url = scored
    out = tmp_path / "scored.csv"
    assert write_answers(config, TARGET, url, out) == (6, 3)
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [[row[name] for name in ("id", "text", "label", "created_at")] for row in rows] == ROWS
    assert [row["predicted_label"] for row in rows] == ["positive", "", "positive", "", "", "positive"]
    assert [row["confidence"] for row in rows] == ["0.75", "", "0.75", "", "", "0.75"]
    reasons = ["", "empty text", "", "longer than max_chars (100)", "left out by the dataset's settings", ""]
    assert [row["reason"] for row in rows] == reasons
    assert not list(tmp_path.glob(".*unfinished"))


def test_json_lines_are_written_too(scored: tuple[DatasetConfig, str], tmp_path: Path) -> None:
    config, url = scored
    write_answers(config, TARGET, url, tmp_path / "scored.jsonl")
    lines = (tmp_path / "scored.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["confidence"] for line in lines] == [0.75, None, 0.75, None, None, 0.75]


def test_nothing_half_written_is_left(
    scored: tuple[DatasetConfig, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, url = scored
    out = tmp_path / "scored.csv"
    out.write_text("before", encoding="utf-8")
    monkeypatch.setattr(ScoreStore, "fetch", lambda *_: pl.DataFrame({"other": [1]}))
    with pytest.raises(pl.exceptions.PolarsError):
        write_answers(config, TARGET, url, out)
    assert out.read_text(encoding="utf-8") == "before"
    assert not list(tmp_path.glob(".*unfinished"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine.csv", "is the file that is scored"),
        ("scored.xlsx", "does not say which format"),
        ("no/scored.csv", "There is no folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_starts(
    scored: tuple[DatasetConfig, str], tmp_path: Path, name: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        check_out(tmp_path / name, scored[0])
