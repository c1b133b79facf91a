"""The pages of reading, cleaning and validation, and the counts of reviews. Texts are never shown unmasked."""

import polars as pl

from sentiment.data.clean import REASONS, CleaningReport
from sentiment.data.read import ReadingReport
from sentiment.data.reviews import SPLITS, Reviews, Splits
from sentiment.data.validate import ValidationReport
from sentiment.pages import html
from sentiment.pages.dispatch import Figures, compose

MOST_VALUES = 30


@compose.register
def _reading(report: ReadingReport, figures: Figures) -> str:
    return html.page(
        f"Reading {report.dataset}",
        html.section("Rows", html.table(["split", "rows"], report.rows.items())),
        html.section("Left out, as the config asks", html.table(["reason", "rows"], report.left_out.items())),
        html.section("Noticed", html.table(["what", "rows"], report.noticed.items())),
        html.section("Files", html.table(["file"], [[file] for file in report.files])),
    )


@compose.register
def _cleaning(report: CleaningReport, figures: Figures) -> str:
    splits = [name for name in SPLITS if report.rows_in[name]]
    return html.page(
        "Cleaning",
        html.section(
            "Rows",
            html.table(
                ["split", "in", "out", *next(iter(report.classes.values()))],
                [
                    [name, report.rows_in[name], report.rows_out[name], *report.classes[name].values()]
                    for name in splits
                ],
            ),
        ),
        html.section(
            "Dropped",
            html.table(
                ["split", "rows", "reason", "first ids"],
                [[entry.split, entry.rows, REASONS[entry.reason], ", ".join(entry.ids)] for entry in report.dropped],
            ),
        ),
        html.section("Normalised", html.table(["rule", "rows changed"], report.normalised.items())),
    )


@compose.register
def _validation(report: ValidationReport, figures: Figures) -> str:
    """The checks, failed ones first, and the texts that count against them."""
    checks = sorted(report.checks, key=lambda check: check.passed)
    rows = [
        [
            html.badge("passed" if check.passed else "failed", check.passed),
            check.name,
            check.observed,
            check.threshold,
        ]
        for check in checks
    ]
    examples = [
        [check.name, row, text] for check in checks for row, text in zip(check.ids, check.examples, strict=True)
    ]
    return html.page(
        "Validation",
        html.section("Checks", html.table(["", "check", "observed", "bound"], rows)),
        html.section("First rows", html.table(["check", "id", "text (masked)"], examples)),
    )


@compose.register
def _reviews(reviews: Reviews, figures: Figures) -> str:
    return html.page(f"{len(reviews):,} reviews", *_counts(reviews))


@compose.register
def _splits(splits: Splits, figures: Figures) -> str:
    parts = [html.section(f"{name}: {len(part):,} reviews", *_counts(part)) for name, part in splits.named()]
    return html.page("Reviews", *parts)


def _counts(reviews: Reviews) -> list[str]:
    names = dict(enumerate(reviews.labels))
    frame = reviews.frame().with_columns(pl.col("label").replace_strict(names, return_dtype=pl.String, default=None))
    return [
        html.table((column, "rows"), frame[column].value_counts(sort=True).head(MOST_VALUES).rows())
        for column in ("label", "language", "category", "source")
    ]
