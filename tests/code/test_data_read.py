import gzip
import hashlib
import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import polars as pl
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from sentiment.config.dataset import DatasetConfig
from sentiment.data.read import detect_language, read, source_digest
from sentiment.data.sources.http import download, remote_version
from sentiment.errors import OR, DataError

ROWS = "text,label\n좋아요,positive\n별로,negative\n"


def config(path: Path | str, **options: Any) -> DatasetConfig:
    return DatasetConfig.model_validate({"name": "mine", "path": str(path), **options})


def written(folder: Path, content: str | bytes, name: str = "reviews.csv") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def train(path: Path | str, **options: Any) -> pl.DataFrame:
    return read(config(path, **options))[0].train.frame()


# What is read


def test_text_and_label_are_enough(tmp_path: Path) -> None:
    frame = train(written(tmp_path, ROWS))
    assert frame["text"].to_list() == ["좋아요", "별로"]
    assert frame["label"].to_list() == [1, 0]
    assert frame["id"].to_list() == ["reviews.csv:1", "reviews.csv:2"]
    assert frame["language"].to_list() == ["ko", "ko"]
    assert frame["source"].to_list() == ["mine", "mine"]


def test_columns_are_mapped_by_name(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "reviewText,overall,asin,when\n"
        'Great,5.0,7,"09 13, 2009"\nBad,1.0,8,"1 2, 2010"\nMeh,3.0,9,2011-02-03T04:05:06Z\n?,x,10,soon\n',
    )
    names = {"text_column": "reviewText", "rating_column": "overall", "id_column": "asin", "created_at_column": "when"}
    splits, report = read(config(file, **names))
    frame = splits.train.frame()
    assert frame["id"].to_list() == ["7", "8", "9", "10"]
    assert frame["label"].to_list() == [1, 0, None, None]
    assert frame["rating"].to_list() == [5, 1, 3, None]
    assert frame["language"].to_list() == ["en", "en", "en", "other"]
    assert frame["created_at"].to_list() == [
        datetime(2009, 9, 13),
        datetime(2010, 1, 2),
        datetime(2011, 2, 3, 4, 5, 6),
        None,
    ]
    assert report.noticed == {"unreadable rating": 1, "rating outside every range": 1, "unreadable date": 1}


def test_a_label_column_wins_over_ratings(tmp_path: Path) -> None:
    assert train(written(tmp_path, "text,label,rating\na,positive,1\nb,negative,5\nc,,5\n"))["label"].to_list() == [
        1,
        0,
        None,
    ]


def test_label_values_from_yaml_numbers_and_from_floats(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["a", "b"], "label": [0.0, 1.0]}).write_parquet(file)
    assert train(file, label_values={0: "negative", 1: "positive"})["label"].to_list() == [0, 1]


def test_three_classes(tmp_path: Path) -> None:
    file = written(tmp_path, "text,rating\na,1\nb,3\nc,5\n")
    labels = ["negative", "neutral", "positive"]
    frame = train(file, labels=labels, rating_ranges={"negative": [1, 2], "neutral": [3, 3], "positive": [4, 5]})
    assert frame["label"].to_list() == [0, 1, 2]


def test_a_column_is_switched_off_by_an_empty_name(tmp_path: Path) -> None:
    file = written(tmp_path, "text,label,rating,split\na,x,1,rest\nb,y,5,rest\n")
    assert train(file, label_column="", split_column="")["label"].to_list() == [0, 1]


