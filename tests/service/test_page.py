"""The page in a real browser: what a person sees and does."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

GOOD = "다시 보고 싶은 영화예요. 정말 재밌어요!"
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be set up by root, which is who runs tests in a container.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server) -> Iterator[Page]:
    """A page in Korean that must log no error and ask no other origin."""
    context = browser.new_context(locale="ko-KR", accept_downloads=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    allowed = (server.url, "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(allowed) else problems.append(asked.url))
    page.goto(server.url)
    yield page
    assert problems == []
    context.close()


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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "euc-kr"])
def test_a_csv_is_read_in_chunks_and_comes_back(page: Page, encoding: str):
    lines = ["id,text", *(f'{number},"정말 재밌어요, ""최고"" {number}"' for number in range(150)), "150,=1+1", "151,"]
    file = {"name": "reviews.csv", "mimeType": "text/csv", "buffer": "\r\n".join(lines).encode(encoding)}

    page.locator("#file").set_input_files(file)  # type: ignore[arg-type]
    expect(page.locator("#csv")).to_contain_text("151건을 분석했습니다. 1건은 비었거나 너무 길어 제외했습니다.")
    with page.expect_download() as download:
        page.get_by_role("link", name="결과 다운로드").click()

    rows = download.value.path().read_bytes().decode("utf-8-sig").split("\r\n")
    assert rows[0] == '"text","prediction","confidence","prediction_id","model_version"'
    assert len(rows) == 152
    assert rows[1].startswith('"정말 재밌어요, ""최고"" 0","positive"')
    assert rows[151].startswith('"\'=1+1"')


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
