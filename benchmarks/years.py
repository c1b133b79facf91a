"""The real years of Naver's movie reviews, month by month, with and without retraining.

python benchmarks/years.py --data DIR [--train-rows N] [--every-month] [--picture docs/assets/years.png]

DIR holds naver_reviews.parquet (created_at, rating 1-10, text). A linear model learns from the reviews written before
2009, all or N of them. Then every month comes: the champion answers up to 2,000 of its reviews (that is what is
measured), and 1,000 others come back with their labels. The project's own functions decide: `detect_drift` and
`measure_quality` judge the 1,000, `decide_retraining` says whether to retrain, `check_feedback` what may be learnt
from, and the gate whether the new model becomes champion. No text occurs twice: nothing measured was ever learnt from.

Compared are the first model, never retrained; the one retrained when the decision says so; with N, a model that learnt
from all reviews before 2009 and is never retrained, to tell more reviews from newer ones; and, with --every-month, one
retrained every month without a gate.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sentiment.config.dataset import DatasetConfig, SplitConfig
from sentiment.config.drift import DriftConfig, QualityConfig
from sentiment.config.evaluation import EvaluationConfig, GateConfig
from sentiment.config.retrain import FeedbackConfig, RetrainPolicy
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Reviews, Splits
from sentiment.data.split import split
from sentiment.evaluation.compare import compare
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import MAJORITY, GateDecision, decide
from sentiment.kinds.linear import LinearConfig
from sentiment.models.base import TextClassifier
from sentiment.monitoring.drift import detect_drift
from sentiment.monitoring.quality import measure_quality
from sentiment.monitoring.reference import Reference
from sentiment.retraining.decision import STARTED, LabelCounts, RetrainDecision, decide_retraining
from sentiment.retraining.feedback import add_feedback, check_feedback, to_splits
from sentiment.stats.metrics import count_cells, hard_metrics
from sentiment.store.feedback import SCHEMA
from sentiment.store.journal import Entry
from sentiment.tasks import task_of
from sentiment.text.normalise import TextNormaliser
from sentiment.text.pii import mask_series
from sentiment.training.linear import train_linear
from sentiment.training.majority import train_majority

FIRST_MONTH, LAST_MONTH = datetime(2009, 1, 1), datetime(2015, 7, 1)
MEASURED_ROWS, LABELLED_ROWS = 2000, 1000
LABELS = ("negative", "positive")
SEED = 42
SPLIT = SplitConfig(validation=0.1, test=0.2)
# After the checks a month brings fewer than 1,000: two months of labels, except at the start.
POLICY = RetrainPolicy(min_new_labels=1000, cool_down_hours=24 * 25, max_retrains=4, budget_days=90)
GATE = GateConfig(register_threshold=0.7, max_ece=0.1, min_slice_macro_f1=0.5, max_slice_loss=0.03)
EVALUATION = EvaluationConfig()
DRAWN = "audit"  # the source of the labels: rows drawn at random, which need no caller to trust
FEEDBACK = FeedbackConfig(random_sources=(DRAWN,))
NORMALISER = TextNormaliser()


@dataclass
class Model:
    """A champion, and the reference it is monitored with."""

    classifier: TextClassifier
    reference: Reference


@dataclass
class Line:
    """One way to run the years: the model in use, and confusion counts by month."""

    name: str
    model: Model
    counts: dict[datetime, np.ndarray] = field(default_factory=dict)
    retrained: list[datetime] = field(default_factory=list)
    promoted: list[datetime] = field(default_factory=list)

    def measure(self, month: datetime, rows: pl.DataFrame) -> None:
        """Count what the model in use says of the month's rows."""
        predicted = self.model.classifier.predict_proba(rows["text"].to_list()).argmax(axis=1)
        self.counts[month] = count_cells((2, 2), rows["label"].to_numpy(), predicted)


def reviews(data: Path) -> pl.DataFrame:
    """All reviews with 1-4 or 9-10 points, normalised, every text once."""
    config = DatasetConfig(
        name="naver",
        path=str(data / "naver_reviews.parquet"),
        rating_column="rating",
        id_column="review_id",
        split_column="",
        rating_ranges={"negative": (1, 4), "positive": (9, 10)},
    )
    cleaned, _ = clean(read(config)[0], NORMALISER)
    return cleaned.train.frame()


def first_model(rows: pl.DataFrame, count: int | None) -> tuple[Model, Splits]:
    """A model of `count` reviews before the first month, of all when it is None, with the splits it was made of."""
    before = rows.filter(pl.col("created_at") < FIRST_MONTH)
    base = before.sample(count, seed=SEED) if count else before
    empty = Reviews.from_frame(base.clear(), LABELS)
    splits = split(Splits(Reviews.from_frame(base, LABELS), empty, empty), SPLIT)
    classifier = trained(splits)
    return Model(classifier, reference_of(classifier, splits, evaluation_of(classifier, splits.test, "first"))), splits


