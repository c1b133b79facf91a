"""What gives the labels away is found when it is there, and honest reviews have none of it."""

import polars as pl
import pytest

from sentiment.config.dataset import DatasetConfig, SplitConfig
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Reviews, Splits
from sentiment.data.split import split
from sentiment.evaluation.leakage import signs_of_leakage
from sentiment.home import PROJECT
from sentiment.text.normalise import TextNormaliser

LABELS = ["negative", "positive"]
LABEL = pl.col("label").replace_strict({0: "negative", 1: "positive"})
NUMBER = pl.int_range(pl.len())
TEMPLATES = [f"{chr(0xAC00 + 97 * place) * 5}에서 산 것 {'싫어요' if place % 2 else '좋아요'}" for place in range(20)]
LONG = pl.lit("가나 " * 90)


def only_positive(yes: pl.Expr) -> pl.Expr:
    """`yes` for the positive texts; the others stay as they are."""
    return pl.when(pl.col("label") == 1).then(yes).otherwise("text")


@pytest.fixture(scope="module")
def sample() -> Splits:
    given, _ = read(DatasetConfig(name="sample", path=str(PROJECT / "data/sample/reviews.csv")))
    return clean(given, TextNormaliser())[0]


@pytest.fixture(scope="module")
def frame(sample: Splits) -> pl.DataFrame:
    """600 reviews in an order of chance."""
    return sample.train.frame().sample(600, shuffle=True, seed=0)


def signs(frame: pl.DataFrame) -> tuple[str, ...]:
    """Those of the last third of the rows, the others being the training texts."""
    cut = len(frame) * 2 // 3
    return signs_of_leakage(*(Reviews.from_frame(rows, LABELS) for rows in (frame[:cut], frame[cut:])))


def test_honest_reviews_have_no_sign(frame: pl.DataFrame) -> None:
    assert signs(frame) == ()


def test_honest_reviews_of_nearly_one_label_have_no_sign(frame: pl.DataFrame) -> None:
    rare = (pl.col("label") == 1) | (NUMBER % 25 == 0)
    assert signs(frame.filter(rare)) == ()


def test_the_whole_bundled_sample_has_no_sign(sample: Splits) -> None:
    splits = split(sample, SplitConfig(validation=0.15, test=0.2))
    assert signs_of_leakage(splits.train, splits.test) == ()


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        ("'positive', the label itself, occurs in", {"text": pl.format("{} ({})", "text", LABEL)}),
        ("'★' occurs in", {"text": only_positive(pl.format("★ {}", "text"))}),
        ("'★★★' occurs in", {"text": pl.format("★{} {}", pl.col("label").replace_strict({0: "", 1: "★★"}), "text")}),
        ("The end of the text alone gives", {"text": pl.format("{} {}점", "text", pl.col("rating").cast(pl.Int8))}),
        ("The beginning of the text alone gives", {"text": pl.format("{}00{}: {}", "label", NUMBER, "text")}),
        (
            "The length of the text alone gives",
            {"text": only_positive(pl.format("{}{}", "text", LONG))},
        ),
        ("The language alone gives the label of 200 of 200 test texts.", {"language": LABEL}),
        ("The category alone gives", {"category": LABEL}),
        ("The source alone gives", {"source": LABEL}),
        (
            "200 of 200 test texts are nearly texts of train (first id ",
            {"text": pl.format("{} {}", (NUMBER % 20).replace_strict(dict(enumerate(TEMPLATES))), NUMBER)},
        ),
    ],
)
def test_what_gives_the_labels_away_is_named(frame: pl.DataFrame, expected: str, change: dict[str, pl.Expr]) -> None:
    found = signs(frame.with_columns(**change))
    assert any(sign.startswith(expected) for sign in found), found


def test_a_sign_is_short_whatever_the_texts_hold(frame: pl.DataFrame) -> None:
    (sign, *_) = signs(frame.with_columns(text=only_positive(pl.lit("x" * 500))))
    assert sign.startswith("'xxx")
    assert len(sign) < 160
