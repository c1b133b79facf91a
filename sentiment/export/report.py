"""`ExportReport`: how the formats compared, which one is served, and why the others are not."""

from sentiment.config.deploy import ExportConfig
from sentiment.evaluation.performance import Performance
from sentiment.stats.bootstrap import Metric
from sentiment.stored import Frozen, Report

ORIGINAL = "original"


class Parity(Frozen):
    """How close a format is to the original, on the same rows.

    `agreement` is the share of texts with the same label, `largest_difference` the largest one between the two
    probabilities of a label, `macro_f1_change` format minus original with its paired bootstrap interval.
    """

    agreement: float
    largest_difference: float
    macro_f1_change: Metric

    @property
    def change(self) -> str:
        """The change in macro-F1 with its interval, as it is printed."""
        change = self.macro_f1_change
        return f"{change.value:+.4f} [{change.low:+.4f}, {change.high:+.4f}]"


class FormatResult(Frozen):
    """One format; the original has no `parity`. It may be served when it has no `failures`, which are sentences."""

    name: str
    kind: str
    parity: Parity | None
    performance: Performance
    failures: tuple[str, ...]


class ExportReport(Report):
    """The formats in the order they were made, the original first; `unusable` names those that gave no result."""

    served: str
    rows: int
    labels: tuple[str, ...]
    data_digest: str
    seed: int
    config: ExportConfig
    formats: tuple[FormatResult, ...]
    unusable: dict[str, str]

    @property
    def winner(self) -> FormatResult:
        """The format that is served."""
        return next(result for result in self.formats if result.name == self.served)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why formats are out, one sentence each."""
        failed = (f"{result.name} is out: {failure}" for result in self.formats for failure in result.failures)
        return (*failed, *(f"{name} is out: {cause}" for name, cause in self.unusable.items()))

    @property
    def summary(self) -> str:
        """The choice in one line, with what kept other formats out."""
        served, original = self.winner, self.formats[0]
        latency = f"{served.performance.latency_p50_ms:.3g} ms a text"
        if served.parity is None:
            sentence = f"Served in its own format ({served.kind}): {latency}."
        else:
            sentence = (
                f"Served as {served.name}: {latency} instead of {original.performance.latency_p50_ms:.3g}, the same "
                f"label on {served.parity.agreement:.2%} of {self.rows:,} texts, macro-F1 {served.parity.change}."
            )
        return " ".join((sentence, *self.reasons))
