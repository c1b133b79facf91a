"""Batch scoring on SQLite: which rows are scored, what stands in the table, and that a second run changes nothing."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from zenml.enums import ExecutionStatus

from cli.score import _progress_shown
from pipelines import score as launch
from sentiment.config.dataset import DatasetConfig
from sentiment.config.load import load_config
from sentiment.config.score import ScoreConfig
from sentiment.errors import ConfigError, DataError, SentimentError, StackError
from sentiment.models.base import TextClassifier
from sentiment.pages import figures_of, page_of
from sentiment.scoring import score as scoring
from sentiment.scoring.batch import default_batch
from sentiment.scoring.collect import collect
from sentiment.scoring.parquet import ParquetFiles
from sentiment.scoring.score import ShardReport, score_shard
from sentiment.scoring.snapshot import LONGEST_ID, SeenHashes, SnapshotReport, take_snapshot
from sentiment.scoring.summary import ScoringSummary
from sentiment.stats import Probabilities
from sentiment.store.journal import Journal
from sentiment.store.scores import ScoreStore, Target
from sentiment.tasks import FIRST

TARGET = Target("sentiment", "3", "monday")
TEXTS = [
    "좋아요, 정말",
    "별로예요\n다신 안 사요",
    "très bon",
    "映画はいい",
    "مرحبا",
    "👍👍",
    'say "hi"',
    "ㅋㅋㅋㅋ",
    "-",
    "1",
]


class ByLength:
    """Probabilities that only the text decides; counts what it was asked, and fails where told."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.task, self.labels = FIRST, ("negative", "positive")
        self.asked: list[str] = []
        self.fail_after = fail_after

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise SentimentError("The model failed.")
        self.asked += texts
        positive = np.array([(len(text) % 7 + 1) / 9 for text in texts])
        return np.stack([1 - positive, positive], axis=1).astype(np.float32)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 7)
    monkeypatch.setattr(scoring, "TRANSACTION_ROWS", 20)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/scores.db"


def dataset(path: Path, **options: Any) -> DatasetConfig:
    return DatasetConfig.model_validate({"name": "mine", "path": str(path), **options})


def reviews(folder: Path, rows: int = 100) -> DatasetConfig:
    lines = [
        {"id": f"r{number}", "text": TEXTS[number % 10] + " " * (number % 3) + str(number)} for number in range(rows)
    ]
    for number, line in enumerate(lines[::3]):
        line |= {"created_at": "2025-02-03T04:05:06.5Z", "category": f"c{number % 2}"}
    file = folder / "reviews.jsonl"
    file.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    return dataset(file)


def run(config: DatasetConfig, url: str, shards: int = 1, classifier: TextClassifier | None = None) -> "Run":
    files, report = take_snapshot(config, shards)
    classifier = classifier or ByLength()
    reports = [
        score_shard(ParquetFiles((path,), files.folder), classifier, TARGET, url, on_progress=lambda done, total: None)
        for path in files.paths
    ]
    return Run(files, report, reports)


class Run:
    def __init__(self, files: ParquetFiles, snapshot: SnapshotReport, shards: list[ShardReport]) -> None:
        self.files, self.snapshot, self.shards = files, snapshot, shards


def table(files: ParquetFiles, url: str) -> pl.DataFrame:
    with closing(ScoreStore(url)) as store:
        keys = [key for chunk in files.chunks(50) for key in TARGET.keys(chunk["id"])]
        return store.fetch(keys).drop("time").sort("review_id")


# The snapshot


def test_columns_that_only_training_reads_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,text,label,rating,split\n1,좋아요,great,many,holdout\n2,별로,,5,train\n", encoding="utf-8")
    _, report = take_snapshot(dataset(file), 1)
    assert report.planned == 2


