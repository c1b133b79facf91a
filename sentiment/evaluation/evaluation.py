"""`Evaluation`: everything known about one classifier on one data set, and its page."""

from functools import cached_property

from sentiment.evaluation.performance import Performance
from sentiment.frozen import Frozen
from sentiment.pages import html
from sentiment.report import Report
from sentiment.stats.bootstrap import Metric
from sentiment.stats.calibration import Calibration


class ClassResult(Frozen):
    """One label. The metrics are None when no row has it: there is nothing to judge."""

    label: str
    support: int
    precision: Metric | None
    recall: Metric | None
    f1: Metric | None


class SliceResult(Frozen):
    """The rows that share a language, a category or a length. Without `enough_rows` it is shown, not judged."""

    column: str
    value: str
    rows: int
    enough_rows: bool
    accuracy: Metric
    macro_f1: Metric

    @property
    def title(self) -> str:
        """Column and value, for people."""
        return f"{self.column}: {self.value}"


class Mistake(Frozen):
    """A wrong prediction. Personal data in `text` is masked."""

    id: str
    text: str
    label: str
    predicted: str
    confidence: float


class Evaluation(Report):
    """Metrics with 95% bootstrap intervals of one classifier on one data set.

    `precision`, `recall` and `macro_f1` are macro averages over the labels that occur; `auc` is the area under the ROC
    curve, for more than two labels the mean of every label against the rest, and None when a label does not occur.
    `confusion` has the truth in rows. `data_digest` is that of the `Reviews`, so that two evaluations can be told to be
    of the same rows.
    """

    name: str
    kind: str
    rows: int
    labels: tuple[str, ...]
    data_digest: str
    seed: int
    resamples: int
    accuracy: Metric
    precision: Metric
    recall: Metric
    macro_f1: Metric
    auc: Metric | None
    classes: tuple[ClassResult, ...]
    slices: tuple[SliceResult, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: Calibration
    performance: Performance
    mistakes: tuple[Mistake, ...]

    @property
    def worst_slice(self) -> SliceResult | None:
        """The slice with the lowest macro-F1 among those with enough rows; None when no slice has enough."""
        judged = [part for part in self.slices if part.enough_rows]
        return min(judged, key=lambda part: part.macro_f1.value, default=None)

    def headline(self) -> dict[str, Metric | float | None]:
        """The numbers to log and to compare models by, by name."""
        return {
            "accuracy": self.accuracy,
            "macro-F1": self.macro_f1,
            "precision (macro)": self.precision,
            "recall (macro)": self.recall,
            "ROC AUC": self.auc,
            "ECE": self.calibration.ece,
            "Brier score": self.calibration.brier,
            "log loss": self.calibration.log_loss,
        }

    @cached_property
    def figures(self) -> dict[str, bytes]:
        """The confusion matrix, the reliability curve and, when slices have enough rows, macro-F1 by slice."""
        from sentiment.pages import plots

        pictures = {
            "confusion": plots.confusion_matrix(self.confusion, self.labels),
            "reliability": plots.reliability(self.calibration),
        }
        if judged := [part for part in self.slices if part.enough_rows]:
            pictures["slices"] = plots.slices(judged, self.macro_f1)
        return pictures

    def to_html(self) -> str:
        """Headline numbers, pictures, then the details."""
        speed = self.performance
        rows = f"{self.rows:,} rows"
        intervals = f"Intervals are 95%, from {self.resamples:,} bootstrap resamples."
        return html.page(
            f"Evaluation of {self.name}",
            html.paragraph(f"A {self.kind} classifier on {rows} (data {self.data_digest[:12]}). {intervals}"),
            html.table(["metric", "value", "95% interval"], [_metric_row(*item) for item in self.headline().items()]),
            html.section(
                "Pictures", *(html.figure(png, f"{stem} of {self.name}") for stem, png in self.figures.items())
            ),
            html.section(
                "By label",
                html.table(
                    ["label", "rows", "precision", "recall", "F1"],
                    [(c.label, c.support, *_metrics(c.precision, c.recall, c.f1)) for c in self.classes],
                ),
            ),
            html.section("By slice", self._slice_table()),
            html.section(
                "Cost",
                html.table(
                    ["one text, median", "one text, 95th percentile", "in a batch", "model folder"],
                    [
                        (
                            f"{speed.latency_p50_ms:.2f} ms",
                            f"{speed.latency_p95_ms:.2f} ms",
                            f"{speed.texts_per_second:,.0f} texts/s",
                            f"{speed.size_bytes / 1e6:.3g} MB",
                        )
                    ],
                ),
            ),
            html.section("Most confident mistakes", self._mistake_table()),
        )

    def _slice_table(self) -> str:
        if not self.slices:
            return html.paragraph("The data has no slices.")
        return html.table(
            ["slice", "rows", "accuracy", "macro-F1", ""],
            [
                (
                    part.title,
                    part.rows,
                    *_metrics(part.accuracy, part.macro_f1),
                    "" if part.enough_rows else html.badge("too few rows", None),
                )
                for part in self.slices
            ],
        )

    def _mistake_table(self) -> str:
        if not self.mistakes:
            return html.paragraph("None were kept.")
        return html.table(
            ["id", "text", "label", "predicted", "confidence"],
            [(m.id, m.text, m.label, m.predicted, m.confidence) for m in self.mistakes],
        )


def _metrics(*metrics: Metric | None) -> list[str | None]:
    return [None if metric is None else str(metric) for metric in metrics]


def _metric_row(name: str, metric: Metric | float | None) -> tuple[str, float | str | None, str | None]:
    if isinstance(metric, Metric):
        return name, f"{metric.value:.3f}", f"{metric.low:.3f} – {metric.high:.3f}"
    return name, None if metric is None else f"{metric:.3f}", None
