"""Reading in chunks gives what reading at once gives, whatever the source and wherever the chunks end."""

import gzip
import json
import os
import sqlite3
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from sentiment.config.dataset import DatasetConfig
from sentiment.data.read import ReviewStream, read, source_digest
from sentiment.data.sources.database import query_batches, query_digest
from sentiment.errors import ConfigError, DataError

ROWS: list[dict[str, Any]] = [
    {
        "id": f"r{number}",
        "text": text,
        "rating": [1, 5, 4.5, None][number % 4],
        "category": ["movie", None][number % 2],
        "language": None,
        "created_at": f"2025-01-{number % 28 + 1:02d}",
    }
    for number, text in enumerate(
        ["좋아요, 정말", 'he said "no"', "두 줄\n짜리 글", "très bon", "映画", "👍👍", "ok", "별로 ㅠㅠ", "  ", "مرحبا"]
        * 5
    )
]


def config(path: Path | str, **options: Any) -> DatasetConfig:
    return DatasetConfig.model_validate({"name": "mine", "path": str(path), **options})


def streamed(dataset: DatasetConfig, chunk_rows: int) -> tuple[pl.DataFrame, ReviewStream]:
    stream = ReviewStream(dataset, chunk_rows)
    chunks = list(stream)
    assert max(map(len, chunks)) <= chunk_rows
    return pl.concat(chunks), stream


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    frame = pl.DataFrame(ROWS, schema_overrides={"language": pl.String})
    frame.write_csv(tmp_path / "a.csv")
    frame.write_csv(tmp_path / "a.tsv", separator="\t")
    frame.write_parquet(tmp_path / "a.parquet")
    # Keys that are not in every line, and a key with numbers and texts.
    lines = [{key: value for key, value in row.items() if value is not None} for row in ROWS]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.jsonl").read_bytes())
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    korean = "id,text,rating\n" + "".join(f"{number},좋아요 정말,5\n" for number in range(50))
    (tmp_path / "cp949.csv").write_bytes(korean.encode("cp949"))
    return {path.name: path for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "b.jsonl", "a.parquet", "a.csv.gz", "cp949.csv"])
@pytest.mark.parametrize("chunk_rows", [1, 7, 50, 1000])
def test_chunks_together_are_what_read_gives(files: dict[str, Path], name: str, chunk_rows: int) -> None:
    dataset = config(files[name], encoding="cp949" if name.startswith("cp949") else "utf-8")
    whole, report = read(dataset, labelled=False)
    frame, stream = streamed(dataset, chunk_rows)
    assert frame.drop("split").equals(whole.train.frame())
    assert stream.report() == report
    assert len(frame) == 50


def test_ids_go_on_over_chunks_and_start_again_in_the_next_file(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("text\n" + "좋아요\n" * 5, encoding="utf-8")
    frame, _ = streamed(config(tmp_path), 2)
    assert frame["id"].to_list() == [f"{name}.csv:{row}" for name in "ab" for row in range(1, 6)]


def test_a_key_of_numbers_and_texts_is_read_alike_in_every_chunk(tmp_path: Path) -> None:
    lines = [{"id": value, "text": "글"} for value in (1, 2.0, 2.5, "x7", True)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    whole, _ = read(config(tmp_path / "a.jsonl"), labelled=False)
    for chunk_rows in (1, 2, 5):
        assert (
            streamed(config(tmp_path / "a.jsonl"), chunk_rows)[0]["id"].to_list() == whole.train.frame()["id"].to_list()
        )


def test_whole_numbers_in_a_column_of_fractions_lose_their_zero(tmp_path: Path) -> None:
    pl.DataFrame({"id": [1.0, 2.5, 3.0], "text": ["가", "나", "다"]}).write_parquet(tmp_path / "a.parquet")
    for chunk_rows in (1, 3):
        assert streamed(config(tmp_path / "a.parquet"), chunk_rows)[0]["id"].to_list() == ["1", "2.5", "3"]


def test_dates_select_rows_in_every_chunk(files: dict[str, Path]) -> None:
    dataset = config(files["a.csv"], created_from=date(2025, 1, 10), created_before=date(2025, 1, 20))
    frame, stream = streamed(dataset, 6)
    assert frame["created_at"].dt.day().is_between(10, 19).all()
    assert stream.report() == read(dataset, labelled=False)[1]
    with pytest.raises(DataError, match="no row is left after created_from 2030-01-01: 50 rows"):
        streamed(config(files["a.csv"], created_from=date(2030, 1, 1)), 6)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("text\n" + "a\n" * 40 + "b,c\n", "line 42: 2 fields where the header has 1"),
        ("id,text\n" + "1,a\n" * 40 + "2\n", "line 42: 1 field where the header has 2"),
        (b"text\n" + b"a\n" * 40 + "좋아요\n".encode("cp949"), r"not utf-8 text \(line 42, byte 85\)"),
        ("text\n" + "a\n" * 40 + "\x00\n", "holds binary data"),
        ("text\n", r"has a header \(text\) but no rows"),
    ],
)
def test_a_bad_row_far_into_a_file_is_named(tmp_path: Path, content: str | bytes, cause: str) -> None:
    (tmp_path / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=cause):
        streamed(config(tmp_path / "a.csv"), 5)


def test_a_character_may_lie_across_the_blocks_that_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentiment.data.encoding.BLOCK", 5)
    (tmp_path / "a.csv").write_text("text\n" + "좋아요 정말\n" * 9, encoding="cp949")
    frame, _ = streamed(config(tmp_path / "a.csv", encoding="cp949"), 4)
    assert frame["text"].to_list() == ["좋아요 정말"] * 9
    with pytest.raises(DataError, match=r"line 2, byte 5\), but it reads as cp949"):
        streamed(config(tmp_path / "a.csv"), 4)


