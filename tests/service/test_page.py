"""The page in a real browser: what a person sees and does."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from sentiment.store.records import TRYOUT_KEY

pytestmark = pytest.mark.browser

GOOD = "다시 보고 싶은 영화예요. 정말 재밌어요!"
HOSTILE = '<img src=x onerror="document.title=1">'


def test_a_review_is_read_explained_and_judged(page: Page):
    page.get_by_label("리뷰", exact=True).fill(GOOD)
    page.keyboard.press("Control+Enter")

    result = page.locator("#result")
    expect(result.locator(".label")).to_have_text("긍정")
    expect(result.locator(".bars")).to_contain_text(re.compile(r"\d+\.\d%"))
    expect(result.locator(".words span")).to_have_text(GOOD.split())
    page.get_by_role("button", name="틀려요").click()
    expect(result).to_contain_text("저장했습니다")
    expect(page.locator("#recent")).to_contain_text(GOOD)


def test_a_text_that_stands_for_none_is_not_asked(page: Page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for text in ("NaN", " - ", "N/A"):
        page.get_by_label("리뷰", exact=True).fill(text)
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("alert")).to_contain_text(f"‘{text.strip()}’")
    assert not [url for url in asked if url.endswith("/predict")]


def test_it_counts_characters_and_says_that_it_is_busy(page: Page):
    box, go = page.get_by_label("리뷰", exact=True), page.locator("#go")
    box.fill("가" * 5001)
    expect(page.locator("#counter")).to_have_text("5,001 / 5,000 자")
    expect(go).to_be_disabled()
    box.fill(GOOD)
    expect(go).to_be_enabled()

    waiting: list[Route] = []
    page.route("**/predict", lambda route: waiting.extend([route]))
    go.click()
    expect(go).to_have_text("분석 중…")
    expect(go).to_be_disabled()
    waiting[0].continue_()
    expect(go).to_have_text("분석하기")
    expect(page.locator("#result .label")).to_have_text("긍정")


def test_what_is_typed_is_a_try_out_and_a_click_says_where_the_answer_came_from(page: Page, server):
    page.get_by_label("리뷰", exact=True).fill(f"{GOOD} 추적")
    with page.expect_request("**/predict") as asked:
        page.keyboard.press("Control+Enter")
    assert asked.value.headers["x-caller-key"] == TRYOUT_KEY
    row = page.locator("#recent tr").nth(1)
    expect(row).to_contain_text("추적")
    expect(row.locator(".tag")).to_have_text("페이지")
    with page.expect_request("**/feedback") as judged:
        page.get_by_role("button", name="맞아요").click()
    assert judged.value.headers["x-caller-key"] == TRYOUT_KEY
    prediction = judged.value.post_data_json["prediction_id"]
    with server.client() as client:
        while client.get(f"/trace/{prediction}").status_code != 200:  # it is logged a moment after the answer
            page.wait_for_timeout(50)

    row.get_by_role("button").click()
    dialog = page.get_by_role("dialog", name="예측 추적")
    for said in (f"{GOOD} 추적", "긍정", "페이지", "버전7", "the bundled sample, 000000000000", "통과", "kim"):
        expect(dialog).to_contain_text(said)
    page.get_by_role("button", name="닫기").click()
    expect(dialog).to_be_hidden()


def test_what_a_person_types_is_never_markup(page: Page):
    page.get_by_label("리뷰", exact=True).fill(HOSTILE + " " + GOOD)
    page.get_by_role("button", name="분석하기").click()

    expect(page.locator("#result .words")).to_be_visible()
    expect(page.locator("#recent")).to_contain_text(HOSTILE)
    assert page.locator("main img").count() == 0


def test_an_error_is_shown_and_goes_away(browser, server):
    page = browser.new_page(locale="ko-KR")
    page.goto(server.url)
    page.route("**/predict", lambda route: route.abort())
    page.get_by_label("리뷰", exact=True).fill(GOOD)
    page.get_by_role("button", name="분석하기").click()
    expect(page.get_by_role("alert")).to_have_text("서버에 연결할 수 없습니다.")

    page.unroute("**/predict")
    page.get_by_role("button", name="분석하기").click()
    expect(page.locator("#result .label")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.close()


def test_the_language_follows_the_browser_and_the_button(browser, server):
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(server.url)

    expect(page.get_by_role("heading", level=1)).to_have_text("Review sentiment")
    page.get_by_role("button", name="한국어").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("리뷰 감성 분석")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator("#model")).to_contain_text("0.810")
    page.goto(f"{server.url}/docs")
    expect(page.locator("#operations")).to_contain_text("POST /predict_batch")
    expect(page.locator("p code")).to_have_text("{error: {code, message}}")
    context.close()


def test_it_works_by_keyboard_and_every_control_has_a_name(page: Page):
    page.get_by_label("리뷰", exact=True).fill(GOOD)
    page.get_by_label("리뷰", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#result .label")).to_be_visible()

    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, a, progress')]"
        ".filter(e => e.checkVisibility() && !(e.textContent.trim() || e.labels?.length || e.ariaLabel)).length"
    )
    assert unnamed == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_another_language_asks_the_server_nothing_again(page: Page):
    page.get_by_label("리뷰", exact=True).fill(GOOD)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#result .words")).to_be_visible()
    expect(page.locator("#recent")).to_contain_text(GOOD)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.get_by_role("button", name="English").click()

    expect(page.locator("#result .label")).to_have_text("Positive")
    expect(page.locator("#result")).to_contain_text("Words in blue ▲ speak for “Positive”")
    expect(page.locator("#recent")).to_contain_text("Positive")
    expect(page.locator("#model")).to_contain_text("Version")
    assert asked == []


def test_colours_are_for_or_against_the_predicted_label_whichever_it_is(page: Page):
    def answer(route):
        shares = {"negative": 0.3, "neutral": 0.45, "mixed": 0.25}
        prediction = {"prediction_id": "1", "prediction": "neutral", "confidence": 0.45, "model_version": "7"}
        words = [{"word": "그냥", "weight": 0.9}, {"word": "별로", "weight": -0.6}, {"word": "좀", "weight": 0.01}]
        explained = {"prediction": "neutral", "confidence": 0.45, "words": words}
        route.fulfill(json=explained if "explain" in route.request.url else {**prediction, "probabilities": shares})

    page.route(re.compile("/(predict|explain)$"), answer)
    page.get_by_label("리뷰", exact=True).fill("그냥 별로 좀")
    page.keyboard.press("Control+Enter")

    result = page.locator("#result")
    expect(result.locator(".words .for")).to_have_text("그냥")
    expect(result.locator(".words .against")).to_have_text("별로")
    expect(result.locator("i.chosen")).to_have_count(1)
    expect(result).to_contain_text("‘중립’ 쪽")
    expect(result).to_contain_text("신뢰도가 낮습니다")


def test_on_a_phone_every_control_is_large_enough_to_touch(browser, server):
    page = browser.new_page(locale="ko-KR", viewport={"width": 390, "height": 844})
    page.goto(server.url)
    page.get_by_label("리뷰", exact=True).fill(GOOD)
    page.get_by_role("button", name="분석하기").click()
    expect(page.locator("#wrong")).to_be_visible()
    page.locator("#file").set_input_files(
        {"name": "a.csv", "mimeType": "text/csv", "buffer": b"text,label\ngood film,1\nbad film,0\n"}  # type: ignore[arg-type]
    )
    expect(page.locator("#classify")).to_be_visible()

    small = page.evaluate(
        "[...document.querySelectorAll('button, a, select, summary, textarea, label.button, label.check')]"
        ".filter(e => e.checkVisibility()).map(e => [e.textContent, e.getBoundingClientRect()])"
        ".filter(([, box]) => box.height < 44 || box.width < 44).map(([text]) => text)"
    )
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_an_api_key_is_asked_for_and_kept_for_the_session(browser, start_server):
    key = "a-long-enough-secret"
    with start_server(SENTIMENT_API_KEY=key) as server:
        page = browser.new_page(locale="en-GB")
        page.goto(server.url)
        page.get_by_label("This server asks for an API key.").fill(key)
        page.get_by_role("button", name="Use").click()
        expect(page.locator("#model")).to_contain_text("linear")
        page.reload()
        expect(page.locator("#model")).to_contain_text("linear")
        page.close()


def test_a_metric_is_shown_with_its_interval(browser, server):
    def with_metrics(route):
        response = route.fetch()
        metrics = {"accuracy": 0.8, "accuracy_low": 0.75, "accuracy_high": 0.85, "ece": 0.05, "days_low": 3}
        route.fulfill(response=response, json={**response.json(), "metrics": metrics})

    page = browser.new_page(locale="en-US")
    page.route("**/model", with_metrics)
    page.goto(server.url)
    expect(page.locator("#model")).to_contain_text("0.800 [0.750, 0.850]")
    names = page.locator("#model dt").all_inner_texts()
    assert [name for name in names if name in {"accuracy", "accuracy_low", "accuracy_high", "ece", "days_low"}] == [
        "accuracy",
        "ece",
        "days_low",
    ]
    page.close()


def test_the_report_is_found_and_changes_its_language_under_the_pages_policy(page: Page):
    page.get_by_role("link", name="학습 리포트 보기").click()

    expect(page.get_by_role("heading", name="게이트 검사")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Checks")).to_be_visible()
    page.goto(page.url.removesuffix("/report"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Review sentiment")  # one choice for all pages
