"""The pages of the decision to retrain, and of the labels that people sent."""

from sentiment.pages import html
from sentiment.pages.dispatch import Figures, compose
from sentiment.retraining.decision import RetrainDecision
from sentiment.retraining.feedback import REASONS, FeedbackReport


@compose.register
def _decision(decision: RetrainDecision, figures: Figures) -> str:
    """The verdict, then the figures behind it."""
    return html.page(
        "Retraining",
        html.badge("retrain" if decision.retrain else "no retraining", True if decision.retrain else None),
        html.paragraph(decision.summary),
        html.table(
            ["reason", "asked for by", "time (UTC)"],
            [(decision.reason, decision.trigger, f"{decision.time:%Y-%m-%d %H:%M:%S}")],
        ),
        html.section("Evidence", html.table(["figure", "value"], decision.evidence.items())),
    )


@compose.register
def _feedback(report: FeedbackReport, figures: Figures) -> str:
    """The counts, then callers and examples."""
    return html.page(
        "Feedback",
        html.paragraph(f"{report.summary}. {report.corrected:,} of the accepted labels correct the prediction."),
        html.table(["first label (UTC)", "last label (UTC)"], [(report.since, report.until)]),
        html.section(
            "Accepted",
            html.table(["label", "rows"], report.labels.items()),
            html.table(["split", "rows"], report.splits.items()),
        ),
        html.section(
            "Quarantined",
            html.table(
                ["reason", "rows", "meaning"],
                [(reason, rows, REASONS[reason]) for reason, rows in report.quarantined.items()],
            ),
        ),
        html.section(
            "Callers with the most labels",
            html.table(
                ["caller", "labels", "accepted", "on confident predictions", "of these contradicting"],
                [(c.caller, c.rows, c.accepted, c.confident, c.contradicted) for c in report.callers],
            ),
        ),
        html.section(
            "Examples from quarantine",
            html.table(
                ["reason", "text", "label", "predicted", "confidence", "caller"],
                [(e.reason, e.text, e.label, e.predicted, e.confidence, e.caller) for e in report.examples],
            ),
        ),
    )