def test_formats_hold_the_same_rows(tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": [1, 2], "text": ["좋아, 요", "별로"], "label": ["positive", "negative"]})
    rows.write_csv(tmp_path / "a.csv")
    rows.write_csv(tmp_path / "a.tsv", separator="\t")
    rows.write_ndjson(tmp_path / "a.jsonl")
    rows.write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.json.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.csv").read_bytes())
    digests = {read(config(file))[0].train.digest() for file in tmp_path.iterdir()}
    assert len(digests) == 1


def test_nsmc_files_quote_nothing_and_give_their_test_set(tmp_path: Path) -> None:
    train_file = written(tmp_path, 'id\tdocument\tlabel\n1\t"명작\t1\n2\t그는 "배우"다\t0\n', "train.txt")
    test_file = written(tmp_path, "id\tdocument\tlabel\n3\t굿\t1\n", "test.txt")
    options = {
        "format": "tsv",
        "quote_char": None,
        "text_column": "document",
        "label_values": {0: "negative", 1: "positive"},
    }
    splits, report = read(config(train_file, test_path=str(test_file), **options))
    assert splits.train.texts == ['"명작', '그는 "배우"다']
    assert splits.test.texts == ["굿"]
    assert report.rows == {"train": 2, "validation": 0, "test": 1}


def test_a_folder_and_a_glob_are_all_their_files(tmp_path: Path) -> None:
    written(tmp_path, ROWS, "b.csv")
    written(tmp_path, '{"text": "ok", "label": "positive", "rating": 5}\n', "a.jsonl")
    written(tmp_path, "notes", "README.md")
    assert train(tmp_path)["text"].to_list() == ["ok", "좋아요", "별로"]
    assert train(tmp_path / "*.csv")["text"].to_list() == ["좋아요", "별로"]


def test_a_split_column_gives_the_splits(tmp_path: Path) -> None:
    splits, _ = read(
        config(written(tmp_path, "text,label,split\na,positive,train\nb,negative,dev\nc,positive,Test\nd,negative,\n"))
    )
    assert [reviews.texts for _, reviews in splits.named()] == [["a", "d"], ["b"], ["c"]]


def test_dates_and_samples_select_rows_and_are_counted(tmp_path: Path) -> None:
    lines = [f"리뷰 {n},{'positive' if n % 2 else 'negative'},2024-{n % 12 + 1:02}-01" for n in range(1200)]
    file = written(tmp_path, "text,label,created_at\n" + "\n".join(lines) + "\n긴 글,positive,\n")
    splits, report = read(config(file, created_from=date(2024, 3, 1), created_before=date(2024, 5, 1)))
    assert set(splits.train.frame()["created_at"].drop_nulls().dt.month()) == {3, 4}
    assert report.left_out == {"created_from 2024-03-01": 200, "created_before 2024-05-01": 800}
    assert report.noticed["no date to select by"] == 1
    half, quarter = (set(train(file, sample_rate=rate)["text"]) for rate in (0.5, 0.25))
    assert quarter < half
    assert len(half) == pytest.approx(600, abs=70)


def test_repeated_and_missing_ids_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path, "id,text,label\n7,a,positive\n7,b,negative\n,c,positive\n")
    splits, report = read(config(file))
    assert splits.train.frame()["id"].to_list() == ["7", "7", "reviews.csv:3"]
    assert report.noticed == {"repeated id": 1, "id made from file and row": 1}


def test_rows_to_score_need_no_labels(tmp_path: Path) -> None:
    splits, _ = read(config(written(tmp_path, "text\na\nb\n")), labelled=False)
    assert splits.train.frame()["label"].to_list() == [None, None]


def test_unix_times_in_seconds_and_milliseconds(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "label": "positive", "created_at": 1_700_000_000},
        {"text": "b", "label": "negative", "created_at": 1_700_000_000_000},
    ]
    file = written(tmp_path, "\n".join(map(json.dumps, rows)), "a.jsonl")
    assert train(file)["created_at"].to_list() == [datetime(2023, 11, 14, 22, 13, 20)] * 2


def test_languages() -> None:
    texts = ["최고", "Inception 최고의 영화", "great", "très bon film", "映画はいい", "!!! 10", "ㅋㅋ ok"]
    assert detect_language(pl.Series(texts)).to_list() == ["ko", "ko", "en", "en", "other", "other", "ko"]


def test_relative_paths_are_looked_for_in_the_project_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(train("data/sample/reviews.csv")) > 4000
    written(tmp_path, ROWS)
    assert len(train("reviews.csv")) == 2


def test_a_config_survives_being_stored(tmp_path: Path) -> None:
    stored = DatasetConfig.model_validate_json(config(written(tmp_path, ROWS)).model_dump_json())
    assert len(read(stored)[0].train) == 2


# The cache key


def test_the_digest_changes_with_bytes_and_config_only(tmp_path: Path) -> None:
    file = written(tmp_path, ROWS)
    first = source_digest(config(file))
    file.touch()
    assert source_digest(config(file)) == first
    assert source_digest(config(file, sample_rate=0.5)) != first
    written(tmp_path, ROWS + "굿,positive\n")
    assert source_digest(config(file)) != first


# Bad input: one sentence of cause, one of fix


