"""The pages of an evaluation, a paired comparison, the gate's decision and the choice among candidates."""

from collections.abc import Sequence

from sentiment.data.names import counted
from sentiment.evaluation.compare import PairedComparison, SliceDifference
from sentiment.evaluation.evaluation import Evaluation, Mistake, SliceResult
from sentiment.evaluation.gate import MAJORITY, Check, Contender, GateDecision
from sentiment.evaluation.performance import Performance
from sentiment.evaluation.selection import Selection
from sentiment.pages import html, plots
from sentiment.pages.dispatch import Figures, compose, figures_of
from sentiment.pages.html import Html, both
from sentiment.stats.bootstrap import Metric


@figures_of.register
def _evaluation_figures(evaluation: Evaluation) -> dict[str, Html]:
    """The confusion matrix, the reliability curve and, when slices have enough rows, macro-F1 by slice."""
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
        metric_table(evaluation),
        html.section(
            "Pictures",
            html.pictures(*(html.figure(shown, f"{name} of {evaluation.name}") for name, shown in figures.items())),
        ),
        html.section("By label", label_table(evaluation)),
        html.section("By slice", *slice_tables(evaluation.slices)),
        html.section("Cost", _cost_table(evaluation.performance)),
        html.section("Most confident mistakes", mistake_table(evaluation.mistakes)),
    )


@compose.register
def _comparison(comparison: PairedComparison, figures: Figures) -> str:
    return html.page(f"{comparison.candidate} against {comparison.champion}", *comparison_parts(comparison))


@figures_of.register
def _gate_figures(decision: GateDecision) -> dict[str, Html]:
    return {"contenders": plots.contenders(decision.contenders, decision.config.register_threshold)}


@compose.register
def _gate(decision: GateDecision, figures: Figures) -> str:
    """The verdict, the checks, the contenders, then the paired comparison."""
    return html.page(
        "Promotion gate",
        html.badge(decision.outcome, None if decision.outcome == "unchanged" else decision.approved),
        html.paragraph(decision.summary),
        html.section("Checks", check_table(decision)),
        html.section(
            "Contenders",
            *(html.figure(shown, name) for name, shown in figures.items()),
            contender_table(decision.contenders),
        ),
        *(
            [html.section("Against the champion", *comparison_parts(decision.comparison))]
            if decision.comparison
            else []
        ),
    )


@figures_of.register
def _selection_figures(selection: Selection) -> dict[str, Html]:
    return {"candidates": plots.choices(selection.candidates)}