def test_a_hub_dataset_comes_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "owner" / "reviews"
    folder.mkdir(parents=True)
    kinds = Features({"text": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    rows = {"text": [f"글 {number}" for number in range(9)], "label": [0, 1, 1] * 3}
    Dataset.from_dict(rows, features=kinds).to_parquet(folder / "train.parquet")
    dataset = config("hf://owner/reviews")
    frame, _ = streamed(dataset, 4)
    assert frame.drop("split").equals(read(dataset)[0].train.frame())
    assert frame["label"].to_list() == [0, 1, 1] * 3


# Databases


@pytest.fixture
def reviews_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    file = tmp_path / "reviews.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE reviews (id INTEGER, text TEXT, label TEXT, created_at TEXT)")
        rows = [(n, f"글 {n}", ["negative", "positive"][n % 2], "2025-03-04 05:06:07") for n in range(23)]
        database.executemany("INSERT INTO reviews VALUES (?, ?, ?, ?)", rows)
    monkeypatch.setenv("REVIEWS_URL", f"sqlite:///{file}")
    return f"sqlite:///{file}"


def query(sql: str = "SELECT * FROM reviews", **options: Any) -> DatasetConfig:
    return config("database://REVIEWS_URL", query=sql, **options)


def test_a_query_is_read_in_chunks_and_whole(reviews_url: str) -> None:
    whole, report = read(query())
    frame, _ = streamed(query(), 5)
    assert frame.drop("split").equals(whole.train.frame())
    assert frame["id"].to_list() == [str(number) for number in range(23)]
    assert set(frame["created_at"]) == {datetime(2025, 3, 4, 5, 6, 7)}
    assert report.files == ["database://REVIEWS_URL"]


def test_the_digest_of_a_query_is_that_of_its_rows_in_any_order(reviews_url: str) -> None:
    down, up = query("SELECT * FROM reviews ORDER BY id DESC"), query("SELECT * FROM reviews ORDER BY id ASC")
    assert source_digest(query()) == source_digest(query())
    assert source_digest(down) != source_digest(up)  # another query is another source
    assert query_digest(down.path, str(down.query), 4) == query_digest(up.path, str(up.query), 1000)
    before = source_digest(query())
    with sqlite3.connect(reviews_url.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE reviews SET text = '다른 글' WHERE id = 7")
    assert source_digest(query()) != before


def test_colons_and_percent_signs_in_a_query_are_its_own(reviews_url: str) -> None:
    sql = "SELECT id, text, ' :not_a_parameter' AS label FROM reviews WHERE text LIKE '글 1%'"
    frame = next(query_batches("database://REVIEWS_URL", sql, 100))
    assert len(frame) == 11
    assert frame["label"][0] == " :not_a_parameter"


def test_a_query_changes_nothing(reviews_url: str) -> None:
    with pytest.raises(DataError, match="query on database://REVIEWS_URL failed"):
        list(query_batches("database://REVIEWS_URL", "DELETE FROM reviews RETURNING id, text", 5))
    assert len(read(query())[0].train) == 23


@pytest.mark.parametrize(
    ("sql", "cause"),
    [
        ("SELECT * FROM revews", "failed: no such table: revews"),
        ("SELECT * FROM reviews WHERE id < 0", "gives no rows"),
        ("SELECT text FROM reviews", "gives no id"),
        ("SELECT id, text AS texts FROM reviews", "no column 'text'"),
        ('SELECT 1 AS "kim@example.com", 2 AS "kim@example.com"', r"two columns of one name: \[EMAIL\]\."),
        (
            'SELECT id, text AS "kim@example.com" FROM reviews',
            r"id, \[EMAIL\]\.\s+fix: Valid names: \[EMAIL\], id\.",
        ),
    ],
)
def test_a_query_that_cannot_be_used_is_one_sentence(reviews_url: str, sql: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        streamed(query(sql), 5)


def test_the_variable_must_hold_a_url_and_its_password_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for value, kind, cause in (
        ("", ConfigError, "variable REVIEWS_URL, which is not set"),
        ("hunter2", ConfigError, "holds no database URL"),
        ("oracle+none://me:hunter2@host/x", ConfigError, "needs a driver"),
        (f"sqlite:///{tmp_path}/none.db", DataError, "does not exist"),
        (
            "postgresql://me:hunter2@127.0.0.1:9/x?connect_timeout=2",
            DataError,
            "query on database://REVIEWS_URL failed",
        ),
    ):
        monkeypatch.setenv("REVIEWS_URL", value)
        with pytest.raises(kind, match=cause) as raised:
            streamed(query(), 5)
        assert "hunter2" not in str(raised.value)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"path": "database://REVIEWS_URL"}, "query and a path database://VARIABLE go together"),
        ({"path": "a.csv", "query": "SELECT 1"}, "query and a path database://VARIABLE go together"),
        ({"path": "database://postgresql://me@host/x", "query": "SELECT 1"}, "must name the environment variable"),
        ({"path": "a.csv", "test_path": "database://REVIEWS_URL"}, "only path may be a database"),
    ],
)
def test_a_database_and_its_query_go_together(options: dict[str, str], cause: str) -> None:
    for use in (source_digest, read):
        with pytest.raises(ConfigError, match=cause):
            use(config(**options))
