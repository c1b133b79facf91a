"""The one report of a run: the verdict first, then what it rests on, the mistakes, and the model card."""

from datetime import datetime
from typing import NamedTuple

from sentiment.data.names import counted
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision
from sentiment.lifecycle.registration import Registration
from sentiment.pages import html
from sentiment.pages.dispatch import figures_of
from sentiment.pages.evaluation import (
    check_table,
    comparison_parts,
    contender_table,
    label_table,
    metric_table,
    mistake_table,
    slice_tables,
)
from sentiment.pages.html import Html, both
from sentiment.pages.lifecycle import card


class Trained(NamedTuple):
    """What a run was about: the name of its dataset, whether no customer wrote the texts, and when it registered."""

    dataset: str
    synthetic: bool
    time: datetime


def report_of_run(registration: Registration, decision: GateDecision, evaluation: Evaluation, run: Trained) -> str:
    """The page; self-contained, far below a megabyte, in Korean and English."""
    version = f" {registration.version}" if registration.version else ""
    figures = figures_of(evaluation)
    parts = [
        _head(registration, decision, evaluation, run),
        html.section(
            "Contenders",
            html.figure(figures_of(decision)["contenders"], "contenders"),
            contender_table(decision.contenders),
        ),
        html.section("Checks", check_table(decision)),
        *(
            [html.section("Against the champion", *comparison_parts(decision.comparison))]
            if decision.comparison
            else []
        ),
        html.section("Most confident mistakes", mistake_table(evaluation.mistakes)),
        html.section(
            "Predictions and confidence",
            html.pictures(*(html.figure(figures[name], name) for name in ("confusion", "reliability"))),
            label_table(evaluation),
            html.folded("All metrics", metric_table(evaluation)),
        ),
        html.section(
            "By slice",
            *([html.figure(figures["slices"], "slices")] if "slices" in figures else []),
            *slice_tables(evaluation.slices),
        ),
        html.box(html.folded(html.heading("Model card"), card(registration.card))),
    ]
    return html.page(f"{registration.model_name}{version}", *parts, languages=True)


def _against_the_champion(decision: GateDecision) -> list[Html]:
    comparison = decision.comparison
    return [html.section("Against the champion", *comparison_parts(comparison))] if comparison else []


def _head(registration: Registration, decision: GateDecision, evaluation: Evaluation, run: Trained) -> Html:
    outcome, ok = _outcome(registration, decision)
    version = str(registration.version) if registration.version else "–"
    return html.box(
        html.paragraph(html.badge(outcome, ok), "lead"),
        html.paragraph(_sentence(registration, decision, evaluation), "lead"),
        *([html.paragraph(_SYNTHETIC, "soft")] if run.synthetic else []),
        html.facts(
            [
                ("version", version),
                ("model", f"{evaluation.name} ({evaluation.kind})"),
                ("dataset", run.dataset),
                ("test rows", f"{evaluation.rows:,}"),
                ("trained", f"{run.time:%Y-%m-%d %H:%M} UTC"),
                ("data digest", evaluation.data_digest[:12]),
                ("model digest", registration.digest[:12]),
            ]
        ),
    )


def _outcome(registration: Registration, decision: GateDecision) -> tuple[str, bool | None]:
    if decision.outcome == "unchanged":
        return "unchanged", None
    return ("promoted", True) if registration.promoted else ("refused", False)


def _sentence(registration: Registration, decision: GateDecision, evaluation: Evaluation) -> Html:
    """Why the verdict is what it is, in one sentence."""
    name, f1 = evaluation.name, evaluation.macro_f1
    failed = [check for check in decision.checks if not check.passed]
    comparison = decision.comparison
    if decision.outcome == "unchanged":
        return both(
            f"{name} is the champion already, byte for byte.", f"{name}: 이미 챔피언인 모델과 같습니다(바이트 단위)."
        )
    if failed:
        names = html.listed([check.name for check in failed])
        many = len(decision.checks)
        return both(
            html.joined(f"Failed {len(failed)} of {counted(many, 'check')}: ", names, f". {failed[0].reason}"),
            html.joined(
                f"검사 {many}개 중 {len(failed)}개를 통과하지 못했습니다: ", names, f". {name}의 macro-F1은 {f1}입니다."
            ),
        )
    if not registration.promoted:
        return both(registration.summary, "게이트가 비교한 뒤에 다른 버전이 챔피언이 되어 승격하지 않았습니다.")
    if comparison is None:
        return both(
            f"{name} reaches a macro-F1 of {f1} on {counted(evaluation.rows, 'test row')} and passes all "
            f"{counted(len(decision.checks), 'check')}; there was no champion to beat.",
            f"{name}: 테스트 {evaluation.rows:,}건에서 macro-F1 {f1}, 검사 {len(decision.checks)}개를 모두 "
            "통과했습니다. 비교할 챔피언은 없었습니다.",
        )
    gain = comparison.macro_f1
    change = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    return both(
        f"{name} is better than {comparison.champion}, the champion so far: macro-F1 {f1}, a difference of {change} on "
        f"the same {counted(comparison.rows, 'test row')}.",
        f"{name}: 이전 챔피언 {comparison.champion}보다 낫습니다. macro-F1 {f1}, 같은 테스트 {comparison.rows:,}건에서 "
        f"차이는 {change}입니다.",
    )


_SYNTHETIC = both(
    "A demonstration: nobody's customers wrote these texts. The figures say nothing about real reviews.",
    "데모입니다. 실제 고객이 쓴 텍스트가 아니므로, 이 수치는 실제 리뷰에 대해 아무것도 말해 주지 않습니다.",
)