@pytest.mark.parametrize(
    ("content", "options", "cause"),
    [
        ("", {}, "is empty"),
        ("\n\n", {}, "is empty"),
        ("text,label\n", {}, r"has a header \(text, label\) but no rows"),
        (
            ROWS,
            {"text_column": "texts"},
            r"no column 'texts' \(dataset.text_column\); it has text, label. Did you mean 'text'",
        ),
        (ROWS, {"rating_column": "stars"}, "no column 'stars'"),
        (
            ROWS.replace(",", ";"),
            {},
            r"semicolons \(';'\) are between the columns, not commas.* --set 'dataset.separator=\";\"'",
        ),
        (ROWS.replace(",", "\t"), {}, r"tabs \('.*'\) are between the columns, not commas.* --set dataset.format=tsv"),
        (ROWS, {"format": "tsv"}, r"commas \(','\) are between the columns, not tabs.* --set dataset.format=csv"),
        ("text;label\na;positive\nb, c;positive\n", {}, "semicolons .* are between the columns"),
        (
            ROWS.encode("cp949"),
            {},
            r"not utf-8 text \(line 2, byte 11\), but it reads as cp949. Set it: --set dataset.encoding=cp949",
        ),
        (ROWS, {"encoding": "cp949"}, "not cp949 text .* reads as utf-8"),
        (ROWS, {"encoding": "utf-9"}, "'utf-9', which is no encoding"),
        (bytes(range(256)) * 20, {}, "is not utf-8 text|binary data"),
        ("text,label\nab\x00c,positive\n", {}, "holds binary data, not utf-8 text"),
        ("text,label\na,positive\nb,negative,extra\n", {}, "line 3: 3 fields where the header has 2"),
        ("text,label\na,positive\nb\n", {}, "line 3: 1 field where the header has 2"),
        ('text,label\na,positive\n"b,negative\n', {}, "line 3|quot"),
        (
            "text,label\na,positive\nb,bad\n",
            {},
            r"label 'bad' in column 'label' is not one of 'negative', 'positive' \(1 row, first rows \[2\]",
        ),
        ("id,text,label\nx7,a,positive\nx9,b,1\n", {}, r"label '1' .* first ids \['x9'\]"),
        (
            "text,label\na,positive\nb,positive\n",
            {},
            r"no row has the label negative \(rows by label: negative 0, positive 2\)",
        ),
        ("text,when\na,1\n", {}, "no row has the label negative or positive"),
        (ROWS, {"labels": ["negative", "neutral", "positive"]}, "no row has the label neutral"),
        (
            "text,rating\na,1\n",
            {"labels": ["bad", "good"]},
            "no row has the label bad or good .* --set dataset.label_column=NAME",
        ),
        ("text,label,split\na,positive,rest\n", {}, "'rest' of the column 'split' is no split"),
        (
            "text,label,created_at\na,positive,2020-01-01\n",
            {"created_from": "2021-01-01"},
            "no row is left after created_from",
        ),
    ],
)
def test_a_bad_csv_is_one_clear_error(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(DataError) as raised:
        read(config(written(tmp_path, content), **options))
    assert re.search(cause, f"{raised.value.cause} {raised.value.fix}")
    assert "\n" not in raised.value.cause


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("a.jsonl", '{"text": "a", "label": "positive"}\n{"text": \n', "line 2 is not JSON"),
        ("a.json", "[1, 2]", "is a JSON array, not one object a line"),
        ("a.jsonl", '{"text": ["a"], "label": "positive"}', "column 'text' holds lists"),
        ("a.parquet", "PAR1 not really", "is not a Parquet file"),
        ("a.csv.gz", "not gzip", "is not packed"),
        ("a.txt", ROWS, "does not say which format"),
    ],
)
def test_a_bad_file_of_another_format_is_one_clear_error(tmp_path: Path, name: str, content: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        read(config(written(tmp_path, content, name)))


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, ROWS)
    with pytest.raises(DataError, match=r"review.csv does not exist\.\n  fix: Did you mean 'reviews.csv'\? --set"):
        read(config(tmp_path / "review.csv"))
    with pytest.raises(DataError, match="Write the path of a file that is there"):
        read(config(tmp_path / "nowhere" / "x.csv"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no file ending in \.csv"):
        read(config(tmp_path / "empty"))


# A file without a header has its first row as the names of its columns.
PRIVATE = "010-1234-5678", "kim@example.com", "a whole review that was written by somebody, " * 3
QUOTED = ",".join(f'"{name}"' for name in PRIVATE)
ROW = dict.fromkeys(PRIVATE, "x")


def as_parquet(rows: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame([rows]).write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", f"{QUOTED}\nx,y,z\n", {}),
        ("a.csv", f"{QUOTED}\n", {}),
        ("a.csv", f"{QUOTED}\nx,y,z\n", {"text_column": "010-1234-5679"}),
        ("a.csv", '"mail\nkim@example.com",010-1234-5678\nx,y\n', {}),
        ("a.tsv", "\t".join(PRIVATE) + "\nx\ty\tz\n", {}),
        ("a.jsonl", json.dumps(ROW), {}),
        ("a.jsonl", json.dumps({**ROW, PRIVATE[0]: ["x"]}), {"text_column": PRIVATE[0]}),
        ("a.parquet", as_parquet(ROW), {}),
        ("a.csv", "text,label\na,positive\nb,010-1234-5678\n", {}),
        ("a.csv", f'text,kim@example.com\na,"{PRIVATE[2]}"\n', {"label_column": PRIVATE[1]}),
        ("a.csv", "text,label,split\na,positive,010-1234-5678\n", {}),
        ("a.csv", f'text,label,{PRIVATE[1]}\na,positive,"{PRIVATE[2]}"\n', {"split_column": PRIVATE[1]}),
    ],
)
def test_what_a_file_calls_its_columns_is_masked_and_cut(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any]
) -> None:
    with pytest.raises(DataError) as raised:
        read(config(written(tmp_path, content, name), **options))
    told = f"{raised.value.cause} {raised.value.fix.replace(OR, ' ')}"
    assert re.search(r"\[(PHONE|EMAIL)\]", told)
    assert not [part for part in ("5678", "kim@", "somebody, a whole", "\n") if part in told]


