"""The pages of monitoring: the reference, the window, drift (ours and Evidently's), quality, and the decision to
retrain. Texts are shown as examples of new words alone, masked and shortened."""

from collections.abc import Iterator, Sequence

import polars as pl

from sentiment.messages import Message, named, say
from sentiment.monitoring.data_quality import DataQuality
from sentiment.monitoring.descriptors import DESCRIPTORS, MOST_CHARACTERS, describe
from sentiment.monitoring.domain import Term
from sentiment.monitoring.drift import DriftReport, DriftTest, SourceVerdict
from sentiment.monitoring.evidently_report import EvidentlyReport
from sentiment.monitoring.quality import DayQuality, QualityReport
from sentiment.monitoring.reference import Reference
from sentiment.monitoring.window import Window
from sentiment.monitoring.words import NewWord
from sentiment.pages import html
from sentiment.pages.dispatch import Figures, compose, figures_of
from sentiment.retraining.decision import RetrainDecision
from sentiment.retraining.feedback import REASONS, FeedbackReport
from sentiment.stats.bootstrap import Metric

MOST_DISTRIBUTIONS = 8
SHOWN_TESTS = 5  # the others are folded, unless they drifted


@compose.register
def _reference(reference: Reference, figures: Figures) -> str:
    """Counts and means, no texts."""
    frame = reference.frame()
    described = describe(frame["text"], reference.vocabulary)
    shares = frame.group_by("label").agg(rows=pl.len(), confidence=pl.col("confidence").mean()).sort("label")
    languages = described["language"].value_counts().sort("language")
    return html.page(
        "Reference for monitoring",
        html.paragraph(reference.summary),
        html.paragraph("Monitoring compares new texts and the model's answers with these."),
        html.section("Predicted labels", html.table(["label", "rows", "mean confidence"], shares.rows())),
        html.section("Languages, by their letters", html.table(["language", "rows"], languages.rows())),
        html.section(
            "Texts",
            html.table(
                ["", "mean", "standard deviation", "share of texts above 0"],
                [
                    (each.title, column.mean(), column.std(), (column > 0).mean())
                    for each in DESCRIPTORS
                    for column in [described[each.name]]
                ],
            ),
        ),
    )


@compose.register
def _window(window: Window, figures: Figures) -> str:
    frame = window.frame().with_columns(day=pl.col("time").dt.date())
    tables = [
        html.section(
            f"Rows by {column}", html.table((column, "rows"), frame[column].value_counts().sort(column).rows())
        )
        for column in ("day", "label", "origin")
    ]
    return html.page("Window", html.paragraph(window.summary), *tables)


@figures_of.register
def _drift_figures(report: DriftReport) -> dict[str, html.Html]:
    """All effects against their thresholds, and both distributions of what drifted."""
    if not report.tests:
        return {}
    from sentiment.pages import plots

    return {
        "effects": plots.effects(report.tests),
        **{
            test.name: plots.distribution(test.title, test.distribution)
            for test in report.drifted[:MOST_DISTRIBUTIONS]
            if test.distribution
        },
    }


@compose.register
def _drift(report: DriftReport, figures: Figures) -> str:
    """The verdict, what moved in words, new words, then the figures behind it."""
    ok = {"drift": False, "no_drift": True, "not_enough_data": None}[report.status]
    known = report.since and report.until
    period = f"{report.since:%Y-%m-%d %H:%M} – {report.until:%Y-%m-%d %H:%M} UTC" if known else "–"
    return html.page(
        "Drift",
        html.box(
            html.badge(report.status.replace("_", " "), ok),
            html.paragraph(_told(report.message)),
            html.table(
                ["window", "rows", "distinct texts", "reference", "model version"],
                [(period, report.rows, report.texts, report.reference_rows, report.model_version)],
            ),
        ),
        html.section("What moved", _moved_table(report.tests)),
        *_words(report.words),
        *_sources(report.sources),
        html.box(
            html.folded("Statistics and thresholds", _test_table(report.tests)),
            html.folded("What tells the texts apart", *_terms(report.terms)),
            html.folded("Data", _data_table(report.data)),
        ),
        html.pictures(*(html.figure(png, stem) for stem, png in figures.items())),
        languages=True,
    )


def _told(message: Message | str) -> html.Html:
    return html.both(say(message, "en"), say(message, "ko"))


