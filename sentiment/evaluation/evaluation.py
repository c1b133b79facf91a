"""`Evaluation`: everything known about one classifier on one data set."""

from sentiment.evaluation.performance import Performance
from sentiment.stats.bootstrap import Metric
from sentiment.stats.calibration import Calibration
from sentiment.stored import Frozen, Report
from sentiment.tasks import FIRST, task_of


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
    task: str = FIRST
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
        """The slice with the lowest primary metric among those with enough rows; None when no slice has enough."""
        task = task_of(self.task)
        judged = [part for part in self.slices if part.enough_rows]
        return min(judged, key=lambda part: task.primary_of(part).value, default=None)

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