def test_rows_that_cannot_be_scored_are_left_out_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [
        ("1", "좋아요"),
        ("2", "   "),
        ("3", "글" * 60),
        ("1", "다른 글"),
        ("4", "별로"),
        ("4", ""),
        ("5", "\u3000"),
    ]
    pl.DataFrame(rows, schema=["id", "text"], orient="row").write_csv(file)
    files, report = take_snapshot(dataset(file, max_chars=50), 1, chunk_rows=2)
    assert [row for chunk in files.chunks(10) for row in chunk.select("id", "text").rows()] == [
        ("1", "좋아요"),
        ("4", "별로"),
    ]
    assert report.left_out == {"empty text": 3, "longer than max_chars (50)": 1, "repeated id": 1}
    assert report.planned == 2
    assert "2 reviews to score" in report.summary
    assert "repeated id" in page_of(report)


def test_nothing_to_score_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n ' '\n".replace("'", ""), encoding="utf-8")
    with pytest.raises(DataError, match=r"no row to score \(empty text: 1\)"):
        take_snapshot(dataset(tmp_path / "a.csv"), 1)


def test_an_id_that_no_index_holds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"id,text\n{'x' * (LONGEST_ID + 1)},글\n", encoding="utf-8")
    with pytest.raises(DataError, match="1 id of more than 400 characters"):
        take_snapshot(dataset(tmp_path / "a.csv"), 1)


def test_shards_hold_every_row_once_and_a_review_keeps_its_shard(tmp_path: Path) -> None:
    config = reviews(tmp_path, 300)
    files, report = take_snapshot(config, 4, chunk_rows=11)
    again, _ = take_snapshot(config, 4, chunk_rows=100)
    ids = [pl.concat(ParquetFiles((path,)).chunks(50))["id"].to_list() for path in files.paths]
    assert ids == [pl.concat(ParquetFiles((path,)).chunks(50))["id"].to_list() for path in again.paths]
    assert sorted(chain.from_iterable(ids)) == sorted(f"r{number}" for number in range(300))
    assert min(report.shards) > 40
    assert len(files) == sum(report.shards) == 300


def test_seen_hashes_are_those_of_a_set() -> None:
    generator = np.random.default_rng(0)
    seen, known = SeenHashes(), set[int]()
    for _ in range(60):
        hashes = generator.integers(0, 2_000, generator.integers(1, 90)).astype(np.uint64)
        expected = []
        for value in hashes.tolist():
            expected.append(value not in known)
            known.add(value)
        assert seen.add(hashes).tolist() == expected
    assert len(seen._runs) <= 12


# The table


def test_every_review_is_there_as_it_was_predicted(tmp_path: Path, url: str) -> None:
    done = run(reviews(tmp_path), url)
    rows = table(done.files, url)
    assert len(rows) == 100
    assert set(rows["batch"]) == {"monday"}
    assert set(rows["model_version"]) == {"3"}
    by_id = {row["review_id"]: row for row in rows.iter_rows(named=True)}
    row = by_id["r6"]
    expected = ByLength().predict_proba([row["text"]])[0]
    assert row["text"] == 'say "hi"6'
    assert json.loads(row["probabilities"]) == pytest.approx(
        dict(zip(("negative", "positive"), expected, strict=True)), abs=1e-6
    )
    assert row["label"] == ("positive" if expected[1] > expected[0] else "negative")
    assert row["confidence"] == pytest.approx(expected.max(), abs=1e-6)
    assert row["created_at"] == datetime(2025, 2, 3, 4, 5, 6, 500_000)
    assert (row["category"], row["source"], by_id["r1"]["category"]) == ("c0", "mine", None)
    assert {each["language"] for each in by_id.values()} == {"ko", "en", "other"}


def test_a_second_run_predicts_nothing_and_changes_nothing(tmp_path: Path, url: str) -> None:
    done = run(reviews(tmp_path), url)
    first = table(done.files, url)
    classifier = ByLength()
    again = run(reviews(tmp_path), url, classifier=classifier)
    assert classifier.asked == []
    assert (again.shards[0].scored, again.shards[0].skipped) == (0, 100)
    assert table(done.files, url).equals(first)