def _moved_table(tests: Sequence[DriftTest]) -> str:
    if not tests:
        return html.paragraph(html.both("Nothing was compared.", "비교한 것이 없습니다."))
    rows = [
        (html.badge("drift", False) if test.drifted else "", _told(test.reading))
        for test in sorted(tests, key=lambda test: -test.excess)
    ]
    first = max(SHOWN_TESTS, sum(test.drifted for test in tests))
    headers = ["", "reference → window"]
    shown = html.table(headers, rows[:first], stacked=True)
    others = html.folded("The others", html.table(headers, rows[first:], stacked=True)) if rows[first:] else ""
    return html.joined(shown, others)


def _words(words: Sequence[NewWord]) -> Iterator[str]:
    if words:
        rows = [(word.text, f"{word.reference:.1%}", f"{word.window:.1%}", word.example) for word in words]
        headers = ["word", "in the reference", "in the window", "for example"]
        yield html.section("New words", html.table(headers, rows, stacked=True))


def _sources(sources: Sequence[SourceVerdict]) -> Iterator[str]:
    if sources:
        rows = [(_told(named("origin", each.origin)), each.rows, _told(each.message)) for each in sources]
        note = html.both(
            "What is tried on the page has no part in the verdict.", "페이지에서 시험한 것은 판정에 넣지 않습니다."
        )
        yield html.section(
            "By source", html.table(["from", "rows", "verdict"], rows, stacked=True), html.paragraph(note)
        )


@compose.register
def _evidently(report: EvidentlyReport, figures: Figures) -> str:
    """Evidently's own page, whose scripts come with it: about 4 MB."""
    if report.snapshot is None:
        return html.page(
            "Drift, by Evidently", html.paragraph("Not enough data: nothing was compared. The drift report says why.")
        )
    from evidently.core.report import Snapshot

    page: str = Snapshot.loads(report.snapshot).get_html_str(as_iframe=False)
    return page


@figures_of.register
def _quality_figures(report: QualityReport) -> dict[str, html.Html]:
    """Accuracy by day beside the estimate, when there is a day to draw."""
    days = [day for day in report.days if report.model_version in {None, day.model_version}]
    if not any(day.counted for day in days) and len(days) < 2:
        return {}
    from sentiment.pages import plots

    return {"quality": plots.quality_by_day(days, report.reference_accuracy, report.max_accuracy_loss)}


@compose.register
def _quality(report: QualityReport, figures: Figures) -> str:
    """The verdict, how far the labels can be trusted, the days."""
    ok = {"ok": True, "drop": False, "not_enough_data": None}[report.status]
    return html.page(
        "Quality",
        html.box(
            html.badge(report.status.replace("_", " "), ok),
            html.paragraph(_told(report.message)),
            html.table(
                ["", "now", "95% interval", "in the test"],
                [
                    _compared("accuracy", report.accuracy, report.reference_accuracy),
                    _compared("macro-F1", report.macro_f1, report.reference_macro_f1),
                    ("accuracy expected from the confidence", report.estimate, None, report.reference_accuracy),
                ],
            ),
            html.facts([("model version", report.model_version or "–")]),
        ),
        *(html.figure(png, "accuracy by day") for png in figures.values()),
        html.section("How far the labels can be trusted", *_trust(report)),
        html.section("By day and model version", html.paragraph(_READING), _day_table(report.days)),
        languages=True,
    )


def _test_table(tests: Sequence[DriftTest]) -> str:
    return html.table(
        ["", "", "effect", "threshold", "method", "window", "reference", "mean"],
        [
            (
                html.badge("drift", False) if test.drifted else "",
                _told(test.name_said),
                f"{test.effect:.3f}",
                f"{test.threshold:.3f}",
                test.method,
                test.rows,
                test.reference_rows or None,  # nothing to compare with
                test.detail,
            )
            for test in sorted(tests, key=lambda test: -test.excess)
        ],
    )


def _terms(terms: Sequence[Term]) -> Iterator[str]:
    if not terms:
        yield html.paragraph(html.both("Nothing was compared.", "비교한 것이 없습니다."))
        return
    yield html.paragraph(
        html.both(
            "Character n-grams that tell the window from the reference best, and how many texts have them.",
            "최근 데이터와 기준 데이터를 가장 잘 구별하는 문자 n-gram과, 이를 포함한 텍스트의 비율입니다.",
        )
    )
    yield html.table(
        ["n-gram", "reference", "window"],
        [(term.text, f"{term.reference:.1%}", f"{term.window:.1%}") for term in terms],
    )


