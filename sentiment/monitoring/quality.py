"""How good the answers are, from labels that arrive later; and an estimate while there are none.

Labels that people send by themselves are no fair sample: who is content says nothing, so such labels make a model look
worse than it is. A verdict is therefore made only from labels of days that are covered almost completely, or of sources
that are known to label rows drawn at random. All other labels are counted and shown, with that said.

The estimate is the mean confidence, corrected by how far confidence and accuracy lie apart on the reference rows:
"difference of confidences" (Guillory et al. 2021, Predicting with Confidence on Unseen Distributions). It holds while
confidence means what it meant in training. Drift can break that, so its error is shown wherever labels came.
"""

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from sentiment.config.drift import QualityConfig
from sentiment.messages import Message, say, sentences
from sentiment.monitoring.reference import Reference
from sentiment.monitoring.trust import earned, keyless, named
from sentiment.stats.bootstrap import Metric, resample_cells, wilson
from sentiment.stats.metrics import count_cells
from sentiment.store.records import ENDPOINT_SOURCE
from sentiment.stored import Frozen, Report
from sentiment.tasks import Task, task_of

# Below this a resample is often without one of the labels, and the interval means nothing.
FEWEST_FOR_MACRO_F1 = 20
RESAMPLES = 1_000  # the interval is shown, the verdict is not made from it
DAY = ("day", "model_version")

Status = Literal["ok", "drop", "not_enough_data"]


class DayQuality(Frozen):
    """One model version on one UTC day, the day of the prediction.

    `labels` of the `rows` have a label by now, of which `counted` are a fair sample: `accuracy` and `macro_f1` are of
    these, None without any (before 0.2 of all labels). `estimate` is the accuracy expected from the confidence of all
    rows, `estimate_error` the estimate for the counted rows minus their accuracy; both are None for a version whose
    reference is not at hand.
    """

    day: date
    model_version: str
    rows: int
    labels: int
    confirmed: int
    counted: int
    accuracy: Metric | None
    macro_f1: Metric | None
    estimate: float | None
    estimate_error: float | None

    @property
    def corrected(self) -> int:
        """Labels that contradict the prediction."""
        return self.labels - self.confirmed

    @property
    def coverage(self) -> float:
        """Share of the rows that have a label."""
        return self.labels / self.rows


class QualityReport(Report):
    """The verdict on one version, and what stands behind it.

    `accuracy` (Wilson interval) and `macro_f1` (bootstrap) are of the newest `counted` labels that are a fair sample.
    `rows`, `labels`, `confirmed` and `estimate` are of all the version's rows of the period. "drop": the upper end of
    the interval lies below `reference_accuracy` minus `max_accuracy_loss`. "ok": it does not; a smaller loss may still
    be there.
    """

    status: Status
    model_version: str | None
    counted: int
    min_labels: int
    min_coverage: float
    random_sources: tuple[str, ...]
    accuracy: Metric | None
    macro_f1: Metric | None
    reference_accuracy: float
    reference_macro_f1: float
    max_accuracy_loss: float
    rows: int
    labels: int
    confirmed: int
    estimate: float | None
    estimate_error: float | None
    days: tuple[DayQuality, ...]

    @property
    def corrected(self) -> int:
        """Labels that contradict the prediction."""
        return self.labels - self.confirmed

    @property
    def coverage(self) -> float:
        """Share of the version's rows that have a label."""
        return self.labels / self.rows if self.rows else 0.0

    @property
    def message(self) -> Message:
        """The verdict, or the reasons for none and what is expected meanwhile."""
        if self.accuracy is not None:
            figures = {"before": self.reference_accuracy, "after": self.accuracy.value, "loss": self.max_accuracy_loss}
            interval = {"low": self.accuracy.low, "high": self.accuracy.high, "rows": self.counted}
            return Message(code=f"quality.{self.status}", values={**figures, **interval})
        if not self.rows:
            return Message(code="quality.nothing")
        said = [Message(code="quality.few", values={"counted": self.counted, "needed": self.min_labels})]
        if biased := self.labels - self.counted:
            said.append(Message(code="quality.biased", values={"rows": biased, "coverage": self.min_coverage}))
        if self.estimate is not None:
            said.append(Message(code="quality.expected", values={"estimate": self.estimate}))
        return sentences(*said)

    @cached_property
    def summary(self) -> str:
        """The verdict in one sentence, the reasons for none in two or three."""
        return say(self.message)


def measure_quality(
    rows: pl.DataFrame,
    reference: Reference,
    config: QualityConfig,
    *,
    seed: int,
    model_version: str | None = None,
    traffic: pl.DataFrame | None = None,
) -> QualityReport:
    """Judge the rows that have a label (`truth`) against the reference.

    `rows`: time, model_version, label, confidence, truth and, where it is known, source. `traffic`: day, model_version,
    rows and mean confidence of everything that was predicted; None when `rows` is all of it. The verdict is on
    `model_version`, on all rows when it is None. Labels the reference does not know are left out.
    """
    rng, task = np.random.default_rng(seed), task_of(reference.task)
    dated = rows.with_columns(day=pl.col("time").dt.date())
    if traffic is None:
        traffic = dated.group_by(DAY).agg(rows=pl.len(), confidence=pl.col("confidence").mean())
    labelled = _labelled(dated, traffic, reference, config)
    judged = pl.lit(True) if model_version is None else pl.col("model_version") == model_version
    own, own_traffic = labelled.filter(judged), traffic.filter(judged)
    counted = own.filter("counts").sort("time", "id", descending=True).head(config.rows)
    enough = counted.height >= config.min_labels
    accuracy = _accuracy(counted) if enough else None
    expected = _Estimate(reference)
    return QualityReport(
        status=_status(accuracy, reference, config),
        model_version=model_version,
        counted=counted.height,
        min_labels=config.min_labels,
        min_coverage=config.min_coverage,
        random_sources=config.random_sources,
        accuracy=accuracy,
        macro_f1=_primary(counted, task, reference.labels, rng) if enough else None,
        reference_accuracy=reference.accuracy,
        reference_macro_f1=reference.macro_f1,
        max_accuracy_loss=config.max_accuracy_loss,
        rows=int(own_traffic["rows"].sum()),
        labels=own.height,
        confirmed=int(own["right"].sum()),
        estimate=expected.of(own_traffic),
        estimate_error=expected.error(counted),
        days=tuple(
            _days(
                labelled,
                traffic,
                expected,
                model_version=model_version,
                task=task,
                labels=reference.labels,
                rng=rng,
            )
        ),
    )