def test_shards_change_nothing_but_the_order(tmp_path: Path, url: str) -> None:
    one = table(run(reviews(tmp_path), url).files, url)
    other = f"sqlite:///{tmp_path}/four.db"
    assert table(run(reviews(tmp_path), other, shards=4).files, other).equals(one)


def test_what_was_scored_before_a_failure_is_not_scored_again(tmp_path: Path, url: str) -> None:
    failing = ByLength(fail_after=60)
    with pytest.raises(SentimentError, match="The model failed"):
        run(reviews(tmp_path), url, classifier=failing)
    rest = ByLength()
    done = run(reviews(tmp_path), url, classifier=rest)
    assert 0 < done.shards[0].skipped <= len(failing.asked) < 100
    assert len(rest.asked) == 100 - done.shards[0].skipped
    assert len(table(done.files, url)) == 100


def test_another_version_has_rows_of_its_own(tmp_path: Path, url: str) -> None:
    done = run(reviews(tmp_path), url)
    other = Target("sentiment", "4", "monday")
    report = score_shard(done.files, ByLength(), other, url, on_progress=lambda done, total: None)
    assert report.scored == 100


def test_personal_data_is_masked_in_the_table_and_not_for_the_model(tmp_path: Path, url: str) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,문의 010-1234-5678\n2,me@example.com 좋아요\n", encoding="utf-8")
    classifier = ByLength()
    done = run(dataset(tmp_path / "a.csv"), url, classifier=classifier)
    assert classifier.asked == ["문의 010-1234-5678", "me@example.com 좋아요"]
    assert table(done.files, url)["text"].to_list() == ["문의 [PHONE]", "[EMAIL] 좋아요"]


