"""Labels from users into training rows: what cannot be trusted stays in quarantine, counted under its reason.

A label may be wrong by mistake or on purpose. Nothing a user sends changes a row that is there already: feedback on a
text that stands in the data is left out, so that no label of a user can push a known text out of a split or over to
another one.
"""

from collections.abc import Sequence

import polars as pl

from sentiment.config.dataset import SplitConfig
from sentiment.config.retrain import FeedbackConfig
from sentiment.data.read import detect_language
from sentiment.data.reviews import FEEDBACK_SOURCE, SPLITS, Splits
from sentiment.data.split import by_hash
from sentiment.stored import Frozen, Report
from sentiment.text.normalise import TextNormaliser
from sentiment.text.pii import mask, mask_series

# In this order: a row counts under the first that holds.
REASONS = {
    "unknown_prediction": "its prediction is not in the database (any more)",
    "unknown_label": "a label that the model does not have",
    "empty": "nothing is left of the text after normalisation",
    "superseded": "the same caller gave the same prediction a later label",
    "flood": "its caller gave more labels that day than one caller may",
    "label_flip": "its caller contradicts confident predictions far more often than others do",
    "known_text": "the text stands in the data already, with a label of its own",
    "conflict": "the same text was given two labels: every copy",
    "duplicate": "a repeated text: every copy but the first",
    "biased_test": "its text belongs to the validation or test rows, but its day's labels are no fair sample",
}
FEWEST_CALLERS = 3  # of two, one nearly always has more than half of the day's labels
FLIP_FEWEST_ROWS = 30  # of confident predictions: a caller with fewer says too little
FLIP_ALONE_SHARE = 0.5  # with no other caller to compare with: more than half of what was confident cannot be wrong
FLIP_SIGNIFICANCE = 0.01  # every caller is judged in every run: 0.05 would accuse too many honest ones
EXAMPLES = 3
EXAMPLE_CHARACTERS = 200
MOST_CALLERS = 20
NO_KEY = "(no key)"


class CallerLabels(Frozen):
    """The labels of one caller. `contradicted` of the `confident` predictions were called wrong."""

    caller: str
    rows: int
    accepted: int
    confident: int
    contradicted: int


class QuarantinedLabel(Frozen):
    """A label that was kept out. Personal data in `text` is masked."""

    reason: str
    text: str | None
    label: str
    predicted: str | None
    confidence: float | None
    caller: str


class FeedbackReport(Report):
    """What became of the labels: `rows` is `accepted` and all of `quarantined` together.

    `labels` and `splits` count the accepted rows, `corrected` those that say the prediction was wrong. `since` and
    `until` are the times of the first and the last label.
    """

    rows: int
    accepted: int
    corrected: int
    quarantined: dict[str, int]
    labels: dict[str, int]
    splits: dict[str, int]
    since: str | None
    until: str | None
    callers: tuple[CallerLabels, ...]
    examples: tuple[QuarantinedLabel, ...]

    @property
    def summary(self) -> str:
        """The counts in one line."""
        reasons = ", ".join(f"{rows:,} {reason.replace('_', ' ')}" for reason, rows in self.quarantined.items())
        return f"{self.accepted:,} of {self.rows:,} labels accepted; quarantined: {reasons or 'none'}"