def test_of_many_columns_the_first_are_named(tmp_path: Path) -> None:
    header = ",".join(f"column{number}" for number in range(30))
    with pytest.raises(DataError, match=r"column10, column11 and 18 more\.\s+fix: Did you mean 'column29'\?") as raised:
        read(config(written(tmp_path, f"{header}\n{',' * 29}\n"), text_column="column299"))
    assert "column12" not in str(raised.value)
    with pytest.raises(DataError, match=r"Valid names: .* and 18 more\."):
        read(config(written(tmp_path, f"{header}\n{',' * 29}\n"), text_column="x"))


def test_the_files_of_a_folder_are_masked_and_cut_as_well(tmp_path: Path) -> None:
    for number in range(20):
        written(tmp_path, ROWS, f"kim@example.com-{number}.csv")
    with pytest.raises(DataError, match=r"has \[EMAIL\].* and 8 more\.") as raised:
        read(config(tmp_path / "x"))
    assert "kim@" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"label_values": {"0": "bad"}},
        {"rating_ranges": {"negative": [1, 3], "positive": [3, 5]}},
        {"labels": ["a", "a"]},
        {"rating_ranges": {"negative": [2, 1], "positive": [4, 5]}},
        {"sha256": "abc"},
    ],
)
def test_a_config_that_contradicts_itself_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        config("x.csv", **options)


# Downloads and the hub