def test_progress_ends_at_the_total(tmp_path: Path, url: str) -> None:
    files, _ = take_snapshot(reviews(tmp_path), 1)
    seen: list[tuple[int, int]] = []
    score_shard(files, ByLength(), TARGET, url, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (100, 100)
    assert seen == sorted(seen)
    assert len(seen) > 5


def test_a_probability_that_is_no_number_ends_the_run(tmp_path: Path, url: str) -> None:
    class Broken(ByLength):
        def predict_proba(self, texts: Sequence[str]) -> Probabilities:
            return np.full((len(texts), 2), np.nan, dtype=np.float32)

    with pytest.raises(SentimentError, match="no number"):
        run(reviews(tmp_path), url, classifier=Broken())


# Collecting


@pytest.fixture
def finished(tmp_path: Path, url: str) -> tuple[Run, Path]:
    return run(reviews(tmp_path), url, shards=2), tmp_path / "result.parquet"


def test_the_result_holds_every_row_and_the_tally_counts_them(finished: tuple[Run, Path], url: str) -> None:
    done, result = finished
    tally = collect(done.files, TARGET, ("negative", "positive"), url, result)
    frame = pl.read_parquet(result)
    assert frame["review_id"].to_list() == [each for chunk in done.files.chunks(100) for each in chunk["id"]]
    assert tally.rows == len(frame) == sum(tally.confidence) == 100
    assert tally.by_label() == dict(frame["label"].value_counts(sort=True).rows())
    (first, *_) = tally.counts
    group = frame.filter(label=first.label, language=first.language)
    assert (first.rows, first.confidence) == (len(group), pytest.approx(group["confidence"].mean()))


def test_a_row_that_is_missing_is_told(finished: tuple[Run, Path], url: str) -> None:
    done, result = finished
    with closing(ScoreStore(url)) as store, store._transaction() as connection:
        connection.exec_driver_sql("DELETE FROM scores WHERE review_id IN ('r3', 'r50')")
    with pytest.raises(StackError, match="2 of the 100 rows of the batch 'monday' are not in the table"):
        collect(done.files, TARGET, ("negative", "positive"), url, result)


def test_another_model_with_the_same_version_and_batch_has_rows_of_its_own(
    finished: tuple[Run, Path], url: str
) -> None:
    done, result = finished
    other = Target("another", TARGET.model_version, TARGET.batch)
    with closing(ScoreStore(url)) as store:
        assert (store.has_begun(TARGET), store.has_begun(other)) == (True, False)
    report = score_shard(done.files, ByLength(), other, url, on_progress=lambda done, total: None)
    assert (report.scored, report.skipped) == (100, 0)
    for target in (TARGET, other):
        assert collect(done.files, target, ("negative", "positive"), url, result).rows == 100


def test_the_summary_is_a_page_and_an_entry_of_the_journal(finished: tuple[Run, Path], url: str) -> None:
    done, result = finished
    summary = ScoringSummary(
        model_name="sentiment",
        model_version="3",
        kind="length",
        batch="monday",
        labels=("negative", "positive"),
        snapshot=done.snapshot,
        shards=tuple(done.shards),
        tally=collect(done.files, TARGET, ("negative", "positive"), url, result),
        parquet=str(result),
    )
    assert "The batch monday has 100 rows by sentiment version 3 (100 scored now, 0 there before)" in summary.summary
    assert summary.rows_per_second > 0
    assert ScoringSummary.model_validate_json(summary.model_dump_json()) == summary
    assert figures_of(summary)["confidence"].count("<svg ") == 1
    page = page_of(summary)
    assert str(result) in page
    assert "<svg " in page
    summary.record(url)
    with closing(Journal(url, "sentiment")) as journal:
        (entry,) = journal.entries(["score"])
    assert entry.summary == summary.summary
    assert entry.detail["batch"] == "monday"


# The config


def test_the_batch_is_named_after_dataset_and_source_unless_told() -> None:
    config = load_config(Path("configs/score.yaml"), ScoreConfig)
    assert default_batch(config, "abcdef0123456789") == "reviews-abcdef012345"
    other = config.model_copy(update={"model_name": "other"})
    assert default_batch(other, "abcdef0123456789") == "other-reviews-abcdef012345"
    named = load_config(Path("configs/score.yaml"), ScoreConfig, ["batch=2026-11-21", "shards=4"])
    assert (named.batch, named.shards) == ("2026-11-21", 4)


@pytest.mark.parametrize("override", ["batch=''", "batch='a\tb'", "shards=0", "shards=1000", "dataset.queri=x"])
def test_a_config_that_makes_no_sense_is_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        load_config(Path("configs/score.yaml"), ScoreConfig, [override])


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([0.0, 4.0, 12.0, 15.0, 24.0])
    monkeypatch.setattr("cli.score.time.monotonic", lambda: next(moments))
    with _progress_shown() as on_progress:
        for done in (100, 300, 400, 600):
            on_progress(done, 1_200)
    assert capsys.readouterr().out.splitlines() == [
        "  · 300 of 1,200 rows, about 36 s left",
        "  · 600 of 1,200 rows, about 24 s left",
    ]


def test_rows_of_a_lost_shard_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(name: str, status: ExecutionStatus, **noted: object) -> SimpleNamespace:
        return SimpleNamespace(name=name, status=status, run_metadata=noted)

    steps = [
        step("snapshot_source", ExecutionStatus.COMPLETED, rows=300),
        step("map:score_shard:0", ExecutionStatus.COMPLETED, progress={"done": 100, "total": 100}),
        step("map:score_shard:1", ExecutionStatus.RETRIED, progress={"done": 90, "total": 200}),
        step("map:score_shard:1", ExecutionStatus.RUNNING, progress={"done": 120, "total": 200}),
    ]
    client = SimpleNamespace(
        list_pipeline_runs=lambda **_: SimpleNamespace(items=[SimpleNamespace(id=1)]),
        list_run_steps=lambda **_: SimpleNamespace(items=steps),
    )
    monkeypatch.setattr(launch, "Client", lambda: client)
    assert launch._progress("score-1") == (220, 300)