def check_feedback(
    frame: pl.DataFrame,
    config: FeedbackConfig,
    *,
    labels: Sequence[str],
    normaliser: TextNormaliser,
    split: SplitConfig,
    known: pl.Series | None = None,
) -> tuple[pl.DataFrame, FeedbackReport]:
    """Divide `frame` (`sentiment.store.feedback.SCHEMA`) into rows that may be learnt from and rows that may not.

    `known` are texts that stand in the data already (`known_texts`). Returns the accepted rows, oldest first, with
    normalised texts and a column `split`. The split is decided by the hash of the text with the shares and the salt of
    `split`, whatever its method: a dataset with a test set of its own must be tested on new reviews too, and a row
    keeps its split from one retraining to the next.
    """
    rows = frame.sort("time", "id").with_columns(
        text=normaliser.series(frame.sort("time", "id")["text"]), reason=pl.lit(None, dtype=pl.String)
    )
    rows = rows.with_row_index("row")
    rows = _mark(rows, "unknown_prediction", rows["text"].is_null())
    rows = _mark(rows, "unknown_label", ~rows["label"].is_in(list(labels)))
    rows = _mark(rows, "empty", rows["text"] == "")
    rows = _mark_open(rows, "superseded", ~pl.struct("prediction_id", "caller").is_last_distinct())
    rows = _mark(rows, "flood", _floods(rows, config))
    rows = _mark(rows, "label_flip", _flips(rows, config))
    if known is not None:
        rows = _mark(rows, "known_text", rows["text"].is_in(known.implode()))
    rows = _mark_open(rows, "conflict", pl.col("label").n_unique().over("text") > 1)
    rows = _mark_open(rows, "duplicate", ~pl.col("text").is_first_distinct())
    rows = rows.with_columns(split=_splits(rows["text"], split))
    fair = (pl.col("coverage") >= config.min_coverage) | pl.col("source").is_in(list(config.random_sources))
    rows = _mark_open(rows, "biased_test", (pl.col("split") != "train") & ~fair.fill_null(False))
    accepted = _open(rows).select(*frame.columns, "split")
    return accepted, _report(rows, labels, config)


def known_texts(texts: pl.Series, normaliser: TextNormaliser) -> pl.Series:
    """The texts as the prediction log would hold them (masked), so that feedback on them is recognised."""
    return pl.concat([texts, normaliser.series(mask_series(texts))]).unique()


def to_splits(accepted: pl.DataFrame, labels: Sequence[str]) -> Splits:
    """Accepted rows as reviews with the source `FEEDBACK_SOURCE`; without a category of their own they get that one."""
    codes = {label: index for index, label in enumerate(labels)}
    language = accepted["language"]
    return Splits.from_frame(
        accepted.select(
            "split",
            id=pl.format("feedback-{}", "prediction_id"),
            text=pl.col("text"),
            label=pl.col("label").replace_strict(codes, return_dtype=pl.Int64),
            rating=pl.lit(None, dtype=pl.Float32),
            category=pl.col("category").fill_null(FEEDBACK_SOURCE),
            language=language.zip_with(language.is_not_null(), detect_language(accepted["text"])),
            created_at=pl.col("predicted_at").dt.replace_time_zone(None),
            source=pl.lit(FEEDBACK_SOURCE),
        ),
        labels,
    )


def add_feedback(base: Splits, feedback: Splits) -> Splits:
    """Both together, split by split; the rows of `base` stay where they are."""
    return Splits.from_frame(pl.concat([base.frame(), feedback.frame()]), base.labels)


def _splits(texts: pl.Series, config: SplitConfig) -> pl.Series:
    return by_hash(
        texts.fill_null("").to_frame("text"), {"test": config.test, "validation": config.validation}, config.salt
    )


def _mark(rows: pl.DataFrame, reason: str, holds: pl.Series) -> pl.DataFrame:
    first = pl.col("reason").is_null() & holds.fill_null(False)
    return rows.with_columns(reason=pl.when(first).then(pl.lit(reason)).otherwise("reason"))


def _mark_open(rows: pl.DataFrame, reason: str, holds: pl.Expr) -> pl.DataFrame:
    """Mark what holds among the rows that no reason was found against so far."""
    found = _open(rows).filter(holds)["row"]
    return _mark(rows, reason, rows["row"].is_in(found.implode()))


def _open(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("reason").is_null())


def _floods(rows: pl.DataFrame, config: FeedbackConfig) -> pl.Series:
    """The rows of callers who gave too many labels on a day.

    Callers without a key may be many people: no share is held against them, but the number is.
    """
    judged = _open(rows).with_columns(day=pl.col("time").dt.date())
    counts = judged.group_by("day", "caller").len("rows")
    counts = counts.with_columns(
        share=pl.col("rows") / pl.col("rows").sum().over("day"), callers=pl.len().over("day")
    ).filter(~_trusted(config))
    too_many = pl.col("rows") > config.max_caller_rows
    too_large = (
        (pl.col("share") > config.max_caller_share)
        & (pl.col("callers") >= FEWEST_CALLERS)
        & pl.col("caller").is_not_null()
    )
    floods = counts.filter(too_many | too_large)
    found = judged.join(floods, on=["day", "caller"], how="semi", nulls_equal=True)["row"]
    return rows["row"].is_in(found.implode())


