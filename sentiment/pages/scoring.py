"""The pages of batch scoring: the snapshot, a shard, and what a batch came out as."""

from sentiment.pages import html, plots
from sentiment.pages.dispatch import Figures, compose, figures_of
from sentiment.scoring.score import ShardReport
from sentiment.scoring.snapshot import SnapshotReport
from sentiment.scoring.summary import ScoringSummary


@compose.register
def _snapshot(report: SnapshotReport, figures: Figures) -> str:
    return html.page(
        f"{report.planned:,} reviews of {report.reading.dataset} to score",
        html.section("Rows by shard", html.table(["shard", "rows"], enumerate(report.shards))),
        html.section("Not scored", html.table(["reason", "rows"], report.left_out.items())),
        html.section("Noticed", html.table(["what", "rows"], report.reading.noticed.items())),
        html.section("Files", html.table(["file"], [[file] for file in report.reading.files])),
    )


@compose.register
def _shard(report: ShardReport, figures: Figures) -> str:
    counts = (report.rows, report.scored, report.skipped, report.seconds)
    return html.page("Scored shard", html.table(["rows", "scored", "there before", "seconds"], [counts]))


@figures_of.register
def _summary_figures(summary: ScoringSummary) -> dict[str, html.Html]:
    return {"confidence": plots.confidence_histogram(summary.tally.confidence, len(summary.labels))}


@compose.register
def _summary(summary: ScoringSummary, figures: Figures) -> str:
    """The sentence, the counts and the picture."""
    facts = [
        ("model", f"{summary.model_name} version {summary.model_version} ({summary.kind})"),
        ("shards", len(summary.shards)),
        ("rows a second", round(summary.rows_per_second)),
        ("result", summary.parquet),
    ]
    counts = [(each.label, each.language, each.rows, each.confidence) for each in summary.tally.counts]
    return html.page(
        f"Scores of {summary.batch}",
        html.paragraph(summary.summary),
        html.table(["what", "value"], facts),
        html.section("Rows", html.table(["label", "language", "rows", "mean confidence"], counts)),
        html.section("Confidence", html.figure(figures["confidence"], "Histogram of the confidence")),
        html.section("Not scored", html.table(["reason", "rows"], summary.snapshot.left_out.items())),
    )