class _Estimate:
    """Accuracy from confidence: the mean confidence minus what it was too high by on the reference rows."""

    def __init__(self, reference: Reference) -> None:
        rows = reference.frame()
        right = (rows["label"] == rows["truth"]).to_numpy()
        self._excess = float(rows["confidence"].to_numpy().mean() - right.mean())

    def of(self, traffic: pl.DataFrame) -> float | None:
        """For groups of rows with their mean confidence; None when there are none."""
        if traffic.is_empty():
            return None
        mean = float((traffic["confidence"] * traffic["rows"]).sum()) / int(traffic["rows"].sum())
        return min(1.0, max(0.0, mean - self._excess))

    def error(self, labelled: pl.DataFrame) -> float | None:
        """The estimate for the rows minus their accuracy."""
        estimate = self.of(labelled.select("confidence", rows=pl.lit(1)))
        return None if estimate is None else estimate - float(labelled["right"].to_numpy().mean())


def _labelled(dated: pl.DataFrame, traffic: pl.DataFrame, reference: Reference, config: QualityConfig) -> pl.DataFrame:
    """The labelled rows with `right` and whether each `counts` for the verdict."""
    source = pl.col("source") if "source" in dated.columns else pl.lit(None, pl.String)
    known = dated.filter(pl.col("truth").is_in(reference.labels), pl.col("label").is_in(reference.labels))
    known = known.with_columns(trusted=_trusted(known, config))
    # What only others labelled is none of the day's rows: nobody fills a day with predictions of his own.
    coverage = pl.col("trusted").sum().over(DAY) / (pl.col("rows") - (~pl.col("trusted")).sum().over(DAY))
    return known.join(traffic.select(*DAY, "rows"), on=DAY, how="left").with_columns(
        right=pl.col("label") == pl.col("truth"),
        counts=(pl.col("trusted") & (coverage >= config.min_coverage))
        | source.is_in(config.random_sources).fill_null(value=False),
    )


def _trusted(known: pl.DataFrame, config: QualityConfig) -> pl.Series:
    """All rows where callers are not known. Nobody must agree with the model here: that is what is measured."""
    if "caller" not in known.columns:
        return pl.repeat(True, known.height, eager=True)
    answers = known.select("caller", "time", "confidence", label="truth", predicted="label")
    told = named(config.trusted_callers) | keyless(trusted=config.trust_keyless)
    chosen = known.select((pl.col("source") != ENDPOINT_SOURCE) | told).to_series()
    return chosen.fill_null(value=False) | earned(answers, days=config.trust_days, margin=1)


def _status(accuracy: Metric | None, reference: Reference, config: QualityConfig) -> Status:
    if accuracy is None:
        return "not_enough_data"
    return "drop" if accuracy.high < reference.accuracy - config.max_accuracy_loss else "ok"


def _days(
    labelled: pl.DataFrame,
    traffic: pl.DataFrame,
    expected: _Estimate,
    *,
    model_version: str | None,
    task: Task,
    labels: tuple[str, ...],
    rng: np.random.Generator,
) -> Iterator[DayQuality]:
    groups = labelled.partition_by(DAY, as_dict=True)
    for group in traffic.sort(DAY).partition_by(DAY, maintain_order=True):
        day, version = group.row(0, named=True)["day"], group.row(0, named=True)["model_version"]
        own = groups.get((day, version), labelled.clear())
        fair = own.filter("counts")
        judged = model_version is None or version == model_version
        yield DayQuality(
            day=day,
            model_version=version,
            rows=int(group["rows"].sum()),
            labels=own.height,
            confirmed=int(own["right"].sum()),
            counted=int(own["counts"].sum()),
            accuracy=_accuracy(fair),
            macro_f1=_primary(fair, task, labels, rng),
            estimate=expected.of(group) if judged else None,
            estimate_error=expected.error(fair) if judged else None,
        )


def _accuracy(rows: pl.DataFrame) -> Metric | None:
    return wilson(int(rows["right"].sum()), rows.height) if rows.height else None


def _primary(rows: pl.DataFrame, task: Task, labels: tuple[str, ...], rng: np.random.Generator) -> Metric | None:
    if rows.height < FEWEST_FOR_MACRO_F1:
        return None
    names = pl.Enum(labels)
    truth, predicted = (
        rows[column].cast(names).to_physical().to_numpy().astype(np.int64) for column in ("truth", "label")
    )
    confusion = count_cells((len(labels), len(labels)), truth, predicted)
    samples = task.scores(resample_cells(confusion, RESAMPLES, rng)).primary
    return Metric.from_samples(task.scores(confusion).primary, samples)