def _flips(rows: pl.DataFrame, config: FeedbackConfig) -> pl.Series:
    """The rows of callers who contradict confident predictions far more often than the others.

    Held against the median of the other callers, which a single other flipper cannot move far; the lower end of a
    one-sided Clopper-Pearson interval (1934) must lie above it by the margin.
    """
    from scipy.stats import beta

    confident = _open(rows).filter(pl.col("confidence") >= config.flip_confidence)
    contradicted = (pl.col("label") != pl.col("predicted")).sum().alias("contradicted")
    callers = confident.group_by("caller").agg(pl.len().alias("rows"), contradicted)
    callers = callers.filter(pl.col("rows") >= FLIP_FEWEST_ROWS)
    shares = (callers["contradicted"] / callers["rows"]).to_list()
    flippers = []
    for place, (caller, count, against) in enumerate(callers.iter_rows()):
        others = pl.Series(shares[:place] + shares[place + 1 :], dtype=pl.Float64).median()
        bound = FLIP_ALONE_SHARE if others is None else float(str(others)) + config.flip_margin
        low = beta.ppf(FLIP_SIGNIFICANCE, against, count - against + 1) if against else 0.0
        if low > bound and caller not in config.trusted_callers:
            flippers.append(caller)
    return rows["caller"].is_in(pl.Series(flippers, dtype=pl.String).implode(), nulls_equal=True)


def _trusted(config: FeedbackConfig) -> pl.Expr:
    return pl.col("caller").is_in(list(config.trusted_callers)).fill_null(False)


def _report(rows: pl.DataFrame, labels: Sequence[str], config: FeedbackConfig) -> FeedbackReport:
    accepted = _open(rows)
    counts = dict(rows["reason"].drop_nulls().value_counts().iter_rows())
    given = dict(accepted["label"].value_counts().iter_rows())
    times = rows["time"].dt.strftime("%Y-%m-%d %H:%M")
    return FeedbackReport(
        rows=len(rows),
        accepted=len(accepted),
        corrected=accepted.filter(pl.col("label") != pl.col("predicted")).height,
        quarantined={reason: counts[reason] for reason in REASONS if reason in counts},
        labels={label: given.get(label, 0) for label in labels},
        splits={name: int((accepted["split"] == name).sum()) for name in SPLITS},
        since=times[0] if len(rows) else None,
        until=times[-1] if len(rows) else None,
        callers=_callers(rows, config),
        examples=_examples(rows),
    )


def _callers(rows: pl.DataFrame, config: FeedbackConfig) -> tuple[CallerLabels, ...]:
    confident = (pl.col("confidence") >= config.flip_confidence).fill_null(False)
    counted = rows.group_by("caller").agg(
        rows=pl.len(),
        accepted=pl.col("reason").is_null().sum(),
        confident=confident.sum(),
        contradicted=(confident & (pl.col("label") != pl.col("predicted"))).sum(),
    )
    top = counted.sort(["rows", "caller"], descending=[True, False]).head(MOST_CALLERS)
    return tuple(CallerLabels.model_validate(row) for row in top.with_columns(_caller_name()).iter_rows(named=True))


def _examples(rows: pl.DataFrame) -> tuple[QuarantinedLabel, ...]:
    kept_out = rows.filter(pl.col("reason").is_not_null()).with_columns(_caller_name())
    first = kept_out.group_by("reason", maintain_order=True).head(EXAMPLES)
    return tuple(
        QuarantinedLabel(
            reason=row["reason"],
            text=None if row["text"] is None else mask(row["text"])[:EXAMPLE_CHARACTERS],
            label=mask(row["label"])[:EXAMPLE_CHARACTERS],
            predicted=row["predicted"],
            confidence=row["confidence"],
            caller=row["caller"],
        )
        for row in first.iter_rows(named=True)
    )


def _caller_name() -> pl.Expr:
    return pl.col("caller").fill_null(NO_KEY)
