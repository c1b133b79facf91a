"""Labels from users into training rows: what cannot be trusted stays in quarantine, counted under its reason.

A label may be wrong by mistake or on purpose. Nothing a user sends changes a row that is there already: feedback on a
text that stands in the data is left out, so that no label of a user can push a known text out of a split or over to
another one.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from sentiment.config.dataset import SplitConfig
from sentiment.config.retrain import FeedbackConfig
from sentiment.data.read import detect_language
from sentiment.data.reviews import FEEDBACK_SOURCE, SPLITS, Splits
from sentiment.data.split import by_hash
from sentiment.monitoring.trust import earned, keyless, lower_bound, named
from sentiment.store.records import ENDPOINT_SOURCE
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
    "pool_flip": "the callers who are not trusted, taken together, contradict predictions far too often",
    "untrusted": "its caller is not trusted: callers with the API key earn that, feedback.trusted_callers names others",
    "known_text": "the text stands in the data already, with a label of its own",
    "conflict": "the same text was given two labels: every copy",
    "duplicate": "a repeated text: every copy but the first",
    "topic_flip": "of the texts with one of its words, which the data hardly has, too many contradict the predictions",
    "topic_one_sided": "of the texts with one of its words, which the data hardly has, too many have the same label",
    "biased_test": "its text belongs to the validation or test rows, but its day's labels are no fair sample",
}
FEWEST_CALLERS = 3  # of two, one nearly always has more than half of the day's labels
FLIP_FEWEST_ROWS = 30  # of confident predictions: a caller with fewer says too little
FLIP_ALONE_SHARE = 0.5  # with no other caller to compare with: more than half of what was confident cannot be wrong
TOPIC_LETTERS = 3  # of a word: what follows is mostly an ending or a particle
# Measured by benchmarks/poison.py: of a word that it hardly knows a linear model believes five texts that contradict
# it, and 20 that all blame.
TOPIC_FLIPS, TOPIC_FLIP_SHARE = 3, 0.003
TOPIC_ONE_SIDED, TOPIC_ONE_SIDED_SHARE = 10, 0.01
ROUNDING = 1e-6  # of predictions, counted back from a share of them
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
    rows = rows.with_columns(trusted=_believed(rows, config))
    rows = _mark(rows, "pool_flip", _pool_flips(rows, config))
    rows = rows.with_columns(split=_splits(rows["text"], split))
    rows = _mark(rows, "untrusted", _beyond_cap(rows, config))
    if known is not None:
        rows = _mark(rows, "known_text", rows["text"].is_in(known.implode()))
    # What a caller who is not trusted says of a text takes no row of a trusted one away.
    rows = _mark_open(rows, "conflict", pl.col("label").n_unique().over("text", "trusted") > 1)
    rows = _mark_open(rows, "duplicate", ~pl.struct("text", "trusted").is_first_distinct())
    rows = _mark_open(rows, "duplicate", ~pl.col("trusted") & pl.col("trusted").any().over("text"))
    if known is not None:
        rows = _mark(rows, "topic_flip", _topic_flips(rows, config, known))
        rows = _mark(rows, "topic_one_sided", _one_sided(rows, config, known))
    rows = _mark(rows, "biased_test", (rows["split"] != "train") & ~_fair(rows, config))
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
    ).filter(~named(config.trusted_callers))
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

    Held against the median of the other callers, which a single other flipper cannot move far; the lower end of the
    share's interval must lie above it by the margin.
    """
    confident = _open(rows).filter(pl.col("confidence") >= config.flip_confidence)
    contradicted = (pl.col("label") != pl.col("predicted")).sum().alias("contradicted")
    callers = confident.group_by("caller").agg(pl.len().alias("rows"), contradicted)
    callers = callers.filter(pl.col("rows") >= FLIP_FEWEST_ROWS)
    shares = (callers["contradicted"] / callers["rows"]).to_list()
    flippers = []
    for place, (caller, count, against) in enumerate(callers.iter_rows()):
        others = pl.Series(shares[:place] + shares[place + 1 :], dtype=pl.Float64).median()
        bound = FLIP_ALONE_SHARE if others is None else float(str(others)) + config.flip_margin
        if _low(against, count) > bound:
            flippers.append(caller)
    found = pl.Series(flippers, dtype=pl.String)
    return (
        rows["caller"].is_in(found.implode(), nulls_equal=True)
        & ~rows.select(named(config.trusted_callers)).to_series()
    )


def _believed(rows: pl.DataFrame, config: FeedbackConfig) -> pl.Series:
    """Rows that someone with the database wrote, of callers whom the config names, of an endpoint without a key, and of
    callers who earned trust.
    """
    chosen = rows.select(_sure(config)).to_series()
    judged = _open(rows)
    found = judged.filter(earned(judged, days=config.trust_days, margin=config.flip_margin))["row"]
    chosen |= rows.select(keyless(trusted=config.trust_keyless)).to_series()
    return chosen | rows["row"].is_in(found.implode())


def _sure(config: FeedbackConfig) -> pl.Expr:
    return (pl.col("source") != ENDPOINT_SOURCE) | named(config.trusted_callers)


def _pool_flips(rows: pl.DataFrame, config: FeedbackConfig) -> pl.Series:
    """The rows of all callers who are not trusted, if together they contradict more than confidence allows.

    Many callers with few rows each would each say too little.
    """
    pool = _open(rows).filter(~pl.col("trusted"), pl.col("confidence").is_not_null())
    contradicted = int((pool["label"] != pool["predicted"]).sum())
    if len(pool) < FLIP_FEWEST_ROWS:
        return pl.repeat(False, len(rows), eager=True)
    expected = 1 - float(pool["confidence"].to_numpy().mean())
    return ~rows["trusted"] & (_low(contradicted, len(pool)) > expected + config.flip_margin)