def _data_table(data: DataQuality) -> str:
    return html.table(
        ["rows", "empty", "repeated", "with odd characters", f"over {MOST_CHARACTERS:,} characters"],
        [(data.rows, data.empty, data.repeated, data.odd, data.too_long)],
    )


def _compared(name: str, metric: Metric | None, reference: float) -> tuple[object, ...]:
    if metric is None:
        return name, None, None, reference
    return name, metric.value, f"{metric.low:.3f} to {metric.high:.3f}", reference


def _trust(report: QualityReport) -> Iterator[str]:
    yield html.table(
        ["rows", "with a label", "confirmed", "corrected", "coverage"],
        [(report.rows, report.labels, report.confirmed, report.corrected, f"{report.coverage:.1%}")],
    )
    sources = ", ".join(report.random_sources)
    yield html.paragraph(
        html.both(
            f"A day's labels count for the verdict when they cover {report.min_coverage:.0%} of its rows"
            + (f", or come from {sources}" if sources else "")
            + ". People who answer by themselves correct more often than they confirm: their labels are counted, and "
            "not shown as an accuracy.",
            f"그날 예측의 {report.min_coverage:.0%} 이상에 라벨이 있는 날의 라벨만 판정에 씁니다"
            + (f"({sources}의 라벨은 항상 사용)" if sources else "")
            + ". 자발적으로 보낸 피드백은 정정이 더 많은 편향된 표본이므로, 건수만 세고 정확도로 보여 주지 않습니다.",
        )
    )
    if report.estimate_error is not None:
        yield html.paragraph(
            html.both(
                f"The estimate is off by {report.estimate_error:+.3f} on the labels that count.",
                f"판정에 쓰는 라벨에서 추정값의 오차는 {report.estimate_error:+.3f}입니다.",
            )
        )


def _day_table(days: Sequence[DayQuality]) -> str:
    return html.table(
        _DAY_HEADERS,
        [
            (
                day.day.isoformat(),
                day.model_version,
                day.rows,
                day.labels,
                f"{day.coverage:.0%}",
                day.counted,
                day.confirmed,
                day.corrected,
                None if day.accuracy is None or not day.counted else str(day.accuracy),
                None if day.macro_f1 is None or not day.counted else str(day.macro_f1),
                day.estimate,
                None if day.estimate_error is None else f"{day.estimate_error:+.3f}",
            )
            for day in days
        ],
    )


_DAY_HEADERS = (
    *("day", "version", "rows", "labels", "coverage", "that count", "confirmed", "corrected"),
    *("accuracy", "macro-F1", "estimate", "its error"),
)
_READING = html.both(
    "Accuracy and macro-F1 are of the labels that count, with 95% intervals; the estimate is of all rows. Its error is "
    "estimate minus accuracy, both on the labels that count.",
    "정확도와 macro-F1은 판정에 쓰는 라벨로만 계산하며 95% 구간입니다. 추정은 모든 예측에 대한 값이고, "
    "오차는 판정에 쓰는 라벨에서 추정값과 정확도의 차이입니다.",
)


@compose.register
def _decision(decision: RetrainDecision, figures: Figures) -> str:
    """The verdict, then the figures behind it."""
    return html.page(
        "Retraining",
        html.box(
            html.badge("retrain" if decision.retrain else "no retraining", True if decision.retrain else None),
            html.paragraph(_told(decision.said)),
            html.facts(
                [
                    ("reason", _told(named("reason", decision.reason))),
                    ("time (UTC)", f"{decision.time:%Y-%m-%d %H:%M}"),
                ]
            ),
        ),
        html.section(
            "Evidence",
            html.table(
                ["figure", "value"],
                [(_told(named("figure", name)), _figure(value)) for name, value in decision.evidence.items()],
            ),
        ),
        languages=True,
    )


def _figure(value: object) -> object:
    if isinstance(value, bool):
        return _told(Message(code="yes" if value else "no"))
    return _told(value) if isinstance(value, Message) else value


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