@compose.register
def _selection(selection: Selection, figures: Figures) -> str:
    """The winner, the picture, then the table."""
    return html.page(
        "Choice among the candidates",
        html.paragraph(f"Chosen on {selection.rows:,} validation rows: {selection.summary}"),
        *(html.figure(shown, name) for name, shown in figures.items()),
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


def comparison_parts(comparison: PairedComparison) -> list[Html]:
    """The differences, the test, then the slices; those with few rows are folded."""
    test = comparison.mcnemar
    level = f"{1 - comparison.significance:.0%}"
    candidate, champion = comparison.candidate, comparison.champion
    slices = [part for part in (comparison.feedback, comparison.known, *comparison.slices) if part]
    few = [part for part in slices if not part.enough_rows]
    return [
        html.paragraph(
            both(
                f"{candidate} minus {champion} on the same {comparison.rows:,} rows. Intervals are {level}, from "
                f"{comparison.resamples:,} paired bootstrap resamples: one that excludes 0 is a real difference.",
                f"같은 {comparison.rows:,}건에서 {candidate}의 값에서 {champion}의 값을 뺀 차이입니다. {level} 구간은 "
                f"대응 부트스트랩 {comparison.resamples:,}회로 구했으며, 0을 포함하지 않으면 실제 차이입니다.",
            )
        ),
        html.figure(plots.differences(comparison), f"{candidate} minus {champion}"),
        html.table(
            ["difference", "value", both(f"{level} interval", f"{level} 구간")],
            [("macro-F1", *_signed(comparison.macro_f1)), ("accuracy", *_signed(comparison.accuracy))],
        ),
        html.paragraph(
            both(
                f"Only {candidate} is right on {counted(test.candidate_only_right)}, only {champion} on "
                f"{counted(test.champion_only_right)}: McNemar p = {test.p_value:.3g} "
                f"({'exact binomial' if test.exact else 'chi-squared with continuity correction'}).",
                f"{candidate}만 맞힌 것은 {test.candidate_only_right:,}건, {champion}만 맞힌 것은 "
                f"{test.champion_only_right:,}건입니다: McNemar p = {test.p_value:.3g} "
                f"({'정확 이항 검정' if test.exact else '연속성 보정 카이제곱 검정'}).",
            )
        ),
        _difference_table([part for part in slices if part.enough_rows], level),
        *([html.folded(_few_rows(len(few)), _difference_table(few, level))] if few else []),
    ]


def _difference_table(parts: Sequence[SliceDifference], level: str) -> Html:
    return html.table(
        ["slice", "rows", both("macro-F1 difference", "macro-F1 차이"), both(f"{level} interval", f"{level} 구간")],
        [(both(*plots.slice_title(part)), part.rows, *_signed(part.macro_f1)) for part in parts],
    )


def _few_rows(slices: int) -> Html:
    return both(
        f"Too few rows to be judged: {counted(slices, 'slice')}", f"건수가 부족해 판정하지 않은 부분 집합 {slices}개"
    )


def slice_tables(slices: Sequence[SliceResult]) -> list[Html]:
    """What was judged, and folded under it what has too few rows for that."""
    if not slices:
        return [html.paragraph("The data has no slices.")]
    judged = [part for part in slices if part.enough_rows]
    few = [part for part in slices if not part.enough_rows]
    shown = [_slice_table(judged)] if judged else []
    if few:
        shown.append(html.folded(_few_rows(len(few)), _slice_table(few)))
    return shown


def _slice_table(slices: Sequence[SliceResult]) -> Html:
    return html.table(
        ["slice", "rows", "accuracy", "macro-F1"],
        [(both(*plots.slice_title(part)), part.rows, *_metrics(part.accuracy, part.macro_f1)) for part in slices],
    )


def label_table(evaluation: Evaluation) -> Html:
    """Precision, recall and F1 of every label."""
    return html.table(
        ["label", "rows", "precision", "recall", "F1"],
        [(c.label, c.support, *_metrics(c.precision, c.recall, c.f1)) for c in evaluation.classes],
    )


def metric_table(evaluation: Evaluation) -> Html:
    """The headline metrics with their intervals."""
    return html.table(
        ["metric", "value", "95% interval"], [_metric_row(*item) for item in evaluation.headline().items()]
    )


def check_table(decision: GateDecision) -> Html:
    """Every check of the gate, the failed ones first."""
    checks = sorted(decision.checks, key=lambda check: check.passed)
    return html.table(
        ["", "check", "reason"],
        [
            (
                html.badge("passed" if c.passed else "failed", c.passed),
                c.name,
                html.sentence(both(c.reason, _in_korean(c, decision) or c.reason)),
            )
            for c in checks
        ],
        stacked=True,
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


def _in_korean(check: Check, decision: GateDecision) -> str | None:
    """What a check found, by the figures of the decision; None for one that is not known here."""
    candidate, comparison, config, passed = decision.contenders[0], decision.comparison, decision.config, check.passed
    majority = next((each.macro_f1 for each in decision.contenders if each.name == MAJORITY), None)
    said = {
        "new model": "챔피언과 바이트 단위로 같은 모델입니다.",
        "champion": "아직 챔피언이 없어 최저 기준만으로 판정했습니다.",
        "test rows": "라벨마다 평가할 건수가 충분합니다." if passed else "평가할 건수가 부족한 라벨이 있습니다.",
        "same test rows": "모든 모델을 같은 테스트 데이터로 평가했습니다."
        if passed
        else "다른 테스트 데이터로 평가한 모델이 있습니다.",
        "no leakage suspected": "정확도가 지나치게 높지 않습니다."
        if passed
        else "정확도가 지나치게 높아 데이터 누수가 의심됩니다.",
        "macro-F1": f"macro-F1 {candidate.macro_f1}, 최저 기준 {config.register_threshold:.3f}.",
        "calibration": f"보정 오차(ECE) {candidate.ece:.3f}: 우연을 뺀 값이 상한 {config.max_ece:.3f}"
        f"{' 이내입니다' if passed else '을 초과합니다'}.",
        "worst slice": f"최저 기준 {config.min_slice_macro_f1:.3f}에 미치지 못하는 부분 집합이 "
        f"{'없습니다' if passed else '있습니다'}.",
        "beats majority": f"macro-F1의 하한 {candidate.macro_f1.low:.3f}, 최다 라벨 모델은 {majority.value:.3f}."
        if majority
        else "비교할 최다 라벨 모델이 없습니다.",
        "paired evidence": "같은 테스트 데이터에서 챔피언과 건별로 비교했습니다."
        if passed
        else "챔피언과 건별로 비교한 자료가 없습니다.",
        "no source worse": f"{config.max_slice_loss:g} 넘게 나빠진 출처가 {'없습니다' if passed else '있습니다'}.",
        "no worse on known rows": f"피드백이 아닌 기존 데이터에서 {config.max_slice_loss:g} 넘는 하락이 "
        f"{'없습니다' if passed else '없다고 볼 수 없습니다'}.",
        "feedback rows": f"피드백 데이터에서 {'나빠지지 않았습니다' if passed else '나빠졌습니다'}.",
    }
    if comparison:
        gain, test = comparison.macro_f1, comparison.mcnemar
        said["better macro-F1"] = (
            f"챔피언과의 macro-F1 차이 {gain.value:+.4f} ({gain.low:+.4f} ~ {gain.high:+.4f}), 구간이 "
            f"{config.min_gain:+.4f}보다 {'높습니다' if passed else '높지 않습니다'}."
        )
        said["better accuracy"] = (
            f"후보만 맞힌 것 {test.candidate_only_right:,}건, 챔피언만 맞힌 것 {test.champion_only_right:,}건: "
            f"McNemar p = {test.p_value:.3g}."
        )
    return said.get(check.name)


def mistake_table(mistakes: Sequence[Mistake]) -> Html:
    """Wrong predictions, the most confident first; personal data is masked."""
    if not mistakes:
        return html.paragraph("None were kept.")
    return html.table(
        ["text", both("label → predicted", "라벨 → 예측"), "confidence", "id"],
        [
            (html.sentence(m.text), html.joined(m.label, " → ", m.predicted), f"{m.confidence:.1%}", m.id)
            for m in mistakes
        ],
        stacked=True,
    )


def contender_table(contenders: Sequence[Contender]) -> Html:
    """Candidate, champion and baselines on the same rows."""
    return html.table(
        ["role", "model", "macro-F1", "accuracy", "ROC AUC", "ECE", "latency", "model folder"],
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
