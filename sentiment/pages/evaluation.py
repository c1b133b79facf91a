"""The pages of an evaluation, a paired comparison, the gate's decision and the choice among candidates."""

from collections.abc import Sequence

from sentiment.evaluation.compare import PairedComparison
from sentiment.evaluation.evaluation import Evaluation, Mistake, SliceResult
from sentiment.evaluation.gate import Contender, GateDecision
from sentiment.evaluation.performance import Performance
from sentiment.evaluation.selection import Selection
from sentiment.pages import html
from sentiment.pages.dispatch import Figures, compose, figures_of
from sentiment.stats.bootstrap import Metric


@figures_of.register
def _evaluation_figures(evaluation: Evaluation) -> dict[str, bytes]:
    """The confusion matrix, the reliability curve and, when slices have enough rows, macro-F1 by slice."""
    from sentiment.pages import plots

    pictures = {
        "confusion": plots.confusion_matrix(evaluation.confusion, evaluation.labels),
        "reliability": plots.reliability(evaluation.calibration),
    }
    if judged := [part for part in evaluation.slices if part.enough_rows]:
        pictures["slices"] = plots.slices(judged, evaluation.macro_f1)
    return pictures


@compose.register
def _evaluation(evaluation: Evaluation, figures: Figures) -> str:
    """Headline numbers, pictures, then the details."""
    rows = f"{evaluation.rows:,} rows"
    intervals = f"Intervals are 95%, from {evaluation.resamples:,} bootstrap resamples."
    return html.page(
        f"Evaluation of {evaluation.name}",
        html.paragraph(f"A {evaluation.kind} classifier on {rows} (data {evaluation.data_digest[:12]}). {intervals}"),
        html.table(["metric", "value", "95% interval"], [_metric_row(*item) for item in evaluation.headline().items()]),
        html.section("Pictures", *(html.figure(png, f"{stem} of {evaluation.name}") for stem, png in figures.items())),
        html.section(
            "By label",
            html.table(
                ["label", "rows", "precision", "recall", "F1"],
                [(c.label, c.support, *_metrics(c.precision, c.recall, c.f1)) for c in evaluation.classes],
            ),
        ),
        html.section("By slice", _slice_table(evaluation.slices)),
        html.section("Cost", _cost_table(evaluation.performance)),
        html.section("Most confident mistakes", _mistake_table(evaluation.mistakes)),
    )


@compose.register
def _comparison(comparison: PairedComparison, figures: Figures) -> str:
    return html.page(f"{comparison.candidate} against {comparison.champion}", *_comparison_sections(comparison))


@figures_of.register
def _gate_figures(decision: GateDecision) -> dict[str, bytes]:
    from sentiment.pages import plots

    return {"contenders": plots.contenders(decision.contenders, decision.config.register_threshold)}


@compose.register
def _gate(decision: GateDecision, figures: Figures) -> str:
    """The verdict, the checks, the contenders, then the paired comparison."""
    return html.page(
        "Promotion gate",
        html.badge(decision.outcome, None if decision.outcome == "unchanged" else decision.approved),
        html.paragraph(decision.summary),
        html.section(
            "Checks",
            html.table(
                ["check", "", "reason"],
                [(c.name, html.badge("passed" if c.passed else "failed", c.passed), c.reason) for c in decision.checks],
            ),
        ),
        html.section(
            "Contenders",
            *(html.figure(png, stem) for stem, png in figures.items()),
            _contender_table(decision.contenders),
        ),
        *(
            [html.section("Against the champion", *_comparison_sections(decision.comparison))]
            if decision.comparison
            else []
        ),
    )


@figures_of.register
def _selection_figures(selection: Selection) -> dict[str, bytes]:
    from sentiment.pages import plots

    return {"candidates": plots.choices(selection.candidates)}


