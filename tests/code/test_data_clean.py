from collections.abc import Sequence
from datetime import datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.data.clean import clean
from sentiment.data.reviews import COLUMNS, SPLITS, Splits
from sentiment.pages import page_of
from sentiment.text.normalise import TextNormaliser

LABELS = ["negative", "positive"]


def splits_of(
    rows: Sequence[tuple[str, int | None] | tuple[str, int | None, str] | tuple[str, int | None, str, int]],
) -> Splits:
    """Splits from (text, label, split, day) with the ids r0, r1 ...; split is train and day is 1 unless given."""
    full = [(*row, *("train", 1)[len(row) - 2 :]) for row in rows]
    frame = pl.DataFrame(
        {
            "id": [f"r{index}" for index in range(len(full))],
            "text": [row[0] for row in full],
            "label": [row[1] for row in full],
            "split": [row[2] for row in full],
            "created_at": [datetime(2024, 1, row[3]) for row in full],
        },
        schema_overrides={"id": pl.String, "text": pl.String, "label": pl.Int64, "created_at": pl.Datetime("us")},
    ).with_columns(*(pl.lit(None).alias(name) for name in COLUMNS if name not in {"id", "text", "label", "created_at"}))
    return Splits.from_frame(frame, LABELS)


def ids(splits: Splits) -> dict[str, list[str]]:
    return {name: reviews.frame()["id"].to_list() for name, reviews in splits.named()}


def test_texts_become_normalised_and_stay_so() -> None:
    cleaned, report = clean(splits_of([("ㅋㅋㅋㅋㅋ  굿", 1), ("<b>별로</b>", 0)]), TextNormaliser())
    assert cleaned.train.texts == ["ㅋㅋㅋ 굿", "별로"]
    assert (report.normalised["repeats"], report.normalised["markup"]) == (1, 1)
    again, second = clean(cleaned, TextNormaliser())
    assert again.train.digest() == cleaned.train.digest()
    assert not any(second.normalised.values())


def test_every_reason_is_counted_with_its_first_ids() -> None:
    given = splits_of(
        [
            ("좋아요", 1),
            (" \u200b ", 0),
            ("글" * 50, 1),
            ("그저 그래요", None),
            ("애매", 0),
            ("애매 ", 1),
            ("굿", 1, "train", 9),
            ("굿", 1, "train", 3),
            ("싫어요", 0),
        ]
    )
    cleaned, report = clean(given, TextNormaliser(), max_chars=40)
    assert ids(cleaned)["train"] == ["r0", "r7", "r8"]
    assert [(entry.reason, entry.rows, entry.ids) for entry in report.dropped] == [
        ("too_long", 1, ["r2"]),
        ("empty", 1, ["r1"]),
        ("unlabelled", 1, ["r3"]),
        ("conflict", 2, ["r4", "r5"]),
        ("duplicate", 1, ["r6"]),
    ]
    assert report.classes["train"] == {"negative": 1, "positive": 2}
    assert report.share_dropped("conflict") == 2 / 9


def test_a_given_test_set_stays_and_train_gives_way() -> None:
    given = splits_of(
        [
            ("겹침", 1),
            ("겹침", 0),
            ("학습", 1),
            ("검증", 1),
            ("검증", 1, "validation"),
            ("겹침", 0, "validation"),
            ("겹침", 1, "test"),
            ("겹침", 1, "test"),
            ("혼동", 1, "test"),
            ("혼동", 0, "test"),
        ]
    )
    cleaned, report = clean(given, TextNormaliser())
    assert ids(cleaned) == {"train": ["r2"], "validation": ["r4"], "test": ["r6", "r7"]}
    reasons = {(entry.reason, entry.split): entry.rows for entry in report.dropped}
    assert reasons == {
        ("conflict", "train"): 2,
        ("conflict", "test"): 2,
        ("contamination", "train"): 1,
        ("contamination", "validation"): 1,
    }


def test_rows_to_be_scored_keep_repeats_and_need_no_label() -> None:
    given = splits_of([("굿", None), ("굿", None), ("", None), ("별로", 0)])
    cleaned, report = clean(given, TextNormaliser(), labelled=False)
    assert ids(cleaned)["train"] == ["r0", "r1", "r3"]
    assert [(entry.reason, entry.rows) for entry in report.dropped] == [("empty", 1)]


ROWS = st.tuples(
    st.sampled_from(["굿", "굿!", " 굿", "별로", "", "ㅋㅋㅋㅋ", "ㅋㅋㅋ", "긴 글" * 9]),
    st.sampled_from([0, 1, None]),
    st.sampled_from(SPLITS),
    st.integers(1, 28),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=25))
def test_nothing_is_lost_uncounted_and_no_text_crosses(rows: list[tuple[str, int | None, str, int]]) -> None:
    given = splits_of(rows)
    cleaned, report = clean(given, TextNormaliser(), max_chars=20)
    for name, reviews in cleaned.named():
        gone = sum(entry.rows for entry in report.dropped if entry.split == name)
        assert report.rows_in[name] == len(reviews) + gone
        assert report.rows_out[name] == len(reviews) == sum(report.classes[name].values())
    train, validation, test = (set(reviews.texts) for _, reviews in cleaned.named())
    assert not train & validation
    assert not (train | validation) & test
    assert len(train) == len(cleaned.train)


def test_the_page_escapes_what_it_shows() -> None:
    _, report = clean(splits_of([("굿", 1), ("애매", None)]), TextNormaliser())
    page = page_of(report)
    assert "no label and no rating" in page
    assert "r1" in page
