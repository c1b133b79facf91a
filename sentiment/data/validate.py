"""The validation gate: what reviews must satisfy before anything is trained on them."""

import math

import polars as pl
from pydantic import Field

from sentiment.config.dataset import ValidationConfig
from sentiment.data.clean import CleaningReport
from sentiment.data.names import counted, listed
from sentiment.data.near_duplicates import near_duplicates
from sentiment.data.reviews import SPLITS, Splits
from sentiment.errors import OR, DataError, option
from sentiment.stored import Frozen, Report
from sentiment.text.pii import mask

FEW = "min_rows_per_class"
_FIRST = 5
_EXAMPLE_CHARS = 80
NEAR_DUPLICATE_SIMILARITY = 0.8  # a changed word or ending; reviews that only share a phrase are further apart
CHANCE = 0.025  # how often data of which the bound is true may be refused


class ValidationCheck(Frozen):
    """One check: what was observed, the bound it is held against, and the first rows that count against it.

    `passed` is `observed <= threshold`, or `>=` where the name says "at least". `setting` is the key of
    `ValidationConfig` that has the bound, empty for one that does not move. The threshold of near copies is the bound
    and what chance adds to it in so many rows. `examples` are masked.
    """

    name: str
    passed: bool
    observed: float
    threshold: float
    setting: str = ""
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
            f"{check.name}: {_number(check.observed)}, {_bound(check)}"
            + (f" (first ids {listed(check.ids)})" if check.ids else "")
            for check in self.failed
        )
        raise DataError(
            f"The data failed {len(self.failed)} of {counted(len(self.checks), 'check')}: {reasons}.",
            _ways_out(self.failed),
        )


def _bound(check: ValidationCheck) -> str:
    return f"{'needed' if check.setting == FEW else 'allowed'} {_number(check.threshold)}"


def _ways_out(failed: list[ValidationCheck]) -> str:
    """Mend the source; or take the data as it is, where every bound that it breaks can be moved."""
    few = [check for check in failed if check.setting == FEW]
    mend = "Mend the rows at fault in the source"
    if few:
        mend = (
            f"Add labelled rows: of each label {_number(few[0].threshold)} are needed in every split, "
            f"so about {_number(10 * few[0].threshold)} in all, as a split has a tenth of them"
        )
    bounds: dict[str, float] = {}
    for check in failed:
        found = check.observed if check.setting == FEW else min(1.0, math.ceil(check.observed * 1000) / 1000)
        bounds[check.setting] = (min if check.setting == FEW else max)(found, bounds.get(check.setting, found))
    if "" in bounds or bounds.get(FEW, 1) < 1:
        return f"{mend}."
    accepted = " ".join(option(f"validation.{key}", int(v) if key == FEW else v) for key, v in bounds.items())
    return f"{mend}{OR}Take it as it is: {accepted}"


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
    checks = []
    for reason in ("empty", "too_long", "unlabelled", "conflict", "duplicate"):
        setting = f"max_{reason}_share"
        observed, bound = cleaning.share_dropped(reason), getattr(config, setting)
        name = f"share of rows dropped as {reason}"
        checks.append(
            ValidationCheck(name=name, passed=observed <= bound, observed=observed, threshold=bound, setting=setting)
        )
    return checks


def _repeated_ids(frame: pl.DataFrame, config: ValidationConfig) -> ValidationCheck:
    repeated = frame.filter(~frame["id"].is_first_distinct())
    name, setting = "share of rows with another row's id", "max_repeated_id_share"
    return _at_most(name, repeated, config.max_repeated_id_share, out_of=len(frame), setting=setting)


def _other_languages(frame: pl.DataFrame, config: ValidationConfig) -> ValidationCheck:
    other = frame.filter(~frame["language"].is_in(config.languages).fill_null(False))
    name = f"share of rows not in {', '.join(config.languages)}"
    setting = "max_other_language_share"
    return _at_most(name, other, config.max_other_language_share, out_of=len(frame), setting=setting)


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
                    setting=FEW,
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
        setting = "max_near_duplicate_share"
        allowed = with_chance(config.max_near_duplicate_share, len(held_out))
        checks.append(_at_most(name, near, allowed, out_of=len(held_out), setting=setting))
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


def _at_most(
    name: str, offending: pl.DataFrame, bound: float, *, out_of: int = 1, setting: str = ""
) -> ValidationCheck:
    observed = len(offending) / max(1, out_of)
    first = offending.head(_FIRST)
    return ValidationCheck(
        name=name,
        passed=observed <= bound,
        observed=observed,
        threshold=bound,
        setting=setting,
        ids=first["id"].fill_null("(none)").to_list(),
        examples=[mask(text)[:_EXAMPLE_CHARS] for text in first["text"].fill_null("")],
    )


def _number(value: float) -> str:
    return f"{value:.4g}" if value % 1 else f"{value:.0f}"
