import numpy as np
import polars as pl
import pytest

from sentiment.config.dataset import ValidationConfig
from sentiment.data.clean import CleaningReport, Dropped
from sentiment.data.near_duplicates import near_duplicates
from sentiment.data.reviews import COLUMNS, SPLITS, Splits
from sentiment.data.validate import ValidationReport, validate, with_chance
from sentiment.errors import DataError
from sentiment.pages import page_of

LABELS = ["negative", "positive"]


def sentence(number: int, changed: int = 0) -> str:
    """30 letters that only this number has, the first `changed` of them replaced."""
    letters = [chr(0xAC00 + (number * 97 + place * 31) % 11_000) for place in range(30)]
    return "".join("나" * changed + "".join(letters[changed:]))


def table(rows: int = 40, **columns: object) -> pl.DataFrame:
    """Rows that pass: both classes, three splits, Korean, texts of their own."""
    numbers = range(rows)
    return pl.DataFrame(
        {
            "id": [f"r{number}" for number in numbers],
            "text": [f"{chr(0xAC00 + number)} 리뷰" for number in numbers],
            "label": [number % 2 for number in numbers],
            "language": ["ko"] * rows,
            "split": [SPLITS[number // 2 % 3] for number in numbers],
        }
    ).with_columns(
        *(pl.lit(None).alias(name) for name in COLUMNS if name not in {"id", "text", "label", "language"}),
        *(pl.Series(name, values) for name, values in columns.items()),
    )


def report(
    frame: pl.DataFrame, config: ValidationConfig | None = None, dropped: dict[str, int] | None = None
) -> ValidationReport:
    cleaning = CleaningReport(
        rows_in={"train": 100, "validation": 0, "test": 0},
        rows_out={"train": 100 - sum((dropped or {}).values()), "validation": 0, "test": 0},
        dropped=[
            Dropped(reason=reason, split="train", rows=rows, ids=["x1"]) for reason, rows in (dropped or {}).items()
        ],
        normalised={},
        classes={name: {"negative": 0, "positive": 0} for name in SPLITS},
    )
    return validate(Splits.from_frame(frame, LABELS), cleaning, config or ValidationConfig(min_rows_per_class=5))


def failed(result: ValidationReport) -> dict[str, list[str]]:
    return {check.name: check.ids for check in result.failed}


def test_good_data_passes_every_check() -> None:
    result = report(table())
    result.require_passed()
    assert len(result.checks) > 15


def test_rows_that_do_not_fit_the_schema_are_named() -> None:
    frame = table().with_columns(
        text=pl.when(pl.col("id") == "r1").then(pl.lit("")).otherwise("text"),
        label=pl.when(pl.col("id") != "r6").then("label"),
    )
    result = failed(report(frame))
    assert result["rows without a text"] == ["r1"]
    assert result["rows without a known label"] == ["r6"]


@pytest.mark.parametrize(
    ("reason", "rows"), [("empty", 6), ("too_long", 2), ("unlabelled", 61), ("conflict", 6), ("duplicate", 51)]
)
def test_too_many_rows_dropped_fail(reason: str, rows: int) -> None:
    assert list(failed(report(table(), dropped={reason: rows}))) == [f"share of rows dropped as {reason}"]
    assert not failed(report(table(), dropped={reason: rows - 1}))


def test_repeated_ids_fail() -> None:
    frame = table().with_columns(id=pl.when(pl.col("id") == "r3").then(pl.lit("r2")).otherwise("id"))
    assert failed(report(frame)) == {"share of rows with another row's id": ["r2"]}


def test_other_languages_fail_and_unknown_ones_count_as_other() -> None:
    frame = table(language=["fr"] * 3 + [None] * 3 + ["ko"] * 34)
    result = report(frame)
    assert failed(result)["share of rows not in ko, en"][:1] == ["r0"]
    assert result.failed[0].observed == 6 / 40


def test_every_split_needs_rows_of_every_class() -> None:
    assert list(failed(report(table(), ValidationConfig(min_rows_per_class=7)))) == [
        "rows labelled negative in test, at least",
        "rows labelled positive in test, at least",
    ]


def test_the_same_text_in_two_splits_fails() -> None:
    frame = table().with_columns(text=pl.when(pl.col("id") == "r4").then(pl.lit("가 리뷰")).otherwise("text"))
    assert failed(report(frame)) == {"texts of test that stand in an earlier split": ["r4"]}


def near_copies(number: int) -> ValidationReport:
    """Of 40 test rows, the first `number` are near copies of training texts; no other row is like another."""
    rows = [(f"t{row}", sentence(row), "train") for row in range(40)]
    rows += [(f"v{row}", sentence(100 + row), "validation") for row in range(40)]
    rows += [(f"h{row}", sentence(row, 1) if row < number else sentence(200 + row), "test") for row in range(40)]
    ids, texts, parts = zip(*rows, strict=True)
    frame = table(120).with_columns(id=pl.Series(ids), text=pl.Series(texts), split=pl.Series(parts))
    return report(frame)


def test_near_copies_of_training_texts_fail() -> None:
    name = "share of test with a near copy in train"
    assert failed(near_copies(9)) == {name: [f"h{row}" for row in range(5)]}
    with pytest.raises(DataError, match=rf"{name}: 0.225, allowed 0.2 "):
        near_copies(9).require_passed()


def test_near_copies_may_be_as_many_as_chance_gives() -> None:
    """8 of 40 rows are no proof that the share is above the bound of 0.1."""
    assert not failed(near_copies(8))


@pytest.mark.parametrize("rows", [20, 40, 100, 600, 5000, 50_000])
def test_what_chance_may_add_to_a_bound(rows: int) -> None:
    """Data on the bound is hardly ever refused, and data well above it nearly always from a hundred rows on."""
    draws, allowed = np.random.default_rng(0), with_chance(0.1, rows)
    on_the_bound, copied = (draws.binomial(rows, share, 20_000) / rows for share in (0.1, 0.25))
    assert np.mean(on_the_bound > allowed) <= 0.03
    assert np.mean(copied > allowed) >= (0.95 if rows >= 100 else 0.5 if rows >= 40 else 0.3)
    assert 0.1 <= allowed <= 0.1 + 2.2 * (0.09 / rows) ** 0.5 + 1 / rows


def test_a_bound_of_nothing_or_all_allows_for_no_chance() -> None:
    assert (with_chance(0, 40), with_chance(1, 40)) == (0, 1)


def test_the_error_names_checks_numbers_and_ids() -> None:
    frame = table(language=["fr"] * 8 + ["ko"] * 32)
    with pytest.raises(
        DataError, match=r"1 of \d+ checks: share of rows not in ko, en: 0.2, allowed 0.1 \(first ids r0"
    ):
        report(frame).require_passed()


def test_examples_are_masked_and_escaped() -> None:
    frame = table(language=["fr"] * 8 + ["ko"] * 32).with_columns(
        text=pl.when(pl.col("id") == "r0").then(pl.lit("<i> 010-1234-5678 a@b.kr")).otherwise("text")
    )
    result = report(frame)
    shown = result.model_dump_json() + page_of(result)
    assert "010-1234" not in shown
    assert "a@b.kr" not in shown
    assert "&lt;i&gt; [PHONE] [EMAIL]" in page_of(result)
    assert ValidationReport.model_validate_json(result.model_dump_json()) == result


def test_before_splitting_there_is_nothing_between_splits_to_check() -> None:
    result = report(table().with_columns(split=pl.lit("train")))
    assert not result.failed
    assert not [check for check in result.checks if "copy" in check.name]


def jaccard_pairs(texts: list[str], reference: list[str], similarity: float) -> set[int]:
    def grams(text: str) -> set[str]:
        letters = "".join(character for character in text if "가" <= character <= "힣")
        return {letters[i : i + 4] for i in range(len(letters) - 3)}

    known = [grams(text) for text in reference]
    return {
        row
        for row, text in enumerate(texts)
        if any(len(grams(text) & other) / len(grams(text) | other) >= similarity for other in known)
    }


def test_near_duplicates_are_those_an_exhaustive_comparison_finds() -> None:
    reference = [sentence(number) for number in range(400)]
    texts = [f"{sentence(number, changed)} {number}!!" for number in range(300, 500, 3) for changed in (0, 2, 5, 9)]
    found = near_duplicates(pl.Series(texts), pl.Series(reference), 0.8)
    expected = jaccard_pairs(texts, reference, 0.8)
    assert 0 < len(expected) < len(texts)
    assert set(found["row"]) == expected


def test_short_texts_are_no_near_duplicates() -> None:
    assert near_duplicates(pl.Series(["최고 최고 최고"]), pl.Series(["최고 최고 최고"]), 0.8).is_empty()
    assert near_duplicates(pl.Series([], dtype=pl.String), pl.Series(["가"]), 0.8).is_empty()