def trained(splits: Splits) -> TextClassifier:
    config = LinearConfig(name="linear")
    return train_linear(config, splits.train, splits.validation, normaliser=NORMALISER, seed=SEED)


def evaluation_of(classifier: TextClassifier, test: Reviews, name: str) -> Evaluation:
    return evaluate(classifier, test, EVALUATION, name=name, seed=SEED)


def reference_of(classifier: TextClassifier, splits: Splits, evaluation: Evaluation) -> Reference:
    accuracy, macro_f1 = evaluation.accuracy.value, evaluation.macro_f1.value
    return Reference.build(classifier, splits, SEED, accuracy=accuracy, macro_f1=macro_f1)


def months(rows: pl.DataFrame) -> Iterator[tuple[datetime, pl.DataFrame, pl.DataFrame]]:
    """Each month with the rows that are measured and the rows whose labels come back."""
    month = FIRST_MONTH
    while month <= LAST_MONTH:
        following = (month + timedelta(days=31)).replace(day=1)
        of_month = rows.filter(pl.col("created_at").is_between(month, following, closed="left"))
        drawn = of_month.sample(fraction=1, shuffle=True, seed=SEED)
        labelled, rest = drawn.head(LABELLED_ROWS), drawn.slice(LABELLED_ROWS)
        yield month, rest.head(MEASURED_ROWS), labelled
        month = following


def window_of(model: Model, rows: pl.DataFrame) -> pl.DataFrame:
    """What monitoring would read after the model answered `rows` and their labels came."""
    names = np.array(LABELS)
    probabilities = model.classifier.predict_proba(rows["text"].to_list())
    return pl.DataFrame(
        {
            "id": rows["id"],
            "time": rows["created_at"].dt.replace_time_zone("UTC"),
            "model_version": pl.Series(["1"] * len(rows)),
            "text": mask_series(rows["text"]),
            "label": names[probabilities.argmax(axis=1)],
            "confidence": probabilities.max(axis=1).astype(np.float64),
            "truth": names[rows["label"].to_numpy()],
            "origin": pl.Series(["endpoint"] * len(rows)),
        }
    )


def feedback_of(window: pl.DataFrame) -> pl.DataFrame:
    """The labels of a window as the prediction database would give them; all of the window's rows have one."""
    nothing = pl.lit(None, dtype=pl.String)
    return window.select(
        id="id",
        prediction_id="id",
        time="time",
        label="truth",
        caller=nothing,
        source=pl.lit(DRAWN),
        text="text",
        predicted="label",
        confidence="confidence",
        predicted_at="time",
        category=nothing,
        language=nothing,
        coverage=pl.lit(1.0),
    ).cast(dict(SCHEMA))


def judged(
    candidate: TextClassifier, champion: TextClassifier, splits: Splits, config: GateConfig = GATE
) -> tuple[GateDecision, Evaluation]:
    """The gate on both, scored on the same test rows."""
    majority = train_majority(splits.train, normaliser=NORMALISER)
    new, old, baseline = (
        evaluation_of(each, splits.test, name)
        for each, name in ((candidate, "candidate"), (champion, "champion"), (majority, MAJORITY))
    )
    comparison = compare(
        candidate.predict_proba(splits.test.texts),
        champion.predict_proba(splits.test.texts),
        splits.test,
        EVALUATION,
        task=task_of(candidate.task),
        candidate="candidate",
        champion="champion",
        seed=SEED,
    )
    decision = decide(new, [baseline], old, comparison, config, candidate_digest="new", champion_digest="old")
    return decision, new


class Decided:
    """The line that retrains when the decision says so, and promotes what the gate lets pass."""

    def __init__(self, model: Model, base: Splits) -> None:
        self.line = Line("retrained when needed", model)
        self.base = base
        self.feedback: list[pl.DataFrame] = []
        self.history: list[Entry] = []
        self.used_until: datetime | None = None

    def end_month(self, month: datetime, labelled: pl.DataFrame) -> None:
        """Monitor the month, decide, and retrain if that is the decision."""
        window = window_of(self.line.model, labelled)
        self.feedback.append(feedback_of(window))
        accepted, report = self._checked()
        new = accepted if self.used_until is None else accepted.filter(pl.col("time") > self.used_until)
        counts = LabelCounts(report.accepted, len(new), report.rows - report.accepted, self.used_until)
        decision = self._decide(window, counts, end_of(month))
        print(f"{month:%Y-%m}  {decision.summary}")
        if not decision.retrain:
            return
        self.line.retrained.append(month)
        self.history.append(Entry("decision", "", detail={"event": STARTED}, time=end_of(month)))
        self.used_until = end_of(month)
        splits = add_feedback(self.base, to_splits(accepted, LABELS))
        candidate = trained(splits)
        gate, evaluation = judged(candidate, self.line.model.classifier, splits)
        print(f"         {gate.summary}")
        if gate.approved:
            self.line.promoted.append(month)
            self.line.model = Model(candidate, reference_of(candidate, splits, evaluation))

    def _checked(self) -> tuple[pl.DataFrame, Any]:
        frame = pl.concat(self.feedback)
        return check_feedback(frame, FEEDBACK, labels=LABELS, normaliser=NORMALISER, split=SPLIT)

    def _decide(self, window: pl.DataFrame, labels: LabelCounts, now: datetime) -> RetrainDecision:
        reference = self.line.model.reference
        drift, _ = detect_drift(reference, window, DriftConfig(), seed=SEED)
        quality = measure_quality(window, reference, QualityConfig(), seed=SEED)
        return decide_retraining(drift, quality, labels, POLICY, self.history, paused=False, now=now)


