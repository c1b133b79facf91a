"""The start page of `run.py ui`: what ran last, which model is the champion and why, and where everything else is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import quote

from sentiment.pages import html
from sentiment.registry.records import Change, ModelVersion
from sentiment.text.pii import mask

STATUS = {"completed": ("done", "완료", True), "cached": ("done", "완료", True), "failed": ("failed", "실패", False)}
ROLES = {"champion": "챔피언", "candidate": "후보", "archived": "보관", "none": "미승격"}
GATES = {"approved": "승인", "refused": "거절"}
TIME = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class Run:
    """A pipeline run. `said` is its last sentence: what became of it, or why it failed."""

    id: str
    pipeline: str
    status: str
    time: datetime
    seconds: float | None
    said: str


@dataclass(frozen=True)
class Model:
    """A registered model: its versions, oldest first, and the history of its champions."""

    name: str
    versions: Sequence[ModelVersion]
    history: Sequence[Change]


@dataclass(frozen=True)
class Endpoint:
    """A deployed version. `running` is what answers, None when nothing does."""

    model: str
    version: str
    url: str
    running: str | None


def start_page(runs: Sequence[Run], models: Sequence[Model], endpoints: Sequence[Endpoint]) -> str:
    """The page. Its links are `report/MODEL/VERSION`, `zenml` and `mlflow`, beside those to the endpoints."""
    return html.page(
        "sentiment-ops",
        html.box(_lead(models, endpoints)),
        *map(_model, models),
        _endpoints(endpoints),
        _runs(runs),
        _elsewhere(),
        languages=True,
    )


def sentence_page(cause: str, fix: str) -> str:
    """What stands in the place of a page that cannot be made."""
    return html.page("sentiment-ops", html.box(html.paragraph(mask(cause), "lead"), html.preformatted(mask(fix))))


def _lead(models: Sequence[Model], endpoints: Sequence[Endpoint]) -> str:
    champions = [each for model in models for each in model.versions if each.status == "champion"]
    if not champions:
        told = html.both("No champion yet: python run.py train", "아직 챔피언이 없습니다: python run.py train")
        return html.paragraph(told, "lead")
    serving = sum(each.running is not None for each in endpoints)
    english = f"{_counted(len(champions), 'champion')}, {_counted(serving, 'endpoint')} serving."
    return html.paragraph(html.both(english, f"챔피언 {len(champions)}개, 서비스 중인 엔드포인트 {serving}개."), "lead")


def _model(model: Model) -> str:
    champion = next((each for each in model.versions if each.status == "champion"), None)
    parts = []
    if champion:
        forced = any(each.forced and each.version == champion.version for each in model.history)
        who = html.both(f"Champion: version {champion.version}", f"챔피언: 버전 {champion.version}")
        parts.append(html.paragraph(html.Html(f"<b>{who}</b> {_gate(champion, forced)}")))
        parts.append(html.paragraph(mask(champion.reason), "soft"))
    headers = ("", "version", "model", "macro-F1", "gate", "registered (UTC)", "report")
    parts.append(
        html.table(
            list(map(_heading, headers)), [_version(model, each) for each in reversed(model.versions)], stacked=True
        )
    )
    if model.history:
        changes = [(f"{each.time:{TIME}}", _change(each), mask(each.reason)) for each in reversed(model.history)]
        columns = [_heading(each) for each in ("time (UTC)", "what", "reason")]
        summary = html.both("History of the champion", "챔피언 이력")
        parts.append(html.folded(summary, html.table(columns, changes, stacked=True)))
    return html.section(model.name, *parts)


def _version(model: Model, version: ModelVersion) -> tuple[object, ...]:
    role = html.both("" if version.status == "none" else version.status, ROLES[version.status])
    place = f"report/{quote(model.name, safe='')}/{version.version}"
    return (
        html.Html(f"<b>{role}</b>") if version.status == "champion" else role,
        version.version,
        mask(version.tags.get("candidate", version.kind)),
        version.metrics.get("macro_f1"),
        _gate(version, forced=False),
        f"{version.created_at:{TIME}}",
        _link(place, html.both("report", "보고서")),
    )


def _gate(version: ModelVersion, forced: bool) -> html.Html:
    if forced:
        return html.badge(html.both("promoted by force", "강제 승격"), ok=False)
    if version.gate is None:
        return html.badge(html.both("no gate", "게이트 없음"), ok=None)
    return html.badge(html.both(version.gate, GATES[version.gate]), ok=version.gate == "approved")


def _change(change: Change) -> html.Html:
    korean = {"promoted": "승격", "rolled_back": "롤백", "archived": "보관"}.get(change.event, change.event)
    return html.both(change.title, f"버전 {change.version} {korean}")


def _endpoints(endpoints: Sequence[Endpoint]) -> str:
    title = html.both("Endpoints", "엔드포인트")
    if not endpoints:
        none = html.both("None is deployed: python run.py deploy", "배포된 것이 없습니다: python run.py deploy")
        return html.section(title, html.paragraph(none))
    serving, stopped = html.both("serving", "서비스 중"), html.both("stopped", "중지")
    rows = [
        (
            html.badge(serving if each.running else stopped, ok=each.running is not None),
            each.model,
            html.both(f"version {each.version}", f"버전 {each.version}"),
            _link(each.url, each.url),
            _link(f"{each.url}/monitor", html.both("monitoring", "모니터링")) if each.running else "",
        )
        for each in endpoints
    ]
    headers = ("", "model", "version", "page", "monitoring")
    return html.section(title, html.table(list(map(_heading, headers)), rows, stacked=True))


def _runs(runs: Sequence[Run]) -> str:
    title = html.both("Last runs", "최근 실행")
    if not runs:
        return html.section(title, html.paragraph(html.both("Nothing ran yet.", "아직 실행한 것이 없습니다.")))
    rows = [
        (
            _status(each.status),
            _link(f"zenml?run={quote(each.id)}", each.pipeline),
            f"{each.time:{TIME}}",
            None if each.seconds is None else f"{each.seconds:.0f} s",
            mask(each.said),
        )
        for each in runs
    ]
    headers = ("", "run", "time (UTC)", "took", "result")
    return html.section(title, html.table(list(map(_heading, headers)), rows, stacked=True))


def _status(status: str) -> html.Html:
    english, korean, ok = STATUS.get(status, (status.replace("_", " "), "진행 중", None))
    return html.badge(html.both(english, korean), ok)


def _elsewhere() -> str:
    return html.section(
        html.both("Look deeper", "더 보기"),
        html.paragraph(_joined(_link("zenml", "ZenML"), html.both("runs, steps, artifacts", "실행, 단계, 아티팩트"))),
        html.paragraph(_joined(_link("mlflow", "MLflow"), html.both("curves, metrics, files", "곡선, 지표, 파일"))),
        html.paragraph(
            html.both(
                "Both start when you follow the link, which takes some seconds.",
                "링크를 누르면 시작하며 몇 초 걸립니다.",
            ),
            "soft",
        ),
    )


HEADINGS = {
    "version": "버전",
    "model": "모델",
    "gate": "게이트",
    "registered (UTC)": "등록 (UTC)",
    "report": "보고서",
    "time (UTC)": "시각 (UTC)",
    "what": "유형",
    "reason": "사유",
    "page": "페이지",
    "monitoring": "모니터링",
    "run": "실행",
    "took": "소요",
    "result": "결과",
}


def _heading(english: str) -> html.Html:
    return html.both(english, HEADINGS.get(english, english))


def _joined(link: html.Html, what: html.Html) -> html.Html:
    return html.joined(link, html.Html(" &nbsp; "), what)


def _link(target: str, text: object) -> html.Html:
    return html.Html(f'<a href="{escape(target)}">{html.markup(text)}</a>')


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