class _Files(BaseHTTPRequestHandler):
    content: ClassVar[bytes] = ROWS.encode()
    requests: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        etag = f'"{hashlib.sha256(self.content).hexdigest()[:8]}"'
        status = 404 if "missing" in self.path else 304 if self.headers.get("If-None-Match") == etag else 200
        self.requests.append(status)
        self.send_response(status)
        if status == 200:
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(self.content) + (5 if "cut" in self.path else 0)))
        self.end_headers()
        if status == 200:
            self.wfile.write(self.content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("SENTIMENT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_Files, "content", ROWS.encode())
    monkeypatch.setattr(_Files, "requests", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def downloads(tmp_path: Path) -> list[str]:
    folder = tmp_path / "home" / "downloads"
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def test_a_download_with_a_checksum_happens_once(server: str, tmp_path: Path) -> None:
    checksum = hashlib.sha256(ROWS.encode()).hexdigest()
    options = {"sha256": checksum}
    assert len(train(f"{server}/reviews.csv", **options)) == 2
    assert len(train(f"{server}/reviews.csv", **options)) == 2
    assert _Files.requests == [200]
    file = tmp_path / "home" / "downloads" / downloads(tmp_path)[0]
    file.write_text("changed")
    assert len(train(f"{server}/reviews.csv", **options)) == 2
    assert _Files.requests == [200, 200]


def test_a_download_without_a_checksum_asks_whether_it_changed(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = source_digest(config(f"{server}/reviews.csv"))
    assert len(train(f"{server}/reviews.csv")) == 2
    assert len(train(f"{server}/reviews.csv")) == 2
    assert _Files.requests == [200, 200, 304]
    monkeypatch.setattr(_Files, "content", (ROWS + "굿,positive\n").encode())
    assert len(train(f"{server}/reviews.csv")) == 3
    assert source_digest(config(f"{server}/reviews.csv")) != before


@pytest.mark.parametrize(
    ("path", "options", "cause"),
    [
        ("reviews.csv?token=secret", {"sha256": "0" * 64}, "has the SHA-256 .*, not 0000"),
        ("missing.csv", {}, "the server answered 404"),
        ("cut.csv", {}, "cannot be downloaded"),
    ],
)
def test_a_failed_download_leaves_nothing(
    server: str, tmp_path: Path, path: str, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(DataError, match=cause) as raised:
        read(config(f"{server}/{path}", **options))
    assert downloads(tmp_path) == []
    assert "secret" not in str(raised.value)


def test_the_log_of_a_download_holds_its_address_without_the_signature(
    server: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    train(f"{server}/reviews.csv?Signature=secret")
    assert f"{server}/reviews.csv" in caplog.text
    assert "secret" not in caplog.text


def test_a_download_that_is_too_large_is_stopped(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is larger than"):
        download(f"{server}/reviews.csv", None, tmp_path, max_bytes=10)
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be downloaded"):
        download("http://127.0.0.1:9/reviews.csv", None, tmp_path)


def test_a_hub_dataset_gives_its_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "owner" / "reviews"
    folder.mkdir(parents=True)
    kinds = Features({"text": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    rows = {"text": ["좋아요", "별로"], "label": [1, 0]}
    Dataset.from_dict(rows, features=kinds).to_parquet(folder / "train.parquet")
    Dataset.from_dict({"text": ["굿"], "label": [1]}, features=kinds).to_parquet(folder / "test.parquet")
    splits, report = read(config("hf://owner/reviews"))
    assert splits.train.frame()["label"].to_list() == [1, 0]
    assert splits.train.texts == ["좋아요", "별로"]
    assert splits.test.texts == ["굿"]
    assert report.files == ["hf://owner/reviews (train)", "hf://owner/reviews (test)"]
    with pytest.raises(DataError, match="no dataset of the hub"):
        read(config("hf://reviews"))


def redirected(monkeypatch: pytest.MonkeyPatch, target: str, addresses: dict[str, str]) -> list[str]:
    """Answer every first address with a redirect to `target`; names have these addresses. Returns what is asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": target}) if len(asked) == 1 else httpx.Response(200, text=ROWS)

    def resolve(host: str, *_: object) -> list[Any]:
        return [(0, 0, 0, "", (addresses.get(host, host), 0))]

    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **options: client(**options, transport=httpx.MockTransport(answer)))
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104
        *("::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "224.0.0.1"),
    ],
)
def test_no_redirect_reaches_into_the_own_network(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = redirected(monkeypatch, "http://inside.example/latest/meta-data", {"inside.example": address})
    for ask in (lambda url: download(url, None, tmp_path), remote_version):
        asked.clear()
        with pytest.raises(DataError, match=r"sends on to inside\.example, which is a local or private address"):
            ask("https://public.example/a.csv")
        assert asked == ["https://public.example/a.csv"]
    monkeypatch.setenv("SENTIMENT_REDIRECT_HOSTS", "other.example, inside.example")
    asked.clear()
    assert download("https://public.example/a.csv", None, tmp_path).read_text() == ROWS


@pytest.mark.parametrize("target", ["https://cdn.example/a.csv", "https://public.example/b.csv", "/b.csv"])
def test_a_redirect_to_the_internet_or_within_one_server_is_followed(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redirected(monkeypatch, target, {"cdn.example": "93.184.215.14", "public.example": "10.0.0.1"})
    assert download("https://public.example/a.csv", None, tmp_path).read_text() == ROWS
