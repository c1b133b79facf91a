"""The validation gate: what reviews must satisfy before anything is trained on them."""

import polars as pl
from pydantic import Field

from sentiment.config.dataset import ValidationConfig
from sentiment.data.clean import CleaningReport
from sentiment.data.names import counted
from sentiment.data.near_duplicates import near_duplicates
from sentiment.data.reviews import SPLITS, Splits
from sentiment.errors import DataError
from sentiment.stored import Frozen, Report
from sentiment.text.pii import mask

_FIRST = 5
_EXAMPLE_CHARS = 80
NEAR_DUPLICATE_SIMILARITY = 0.8  # a changed word or ending; reviews that only share a phrase are further apart
CHANCE = 0.025  # how often data of which the bound is true may be refused


class ValidationCheck(Frozen):
    """One check: what was observed, the bound it is held against, and the first rows that count against it.

    `passed` is `observed <= threshold`, or `>=` where the name says "at least". The threshold of near copies is the
    bound and what chance adds to it in so many rows. `examples` are masked.
    """

    name: str
    passed: bool
    observed: float
    threshold: float
    ids: list[str] = Field(default=[])
    examples: list[str] = Field(default=[])


class ValidationReport(Report):
    """Every check, passed or not."""

    checks: list[ValidationCheck]

    @property
    def failed(self) -> list[ValidationCheck]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def require_passed(self) -> None:
        """Raise DataError naming every failed check, what was observed and the first ids."""
        if not self.failed:
            return
        reasons = "; ".join(
            f"{check.name}: {_number(check.observed)}, allowed {_number(check.threshold)}"
            + (f" (first ids {', '.join(check.ids)})" if check.ids else "")
            for check in self.failed
        )
        raise DataError(
            f"The data failed {len(self.failed)} of {counted(len(self.checks), 'check')}: {reasons}.",
            "Mend the source, or change the bound under validation if it is not right for this dataset.",
        )


def validate(splits: Splits, cleaning: CleaningReport, config: ValidationConfig) -> ValidationReport:
    """Check cleaned reviews, before or after `split`; checks between splits need the splits to be there.

    Never raises: `ValidationReport.require_passed` is the gate.
    """
    frame = splits.frame()
    return ValidationReport(
        checks=[
            *_rows_fit_the_schema(frame, len(splits.labels)),
            *_dropped_shares(cleaning, config),
            _repeated_ids(frame, config),
            _other_languages(frame, config),
            *_rows_per_class(frame, splits.labels, config),
            *_contamination(frame, config),
        ]
    )


def _rows_fit_the_schema(frame: pl.DataFrame, labels: int) -> list[ValidationCheck]:
    import pandera.polars as pa  # imports pandas, which costs a second

    schema = pa.DataFrameSchema(
        {
            "id": pa.Column(pl.String, pa.Check.str_length(min_value=1, error="rows without an id")),
            "text": pa.Column(pl.String, pa.Check.str_length(min_value=1, error="rows without a text")),
            "label": pa.Column(pl.Int64, pa.Check.in_range(0, labels - 1, error="rows without a known label")),
        }
    )
    try:
        schema.validate(frame, lazy=True)
        failures = pl.DataFrame(schema={"column": pl.String, "index": pl.Int64})
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases
    names = {name: column.checks[0].error for name, column in schema.columns.items()}
    return [
        _at_most(name, frame[failures.filter(column=column)["index"].unique().sort().to_list()], 0)
        for column, name in names.items()
    ]


def _dropped_shares(cleaning: CleaningReport, config: ValidationConfig) -> list[ValidationCheck]:
    bounds = {
        "empty": config.max_empty_share,
        "too_long": config.max_too_long_share,
        "unlabelled": config.max_unlabelled_share,
        "conflict": config.max_conflict_share,
        "duplicate": config.max_duplicate_share,
    }
    return [
        ValidationCheck(
            name=f"share of rows dropped as {reason}",
            passed=cleaning.share_dropped(reason) <= bound,
            observed=cleaning.share_dropped(reason),
            threshold=bound,
        )
        for reason, bound in bounds.items()
    ]


def _repeated_ids(frame: pl.DataFrame, config: ValidationConfig) -> ValidationCheck:
    repeated = frame.filter(~frame["id"].is_first_distinct())
    return _at_most("share of rows with another row's id", repeated, config.max_repeated_id_share, out_of=len(frame))


def _other_languages(frame: pl.DataFrame, config: ValidationConfig) -> ValidationCheck:
    other = frame.filter(~frame["language"].is_in(config.languages).fill_null(False))
    name = f"share of rows not in {', '.join(config.languages)}"
    return _at_most(name, other, config.max_other_language_share, out_of=len(frame))


def _rows_per_class(frame: pl.DataFrame, labels: tuple[str, ...], config: ValidationConfig) -> list[ValidationCheck]:
    checks = []
    for split in _present(frame):
        rows = frame.filter(split=split)["label"]
        for index, label in enumerate(labels):
            count = int((rows == index).sum())
            checks.append(
                ValidationCheck(
                    name=f"rows labelled {label} in {split}, at least",
                    passed=count >= config.min_rows_per_class,
                    observed=count,
                    threshold=config.min_rows_per_class,
                )
            )
    return checks


def _contamination(frame: pl.DataFrame, config: ValidationConfig) -> list[ValidationCheck]:
    checks = []
    train = frame.filter(split="train")
    for split in _present(frame)[1:]:
        held_out = frame.filter(split=split)
        seen = frame.filter(pl.col("split").is_in(SPLITS[: SPLITS.index(split)]))["text"]
        same = held_out.filter(held_out["text"].is_in(seen.unique().implode()))
        checks.append(_at_most(f"texts of {split} that stand in an earlier split", same, 0))
        pairs = near_duplicates(held_out["text"], train["text"], NEAR_DUPLICATE_SIMILARITY)
        near = held_out[pairs["row"].to_list()]
        name = f"share of {split} with a near copy in train"
        allowed = with_chance(config.max_near_duplicate_share, len(held_out))
        checks.append(_at_most(name, near, allowed, out_of=len(held_out)))
    return checks


def with_chance(bound: float, rows: int) -> float:
    """The largest share of `rows` that `rows` drawn from a source with the share `bound` exceed in at most `CHANCE`.

    Exact, by the binomial distribution: 0.1 gives 0.2 in 40 rows and 0.106 in 10,000.
    """
    from scipy.stats import binom

    return float(binom.isf(CHANCE, rows, bound)) / rows if 0 < bound < 1 else bound


def _present(frame: pl.DataFrame) -> list[str]:
    names = set(frame["split"].unique())
    return [name for name in SPLITS if name in names]


def _at_most(name: str, offending: pl.DataFrame, bound: float, *, out_of: int = 1) -> ValidationCheck:
    observed = len(offending) / max(1, out_of)
    first = offending.head(_FIRST)
    return ValidationCheck(
        name=name,
        passed=observed <= bound,
        observed=observed,
        threshold=bound,
        ids=first["id"].fill_null("(none)").to_list(),
        examples=[mask(text)[:_EXAMPLE_CHARS] for text in first["text"].fill_null("")],
    )


def _number(value: float) -> str:
    return f"{value:.4g}" if value % 1 else f"{value:.0f}"