class EveryMonth:
    """The line that learns from all labels there are at the end of every month, and asks no gate."""

    def __init__(self, model: Model, base: Splits) -> None:
        self.line = Line("retrained every month", model)
        self.base = base
        self.feedback: list[pl.DataFrame] = []

    def end_month(self, month: datetime, labelled: pl.DataFrame) -> None:
        """Learn from the month."""
        self.feedback.append(feedback_of(window_of(self.line.model, labelled)))
        frame = pl.concat(self.feedback)
        accepted, _ = check_feedback(frame, FEEDBACK, labels=LABELS, normaliser=NORMALISER, split=SPLIT)
        splits = add_feedback(self.base, to_splits(accepted, LABELS))
        self.line.model = Model(trained(splits), self.line.model.reference)
        self.line.retrained.append(month)


def end_of(month: datetime) -> datetime:
    return (month + timedelta(days=31)).replace(day=1, tzinfo=UTC)


def table(lines: list[Line]) -> str:
    """Markdown: a row a year, macro-F1 and accuracy of every line, and what the decided one did."""
    titles = " | ".join(f"{line.name}: macro-F1 | its accuracy" for line in lines)
    rows = [f"| year | reviews | positive | {titles} | retrained | promoted |", "|---" * (5 + 2 * len(lines)) + "|"]
    decided = lines[1]
    for year in sorted({month.year for month in decided.counts}):
        counts = [sum(part for month, part in line.counts.items() if month.year == year) for line in lines]
        metrics = [hard_metrics(np.asarray(each)) for each in counts]
        figures = " | ".join(f"{float(each.macro_f1):.3f} | {float(each.accuracy):.3f}" for each in metrics)
        total = np.asarray(counts[0])
        done = [sum(month.year == year for month in months) for months in (decided.retrained, decided.promoted)]
        share = total[1].sum() / total.sum()
        rows.append(f"| {year} | {total.sum():,} | {share:.1%} | {figures} | {done[0]} | {done[1]} |")
    return "\n".join(rows)


def picture(lines: list[Line], place: Path) -> None:
    """Macro-F1 over half a year, by month, with the promotions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for line, colour in zip(lines, ("#7A7A7A", "#0072B2", "#D55E00", "#009E73"), strict=False):
        dates = sorted(line.counts)
        smooth = [
            hard_metrics(sum((line.counts[each] for each in dates[max(0, place - 5) : place + 1]), np.zeros((2, 2))))
            for place in range(len(dates))
        ]
        axes.plot(dates, [float(each.macro_f1) for each in smooth], color=colour, label=line.name, linewidth=1.6)
    for place_in_time in lines[1].promoted:
        axes.axvline(end_of(place_in_time).replace(tzinfo=None), color="#0072B2", alpha=0.25, linewidth=0.9)
    axes.set_ylabel("macro-F1, six months")
    axes.set_title("Trained on reviews until 2008; vertical lines: a new champion", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    place.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with naver_reviews.parquet")
    parser.add_argument("--train-rows", type=int, help="reviews before 2009 to start with (default: all)")
    parser.add_argument("--every-month", action="store_true", help="also retrain every month")
    parser.add_argument("--picture", type=Path, help="where the plot goes")
    arguments = parser.parse_args()
    rows = reviews(arguments.data.resolve())
    model, base = first_model(rows, arguments.train_rows)
    never, decided = Line("never retrained", model), Decided(model, base)
    controls = [Line("never, all before 2009", first_model(rows, None)[0])] if arguments.train_rows else []
    followers: list[Decided | EveryMonth] = [decided, *([EveryMonth(model, base)] if arguments.every_month else [])]
    lines = [never, decided.line, *controls, *(each.line for each in followers[1:])]
    for month, measured, labelled in months(rows):
        for line in lines:
            line.measure(month, measured)
        for each in followers:
            each.end_month(month, labelled)
    print(f"\n{table(lines)}\n\n{time.process_time():.0f} CPU seconds")
    if arguments.picture:
        picture(lines, arguments.picture)


if __name__ == "__main__":
    main()
