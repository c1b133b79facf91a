"""GET /monitoring and the page at /monitor, with a past, without one, and with the database down."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sentiment.store.journal import Entry, History, Journal
from serving.monitoring import Monitoring
from tests.service.conftest import RunningServer, StartServer
from tests.service.monitored import DAYS, HOSTILE, SWITCH, fill
from tests.service.postgres_server import PostgresServer

KEY = "a-long-enough-secret"


@pytest.fixture(scope="module")
def filled(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    url = f"sqlite:///{tmp_path_factory.mktemp('filled')}/predictions.db"
    fill(url)
    with start_server(SENTIMENT_DATABASE_URL=url) as running:
        yield running


@pytest.fixture(scope="module")
def down(start_server: StartServer) -> Iterator[RunningServer]:
    """A server that has no database, and asks for a key."""
    with start_server(SENTIMENT_DATABASE_URL="postgresql://u@127.0.0.1:9/x", SENTIMENT_API_KEY=KEY) as running:
        yield running


def read(server: RunningServer, days: int = 30, **headers: str) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/monitoring", params={"days": days}, headers=headers, timeout=30)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def test_it_tells_the_verdict_and_what_happened(filled: RunningServer) -> None:
    report = read(filled)
    assert (report["model_name"], report["model_version"], report["complete"]) == ("sentiment", "7", True)
    assert (report["status"], report["paused"]) == ("drift", False)
    assert report["summary"].startswith("Drift in 1 of 2 tests on 1,000 rows: new: 환불, 주문번호.")
    assert report["said"]["en"] == report["summary"]
    assert report["said"]["ko"].startswith("드리프트가 있습니다(1,000건, 2개 항목 중 1개 초과). 새 단어: 환불")
    newest, before = report["drift"][-1], report["drift"][-2]
    assert [word["text"] for word in newest["words"]] == ["환불", "주문번호"]
    assert {each["name"]: each["moved"]["ko"] for each in newest["effects"]} == {
        "length": "글자 수 34.1 → 36.2",
        "domain": "새 단어: 환불, 주문번호",
    }
    assert (before["words"], {each["moved"] for each in before["effects"]}) == ([], {None})
    assert [each["outcome"] for each in report["alerts"]] == ["failed", "suppressed", "delivered"]
    assert [(each["event"], each["reason"]) for each in report["decisions"]] == [
        ("decided", "quality_drop"),
        ("decided", "cooling_down"),
    ]
    assert [(each["kind"], each["model_version"]) for each in report["changes"]] == [
        ("deployment", "7"),
        ("promotion", "7"),
    ]


def test_quality_is_what_the_newest_run_says_of_each_day(filled: RunningServer) -> None:
    quality = read(filled)["quality"]
    assert [each["model_version"] for each in quality] == ["6"] * SWITCH + ["7"] * (DAYS - SWITCH)
    assert [each["day"] for each in quality] == sorted(each["day"] for each in quality)
    last, before = quality[-1], quality[-2]
    # Its labels had not come when the day was measured first.
    assert before["accuracy"] == pytest.approx(0.85)
    assert (before["low"], before["high"]) == (pytest.approx(0.82), pytest.approx(0.88))
    assert (last["accuracy"], last["low"], last["high"], last["labels"]) == (None, None, None, 0)
    assert last["estimate"] == pytest.approx(0.86)


def test_drift_comes_with_its_thresholds_oldest_first(filled: RunningServer) -> None:
    checks = read(filled)["drift"]
    assert len(checks) == DAYS - 1  # the entry that cannot be read is left out
    assert [each["time"] for each in checks] == sorted(each["time"] for each in checks)
    length, domain = checks[SWITCH - 2]["effects"]
    assert (length["name"], length["threshold"], length["drifted"]) == ("length", 0.25, True)
    assert (domain["name"], domain["title"]) == ("domain", "texts, told apart by their n-grams")
    assert not any(effect["drifted"] for effect in checks[0]["effects"])


def test_a_period_is_cut_where_it_was_asked(filled: RunningServer) -> None:
    week, today = read(filled, 7), read(filled, 1)
    assert week["step"] == "day"
    assert today["step"] == "hour"
    since = datetime.fromisoformat(week["since"])
    assert timedelta(days=7) <= datetime.now(UTC) - since < timedelta(days=7, hours=1, minutes=1)
    assert all(datetime.fromisoformat(each["time"]) >= since for each in [*week["drift"], *week["alerts"]])
    assert all(each["day"] >= week["since"][:10] for each in week["quality"])
    assert {each["origin"] for each in week["traffic"]} == {"endpoint"}
    assert {each["origin"] for each in read(filled)["traffic"]} == {"endpoint", "batch"}


@pytest.mark.parametrize("days", ["0", "91", "x", ""])
def test_no_other_period_is_read(filled: RunningServer, days: str) -> None:
    assert httpx.get(f"{filled.url}/monitoring", params={"days": days}).status_code == 422


def test_without_a_database_it_says_so(down: RunningServer) -> None:
    report = read(down, **{"X-API-Key": KEY})
    assert (report["complete"], report["status"], report["model_version"]) == (False, "unknown", "7")
    assert report["traffic"] == report["alerts"] == report["quality"] == []
    assert httpx.get(f"{down.url}/monitoring").status_code == 401


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.delete()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_counts_leave_out_shadows_and_smoke_tests(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/p.db" if kind == "sqlite" else request.getfixturevalue("postgres").url
    fill(url)
    history = History(url, "sentiment")
    since = datetime.now(UTC) - timedelta(days=DAYS + 1)
    for step in ("day", "hour"):
        traffic = history.traffic(since, step)  # type: ignore[arg-type]
        assert {each.model_version for each in traffic} == {"6", "7"}
        assert sum(each.rows for each in traffic if each.origin == "batch") == 40
    first = [each for each in history.traffic(since, "day") if each.origin == "endpoint"][:2]
    assert [(each.label, each.rows) for each in first] == [("negative", 9), ("positive", 21)]
    assert (first[0].time.hour, first[0].time.tzinfo) == (0, UTC)
    answers = history.answers(since)
    assert (answers[0].confirmed, answers[0].corrected) == (4, 2)
    history.close()


def test_a_pause_shows_however_old_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    journal = Journal(url, "sentiment")
    journal.record(Entry("paused", "", time=datetime.now(UTC) - timedelta(days=200)))
    monitoring = Monitoring(url)
    report = asyncio.run(monitoring.report("sentiment", "7", 30))
    assert (report.paused, report.status, report.checked) == (True, "unknown", None)
    journal.record(Entry("resumed", ""))
    assert asyncio.run(monitoring.report("sentiment", "7", 29)).paused is False
    monitoring.close()
    journal.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Any]:
    """visit(server, locale, width): the page, which must log no error and ask no other origin."""
    problems: list[str] = []
    with ExitStack() as stack:

        def opened(server: RunningServer, locale: str = "ko-KR", width: int = 1100) -> Page:
            viewport: Any = {"width": width, "height": 800}
            context = browser.new_context(locale=locale, viewport=viewport, timezone_id="UTC")
            stack.callback(context.close)
            page = context.new_page()
            page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on(
                "request",
                lambda asked: None if asked.url.startswith((server.url, "data:")) else problems.append(asked.url),
            )
            page.goto(f"{server.url}/monitor")
            return page

        yield opened
    assert problems == []


@pytest.mark.browser
def test_a_person_sees_how_the_model_is(filled: RunningServer, visit: Any) -> None:
    page = visit(filled)
    expect(page.get_by_role("status")).to_contain_text("드리프트")
    expect(page.get_by_role("status")).to_contain_text("버전 7")
    expect(page.locator("#quality svg path.band")).to_have_count(2)
    expect(page.locator("#quality svg path.line.dashed")).to_have_count(2)
    expect(page.locator("#quality svg line.change")).to_have_count(1)
    expect(page.locator("#quality .readout")).to_contain_text("추정 86.0%")
    expect(page.locator("#drift svg path.limit")).to_have_count(1)
    expect(page.locator("#drift > .scroll tbody tr")).to_have_count(2)
    expect(page.locator("#drift > .scroll")).to_contain_text("글자 수 34.1 → 36.2")
    expect(page.locator("#drift > p").first).to_contain_text("새로 나온 단어: 환불 8.0%, 주문번호 3.0%")
    expect(page.locator("#summary")).to_contain_text("2개 항목 중 1개 초과")
    expect(page.locator("#changes")).to_contain_text("강제 승격")
    expect(page.locator("#traffic svg rect")).to_have_count(2 * DAYS)
    expect(page.locator("#changes")).to_contain_text("승격")
    expect(page.locator("#decisions")).to_contain_text("대기 기간")
    expect(page.locator("#alerts")).to_contain_text("중복이라 생략")
    # What stands in the database is never markup.
    expect(page.locator("#alerts")).to_contain_text(HOSTILE)
    assert page.locator("main img").count() == 0
    numbers = page.locator("svg").evaluate_all("all => all.map(each => each.outerHTML).join('')")
    assert "NaN" not in numbers


@pytest.mark.browser
def test_charts_and_choices_work_by_keyboard(filled: RunningServer, visit: Any) -> None:
    page = visit(filled, "en-GB")
    chart = page.get_by_role("img", name=re.compile("^Quality"))
    chart.focus()
    readout = page.locator("#quality .readout")
    page.keyboard.press("Home")
    expect(readout).to_contain_text("version 6, 86.0% (83.0%–89.0%), expected 87.0%, labels 390 / 400")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(readout).to_contain_text("version 7, 85.0%")

    length = page.get_by_role("button", name="length in characters")
    length.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="Drift: length in characters")).to_be_visible()
    expect(length).to_be_focused()

    page.get_by_role("button", name="By version").press("Enter")
    expect(page.locator("#traffic .legend")).to_have_text(re.compile("version 6.*version 7"))
    page.get_by_role("button", name="Batches").press("Space")
    expect(page.locator("#traffic .readout")).to_contain_text("all 0")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, a, svg')]"
        ".filter(e => e.checkVisibility() && !(e.textContent.trim() || e.labels?.length || e.ariaLabel)).length"
    )
    assert unnamed == 0


@pytest.mark.browser
def test_the_period_and_the_language_are_kept(filled: RunningServer, visit: Any) -> None:
    page = visit(filled, "en-GB")
    page.get_by_role("button", name="7 days").click()
    expect(page.locator("#traffic svg rect")).not_to_have_count(2 * DAYS)
    page.get_by_role("button", name="한국어").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("모델 모니터링")
    page.reload()
    expect(page.get_by_role("button", name="7일")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="리뷰 분석").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("리뷰 감성 분석")
    page.get_by_role("link", name="모니터링").click()
    expect(page.get_by_role("status")).to_contain_text("버전 7")


@pytest.mark.browser
def test_it_fits_a_phone(filled: RunningServer, visit: Any) -> None:
    page = visit(filled, width=360)
    expect(page.locator("#alerts")).to_contain_text("실행 실패")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    message = page.locator("#alerts td.wide").first.bounding_box()
    assert message is not None
    assert message["x"] + message["width"] <= 360


@pytest.mark.browser
def test_without_a_past_it_says_what_to_run(server: RunningServer, visit: Any, browser: Browser) -> None:
    page = visit(server, "en-GB")
    expect(page.get_by_role("status")).to_contain_text("Not monitored yet")
    # Other tests of this server may have asked it something: a day without any traffic is made here.
    body = read(server)
    empty = {name: [] if isinstance(value, list) else value for name, value in body.items()}
    page.route("**/monitoring?*", lambda route: route.fulfill(status=200, body=json.dumps(empty)))
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#commands")).to_be_visible()
    expect(page.locator("#commands")).to_contain_text("python run.py watch --every 1h")
    expect(page.locator("#report")).to_be_hidden()


@pytest.mark.browser
def test_without_a_database_the_page_says_so_and_asks_for_the_key(down: RunningServer, browser: Browser) -> None:
    page = browser.new_page(locale="en-GB")
    page.goto(f"{down.url}/monitor")
    page.get_by_label("This server asks for an API key.").fill(KEY)
    page.get_by_role("button", name="Use").click()
    expect(page.get_by_role("alert")).to_contain_text("Cannot connect to the prediction database.")
    expect(page.locator("#report")).to_be_hidden()
    page.close()