@compose.register
def _selection(selection: Selection, figures: Figures) -> str:
    """The winner, the picture, then the table."""
    return html.page(
        "Choice among the candidates",
        html.paragraph(f"Chosen on {selection.rows:,} validation rows: {selection.summary}"),
        *(html.figure(png, stem) for stem, png in figures.items()),
        html.table(
            ["model", "macro-F1", "accuracy", "ECE", "in a batch", "model folder", ""],
            [
                (
                    c.name,
                    str(c.macro_f1),
                    str(c.accuracy),
                    f"{c.ece:.3f}",
                    f"{c.texts_per_second:,.0f} texts/s",
                    f"{c.size_bytes / 1e6:.3g} MB",
                    html.badge("chosen", ok=True) if c.name == selection.winner else "",
                )
                for c in selection.candidates
            ],
        ),
    )


def _comparison_sections(comparison: PairedComparison) -> list[str]:
    """The differences, the test, then the slices."""
    test = comparison.mcnemar
    method = "exact binomial" if test.exact else "chi-squared with continuity correction"
    level = f"{1 - comparison.significance:.0%}"
    candidate, champion = comparison.candidate, comparison.champion
    return [
        html.paragraph(
            f"{candidate} minus {champion} on the same {comparison.rows:,} rows. Intervals are {level}, from "
            f"{comparison.resamples:,} paired bootstrap resamples: one that excludes 0 is a real difference."
        ),
        html.table(
            ["difference", "value", f"{level} interval"],
            [("macro-F1", *_signed(comparison.macro_f1)), ("accuracy", *_signed(comparison.accuracy))],
        ),
        html.paragraph(
            f"Only {candidate} is right on {test.candidate_only_right:,} rows, only {champion} on "
            f"{test.champion_only_right:,}: McNemar p = {test.p_value:.3g} ({method})."
        ),
        html.table(
            ["slice", "rows", "macro-F1 difference", f"{level} interval", ""],
            [
                (
                    f"{part.column}: {part.value}",
                    part.rows,
                    *_signed(part.macro_f1),
                    "" if part.enough_rows else html.badge("too few rows", None),
                )
                for part in (comparison.feedback, comparison.known, *comparison.slices)
                if part
            ],
        ),
    ]


def _slice_table(slices: Sequence[SliceResult]) -> str:
    if not slices:
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
            for part in slices
        ],
    )


def _cost_table(cost: Performance) -> str:
    return html.table(
        ["one text, median", "one text, 95th percentile", "in a batch", "model folder"],
        [
            (
                f"{cost.latency_p50_ms:.2f} ms",
                f"{cost.latency_p95_ms:.2f} ms",
                f"{cost.texts_per_second:,.0f} texts/s",
                f"{cost.size_bytes / 1e6:.3g} MB",
            )
        ],
    )


def _mistake_table(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return html.paragraph("None were kept.")
    return html.table(
        ["id", "text", "label", "predicted", "confidence"],
        [(m.id, m.text, m.label, m.predicted, m.confidence) for m in mistakes],
    )


def _contender_table(contenders: Sequence[Contender]) -> str:
    return html.table(
        ["role", "model", "macro-F1", "accuracy", "ROC AUC", "ECE", "one text", "model folder"],
        [
            (
                c.role,
                c.name,
                *_metrics(c.macro_f1, c.accuracy, c.auc),
                f"{c.ece:.3f}",
                f"{c.latency_p50_ms:.2f} ms",
                f"{c.size_bytes / 1e6:.3g} MB",
            )
            for c in contenders
        ],
    )


def _metrics(*metrics: Metric | None) -> list[str | None]:
    return [None if metric is None else str(metric) for metric in metrics]


def _metric_row(name: str, metric: Metric | float | None) -> tuple[str, float | str | None, str | None]:
    if isinstance(metric, Metric):
        return name, f"{metric.value:.3f}", f"{metric.low:.3f} – {metric.high:.3f}"
    return name, None if metric is None else f"{metric:.3f}", None


def _signed(difference: Metric) -> tuple[str, str]:
    return f"{difference.value:+.4f}", f"{difference.low:+.4f} to {difference.high:+.4f}"