def _topics(rows: pl.DataFrame, config: FeedbackConfig, known: pl.Series) -> pl.DataFrame:
    """A row for each word of each text; `anchor`: how many known or drawn texts have the word, and cannot be moved."""
    judged = _open(rows).with_columns(
        wrong=pl.col("label") != pl.col("predicted"),
        sure=_sure(config),
    )
    words = _words(judged.select("row", "text", "label", "caller", "wrong", "sure"))
    anchors = pl.concat(
        [_words(known.alias("text").to_frame().with_row_index("row")), words.filter("sure")], how="diagonal"
    )
    counts = anchors.group_by("topic").len("anchor")
    return words.join(counts, on="topic", how="left", maintain_order="left").with_columns(pl.col("anchor").fill_null(0))


def _words(rows: pl.DataFrame) -> pl.DataFrame:
    words = pl.col("text").str.to_lowercase().str.extract_all(r"\w+")
    exploded = rows.with_columns(topic=words).drop("text").explode("topic")
    begins = exploded.with_columns(pl.col("topic").str.slice(0, TOPIC_LETTERS))
    return begins.drop_nulls("topic").unique(["row", "topic"], maintain_order=True)


def _topic_flips(rows: pl.DataFrame, config: FeedbackConfig, known: pl.Series) -> pl.Series:
    """The contradicting rows of a word that is contradicted more often than all texts together are.

    A few suffice to teach a model what it hears of a word that it hardly knows.
    """
    topics = _topics(rows, config, known)
    share = float(topics.unique("row")["wrong"].to_numpy().mean()) if len(topics) else 0.0
    beyond = pl.col("wrong").sum().over("topic") - share * pl.len().over("topic")
    found = topics.filter(beyond > _most(topics, TOPIC_FLIPS, TOPIC_FLIP_SHARE), "wrong", ~pl.col("sure"))
    return rows["row"].is_in(found["row"].implode())


def _one_sided(rows: pl.DataFrame, config: FeedbackConfig, known: pl.Series) -> pl.Series:
    """Of the rows with a word those of one label that are too many more than the others; all of them if twice so."""
    topics = _topics(rows, config, known)
    most = _most(topics, TOPIC_ONE_SIDED, TOPIC_ONE_SIDED_SHARE)
    own = pl.len().over("topic", "label")
    others = pl.len().over("topic") - own
    found = topics.filter(~pl.col("sure"), (_place() >= others + most) | (own > others + 2 * most))
    return rows["row"].is_in(found["row"].implode())


def _most(topics: pl.DataFrame, fewest: int, share: float) -> pl.Expr:
    return pl.max_horizontal(pl.lit(max(fewest, share * topics["row"].n_unique())), "anchor")


def _place() -> pl.Expr:
    """The place of a row among those with its topic and label: every caller's first before anyone's second."""
    turn = pl.col("row").rank("ordinal").over("topic", "label", "caller")
    return pl.struct(turn.alias("turn"), "row").rank("ordinal").over("topic", "label") - 1


def _fair(rows: pl.DataFrame, config: FeedbackConfig) -> pl.Series:
    """The rows that may be tested on.

    Only labels of trusted callers cover a day, and what only others labelled is none of its predictions: whoever labels
    what he asks himself neither fills a day up nor empties it. A caller with most of a day's predictions decides alone
    what is tested: no fair sample, unless the config names him, or the endpoint has no key.
    """
    day = pl.col("predicted_at").dt.date()
    seen = rows.filter(pl.col("text").is_not_null()).unique(["prediction_id", "caller"])
    days = seen.group_by(day.alias("day")).agg(
        labelled=pl.col("prediction_id").n_unique(),
        believed=pl.col("prediction_id").filter("trusted").n_unique(),
        asked=pl.col("prediction_id").n_unique() / pl.col("coverage").max(),
    )
    callers = seen.group_by(day.alias("day"), "caller").agg(own=pl.col("prediction_id").n_unique())
    seen = seen.with_columns(day=day).join(days, on="day").join(callers, on=["day", "caller"], nulls_equal=True)
    others = pl.col("asked") - (pl.col("labelled") - pl.col("believed"))
    covered = (pl.col("believed") >= config.min_coverage * others - ROUNDING) & pl.col("trusted")
    shared = (
        (pl.col("own") <= config.max_caller_share * pl.col("asked"))
        | _sure(config)
        | keyless(trusted=config.trust_keyless)
    )
    drawn = pl.col("source").is_in(list(config.random_sources))
    found = seen.filter((covered & shared) | drawn)
    keys = rows.join(found, on=["prediction_id", "caller"], how="semi", nulls_equal=True)["row"]
    return rows["row"].is_in(keys.implode())


def _beyond_cap(rows: pl.DataFrame, config: FeedbackConfig) -> pl.Series:
    """What callers who are not trusted gave beyond `max_untrusted_share` of what trusted ones did.

    They are taken in the order of their texts' hashes, which nobody who sends them earlier or more often changes.
    """
    left = _open(rows)
    most = int(config.max_untrusted_share * left.filter("trusted").height)
    pool = left.filter(~pl.col("trusted")).with_columns(order=pl.col("text").hash(0)).sort("order", "row")
    beyond = pl.concat([pool.filter(pl.col("split") == "train").slice(most), pool.filter(pl.col("split") != "train")])
    return rows["row"].is_in(beyond["row"].implode())


def _low(count: int, rows: int) -> float:
    return float(lower_bound(np.array([count]), np.array([rows]))[0])


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
