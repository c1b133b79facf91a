"""The shipped dataset configs and the bundled corpus, from file to validated splits."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from sentiment.config.dataset import DatasetConfig, SplitConfig, ValidationConfig
from sentiment.config.load import expand
from sentiment.config.load import validate as validate_config
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Splits
from sentiment.data.split import split
from sentiment.data.validate import validate
from sentiment.text.normalise import TextNormaliser

FOLDER = Path(__file__).parents[2] / "configs" / "datasets"


def shipped(name: str, environ: dict[str, str], **changes: Any) -> DatasetConfig:
    raw = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return validate_config(expand({"name": name, **raw, **changes}, environ=environ), DatasetConfig, name)


@pytest.fixture(scope="module")
def sample() -> Splits:
    given, _ = read(shipped("sample", {}))
    cleaned, report = clean(given, TextNormaliser())
    splits = split(cleaned, SplitConfig())
    validate(splits, report, ValidationConfig()).require_passed()
    return splits


def test_the_sample_passes_the_gate_with_default_settings(sample: Splits) -> None:
    frame = sample.frame()
    assert len(frame) > 2500
    assert set(frame["language"]) == {"ko", "en"}
    assert set(frame["source"]) == {"movie", "product"}
    assert frame["created_at"].max() < pl.Series(["2025-01-01"]).str.to_datetime()[0]  # type: ignore[operator]
    assert frame["id"].is_unique().all()


def test_the_sample_keeps_what_carries_sentiment(sample: Splits) -> None:
    texts = sample.frame()["text"]
    for signal in ("ㅋㅋㅋ", "ㅠㅠ", "!!!", "~", "^^", "😂", "♥", "<3"):
        assert texts.str.contains(signal, literal=True).any(), signal
    assert not texts.str.contains("ㅋㅋㅋㅋ|!!!!|<br|&amp;|https?://").any()


def test_the_sample_without_its_date_bound_holds_the_later_service_reviews() -> None:
    given, _ = read(shipped("sample", {}, created_before=None, created_from="2025-01-01"))
    assert set(given.train.frame()["source"]) == {"service"}
    assert len(given.train) > 900


def test_another_file_can_stand_in_for_the_sample(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("reviewText,overall\nGreat,5\nBad,1\n", encoding="utf-8")
    config = shipped("sample", {}, path=str(file), text_column="reviewText", rating_column="overall")
    given, _ = read(config)
    assert given.train.frame()["label"].to_list() == [1, 0]


def test_nsmc_reads_its_files_from_a_folder(tmp_path: Path) -> None:
    rows = "".join(f'{n}\t리뷰 "{n}\t{n % 2}\n' for n in range(400))
    (tmp_path / "ratings_train.txt").write_text(f"id\tdocument\tlabel\n{rows}", encoding="utf-8")
    (tmp_path / "ratings_test.txt").write_text(
        "id\tdocument\tlabel\n901\t굿\t1\n902\t\t0\n903\t노\t0\n", encoding="utf-8"
    )
    given, _ = read(shipped("nsmc", {"NSMC_DIR": str(tmp_path)}))
    cleaned, report = clean(given, TextNormaliser())
    splits = split(cleaned, SplitConfig())
    assert splits.test.frame()["id"].to_list() == ["901", "903"]
    assert len(splits.train) + len(splits.validation) == 400
    assert [(entry.reason, entry.split, entry.ids) for entry in report.dropped] == [("empty", "test", ["902"])]


def test_nsmc_downloads_the_published_files_when_there_is_no_folder() -> None:
    config = shipped("nsmc", {})
    assert config.path == "https://raw.githubusercontent.com/e9t/nsmc/master/ratings_train.txt"
    assert config.sha256 is not None
    assert config.test_sha256 is not None


def test_amazon_reviews(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    file.write_text(
        'reviewText,overall,category,reviewDate\nLoved it,5.0,Books,"09 13, 2009"\nAwful,1.0,Toys,2015-02-03\n',
        encoding="utf-8",
    )
    given, report = read(shipped("amazon_reviews", {"AMAZON_REVIEWS_PATH": str(file)}))
    frame = given.train.frame()
    assert frame["label"].to_list() == [1, 0]
    assert frame["category"].to_list() == ["Books", "Toys"]
    assert frame["created_at"].null_count() == 0
    assert frame["language"].to_list() == ["en", "en"]
    assert "unreadable date" not in report.noticed


def test_text_label_csv(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("text,label\n좋아요,positive\n별로,negative\n", encoding="utf-8")
    given, _ = read(shipped("text_label_csv", {"TEXT_LABEL_CSV": str(file)}))
    assert given.train.frame()["label"].to_list() == [1, 0]


def test_a_text_of_a_megabyte_is_dropped_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        f"id,text,label\n1,좋아요,positive\n2,별로,negative\n3,{'긴 글 ' * 300_000},positive\n", encoding="utf-8"
    )
    config = shipped("text_label_csv", {"TEXT_LABEL_CSV": str(file)})
    cleaned, report = clean(read(config)[0], TextNormaliser(), max_chars=config.max_chars)
    assert cleaned.train.frame()["id"].to_list() == ["1", "2"]
    assert [(entry.reason, entry.ids) for entry in report.dropped] == [("too_long", ["3"])]
