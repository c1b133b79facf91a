"""Files that people drop on the page: what is found in them, what is sent, and what comes back."""

import csv
import io
import json
import zipfile
from xml.sax.saxutils import escape

import pytest
from playwright.sync_api import Page, expect

from sentiment.store.records import TRYOUT_CALLER
from tests.service.test_api import logged

pytestmark = pytest.mark.browser

GOOD, BAD = "정말 재밌어요 최고", "너무 지루하고 최악"


def drop(page: Page, content: bytes, name: str = "reviews.csv") -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "", "buffer": content})  # type: ignore[arg-type]
    expect(page.locator("#csv")).to_have_attribute("aria-busy", "false")


def preview(page: Page) -> list[list[str]]:
    """The names, then the first rows."""
    rows = page.locator("#preview tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]


def chosen(page: Page) -> str:
    return page.locator("#column option:checked").text_content() or ""


def classified(page: Page) -> list[dict[str, str]]:
    """The rows of the file that comes back."""
    page.locator("#classify").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="결과 다운로드").click()
    content = download.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def app_reviews(rows: int) -> str:
    """As an app store's scraper writes them: ids first, the text in the middle, a date at the end."""
    lines = ["reviewId,userName,content,score,at,replyContent"]
    lines += [
        f"gp-{n:04},user{n},{'crashes' if n % 2 else 'love it'},{n % 5},2024-05-0{n % 9 + 1} 10:00:00,"
        for n in range(rows)
    ]
    return "\n".join(lines) + "\n"


def workbook(rows: list[list[str | float]], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A workbook as spreadsheets write it: strings in a list of their own, one of them in pieces; dates as numbers."""
    strings = list(dict.fromkeys(cell for row in rows for cell in row if isinstance(cell, str)))

    def cell(column: int, row: int, value: str | float) -> str:
        place = f"{'ABCDEFGH'[column]}{row}"
        if isinstance(value, str):
            return f'<c r="{place}" t="s"><v>{strings.index(value)}</v></c>' if value else ""
        return f'<c r="{place}" s="1"><v>{value}</v></c>'

    def string(text: str) -> str:
        pieces = "".join(f'<r><t xml:space="preserve">{escape(part)}</t></r>' for part in (text[:2], text[2:]))
        return f"<si>{pieces}<rPh><t>발음</t></rPh></si>"

    sheet = "".join(
        f'<row r="{number}">{"".join(cell(column, number, value) for column, value in enumerate(row))}</row>'
        for number, row in enumerate(rows, start=1)
    )
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    files = {
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets><sheet name="리뷰" sheetId="1" r:id="rId7"/>'
        f'<sheet name="둘째" sheetId="2" r:id="rId8"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        'relationships"><Relationship Id="rId7" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/sharedStrings.xml": f"<sst {main}>{''.join(map(string, strings))}</sst>",
        "xl/styles.xml": f'<styleSheet {main}><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{sheet}</sheetData></worksheet>",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_nothing_is_sent_before_the_button(page: Page):
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    drop(page, app_reviews(20).encode())
    page.locator("#column").select_option(label="userName")
    page.locator("#header").uncheck()
    page.locator("#header").check()
    page.get_by_role("button", name="English").click()

    expect(page.locator("#classify")).to_have_text("Classify 20 rows")
    assert [url for url in asked if not url.startswith("blob:")] == []


def test_the_column_of_the_texts_is_found_and_shown(page: Page):
    drop(page, app_reviews(20).encode())

    expect(page.locator("#csv")).to_contain_text("인코딩 UTF-8 · 구분자 쉼표(,)")
    assert chosen(page) == "content"
    expect(page.locator("#header")).to_be_checked()
    expect(page.locator("#classify")).to_have_text("분석하기 (20)")
    names, first, *rest = preview(page)
    assert names == ["reviewId", "userName", "content", "score", "at", "replyContent"]
    assert first == ["gp-0000", "user0", "love it", "0", "2024-05-01 10:00:00", ""]
    assert len(rest) == 4


def test_all_rows_come_back_with_label_confidence_or_reason(page: Page):
    rows = [[f"r{n}", f'{GOOD}, "최고" {n}', "=1+1"] for n in range(150)]
    rows += [["r150", "", ""], ["r151", "길" * 5001, ""], ["r152", "\ufeff \u3000", "x"], ["r153", BAD, "@a"]]
    written = io.StringIO()
    csv.writer(written).writerows([["id", "text", "label"], *rows])
    drop(page, written.getvalue().encode())
    expect(page.locator("#classify")).to_have_text("분석하기 (151)")

    back = classified(page)

    expect(page.locator("#csv")).to_contain_text("151건을 분석했습니다. 3건은 비었거나 너무 길어 제외했습니다.")
    assert list(back[0]) == ["id", "text", "label", "predicted_label", "confidence", "reason"]
    assert [[row["id"], row["text"], row["label"]] for row in back] == rows
    assert [row["reason"] for row in back[149:]] == ["", "빈 텍스트", "5,000자 초과", "빈 텍스트", ""]
    assert back[0]["predicted_label"] == "positive"
    assert 0.5 < float(back[0]["confidence"]) <= 1
    assert back[150]["predicted_label"] == back[150]["confidence"] == ""
    assert back[153]["predicted_label"] == "negative"


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16 LE"),
        ("utf-16-le", "UTF-16 LE"),
        ("utf-16-be", "UTF-16 BE"),
        ("cp949", "EUC-KR (CP949)"),
    ],
)
def test_what_korean_programs_save_is_read(page: Page, encoding: str, found: str):
    drop(page, f"text\tlabel\r\n{GOOD} 똠방\tpositive\r\n{BAD}\tnegative\r\n".encode(encoding), "unicode.txt")

    expect(page.locator("#csv")).to_contain_text(f"인코딩 {found} · 구분자 탭")
    assert preview(page) == [["text", "label"], [f"{GOOD} 똠방", "positive"], [BAD, "negative"]]
    assert chosen(page) == "text"


def test_western_windows_is_not_taken_for_korean(page: Page):
    drop(page, "text,rating\n“Don’t buy”,1\nIt’s fine,4\n".encode("cp1252"))

    expect(page.locator("#csv")).to_contain_text("Windows-1252")
    assert preview(page)[1:] == [["“Don’t buy”", "1"], ["It’s fine", "4"]]


def test_a_broken_character_does_not_change_the_encoding(page: Page):
    drop(page, ("text\n" + f"{GOOD}\n" * 30).encode() + GOOD.encode()[:-1])

    expect(page.locator("#csv")).to_contain_text("인코딩 UTF-8")
    expect(page.locator("#csv")).to_contain_text("읽을 수 없는 문자 1개")
    assert preview(page)[1] == [GOOD]


def test_without_a_header_the_longest_text_is_taken(page: Page):
    lines = [
        f'"{n % 5}","{1467810369 + n}","Mon Apr 06 22:19:45 PDT 2009","q","user{n}","film number {n}, fine"'
        for n in range(4)
    ]
    drop(page, "\n".join(lines).encode())

    expect(page.locator("#header")).not_to_be_checked()
    assert chosen(page) == "열 6"
    rows = classified(page)
    assert list(rows[0])[-1] == "reason"
    assert [row["column_6"] for row in rows] == [f"film number {n}, fine" for n in range(4)]


@pytest.mark.parametrize(
    ("content", "names", "column", "rows"),
    [
        ("text;rating\nI love it, really;5,0\nAwful;1,5\n", ["text", "rating"], "text", 2),
        ("sep=;\n후기;점수\n좋아요;5\n", ["후기", "점수"], "후기", 1),
        ("번호|상품평|작성일\n1|좋아요, 정말|2024.01.02\n", ["번호", "상품평", "작성일"], "상품평", 1),
        ("id,text\n1,good, really good\n2,bad\n3,fine, I guess\n", ["id", "text"], "text", 3),
        ("리뷰 목록,,\n2024년 1월,,\n번호,내용,별점\n1,좋아요,5\n2,별로,1\n", ["번호", "내용", "별점"], "내용", 2),
        ("Titel,Meinung\nToll,Das ist ein wirklich guter Film\n", ["Titel", "Meinung"], "Meinung", 1),
        ("comments,review\n12,Loved it\n7,Hated it\n", ["comments", "review"], "review", 2),
        ("Good film, but long\nBad film, and long\n", ["열 1"], "열 1", 2),
    ],
)
def test_delimiter_header_and_column_are_guessed(page: Page, content: str, names: list[str], column: str, rows: int):
    drop(page, content.encode())

    assert preview(page)[0] == names
    assert chosen(page) == column
    expect(page.locator("#classify")).to_have_text(f"분석하기 ({rows})")


@pytest.mark.parametrize(
    "content",
    [
        "text\tlabel\n" + '"best ever\tpositive\n' + "so so\tnegative\n" * 8 + 'says "wow"\tpositive\n',
        "text\tlabel\n" + '"best ever\tpositive\n' + "so so\tnegative\n" * 8 + 'says wow"\tpositive\n',
        "text,label\n" + '"good" they say,positive\n' + "so so,negative\n" * 9,
    ],
)
def test_a_stray_quote_loses_no_row(page: Page, content: str):
    drop(page, content.encode(), "quotes.tsv")

    expect(page.locator("#csv")).to_contain_text("짝이 맞지 않는 따옴표")
    assert preview(page)[1][0].startswith('"')
    expect(page.locator("#classify")).to_have_text("분석하기 (10)")


def test_a_quoted_cell_may_have_lines_and_delimiters(page: Page):
    drop(page, b'text,label\n"good,\r\nreally ""good""",1\n"a, b",0\n')

    assert preview(page)[1:] == [['good,\nreally "good"', "1"], ["a, b", "0"]]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('{"text": "fine", "stars": 5}\n{"stars": 1, "text": "bad", "tags": ["a"]}\n', "JSON Lines"),
        ('[\n {"text": "fine", "stars": 5},\n {"text": "bad", "stars": 1, "tags": ["a"]}\n]', "JSON"),
        ('{"text": ["fine", "bad"], "stars": [5, 1], "tags": ["", "[\\"a\\"]"]}', "JSON"),
        (
            '{"text": {"0": "fine", "1": "bad"}, "stars": {"0": 5, "1": 1}, "tags": {"0": null, "1": "[\\"a\\"]"}}',
            "JSON",
        ),
        ('{"reviews": [{"text": "fine", "stars": 5}, {"text": "bad", "stars": 1, "tags": ["a"]}]}', "JSON"),
    ],
)
def test_json_is_read(page: Page, content: str, name: str):
    drop(page, content.encode(), "reviews.json")

    expect(page.locator("#said")).to_contain_text(f"{name} · 인코딩")
    assert preview(page) == [["text", "stars", "tags"], ["fine", "5", ""], ["bad", "1", '["a"]']]
    expect(page.locator("#header")).to_be_disabled()


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_workbook_is_read(page: Page, compression: int):
    drop(
        page,
        workbook(
            [["날짜", "리뷰", "별점"], [45413, GOOD, "5"], [45414.5, BAD, ""], [45415, "", "3"]],
            compression=compression,
        ),
        "a.xlsx",
    )

    expect(page.locator("#csv")).to_contain_text("첫 시트 ‘리뷰’만 읽었습니다")
    assert preview(page)[1:3] == [["2024-05-01", GOOD, "5"], ["2024-05-02 12:00:00", BAD, ""]]
    rows = classified(page)
    assert [row["label"] for row in rows] == ["positive", "negative", ""]
    assert rows[2]["reason"] == "빈 텍스트"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"%PDF-1.7 ...", "텍스트 파일이 아닙니다"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "텍스트 파일이 아닙니다"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "텍스트 파일이 아닙니다"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "(.xls)"),
        (bytes(range(256)) * 20, "텍스트 파일이 아닙니다"),
        (b"text\ngood\0film\n", "텍스트 파일이 아닙니다"),
        (b"PK\3\4 no archive", "손상되어"),
        (b"<html><table><tr><td>text</td></tr></table></html>", "HTML"),
        (b"", "분석할 리뷰가 없습니다"),
        (b'{"text": "a"}\n{"text": \n', "2번째 줄"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(page: Page, content: bytes, sentence: str):
    drop(page, content, "file.bin")

    expect(page.locator("#said")).to_contain_text(sentence)
    expect(page.locator("#classify")).to_have_count(0)


def test_files_that_are_too_large_are_refused(page: Page):
    drop(page, b"text\n" + b"good film\n" * 2_200_000)
    expect(page.locator("#said")).to_contain_text("20 MB")
    drop(page, workbook([["text"], *[["good"]] * 10_001]), "a.xlsx")
    expect(page.locator("#said")).to_contain_text("10,000행까지")
    drop(page, workbook([["text"], *[["good"]] * 10_000]), "a.xlsx")
    expect(page.locator("#classify")).to_have_text("분석하기 (10,000)")


def test_rows_of_a_file_are_logged_as_a_tryout(page: Page, server):
    drop(page, f"text\n{GOOD} 파일에서\n".encode())
    classified(page)

    query = "SELECT text FROM predictions WHERE caller = ? AND text LIKE '%파일에서'"
    assert logged(server, query, TRYOUT_CALLER) == [(f"{GOOD} 파일에서",)]


def test_a_refused_text_and_a_broken_server_cost_only_their_rows(browser, server):
    page = browser.new_page(locale="ko-KR")
    page.goto(server.url)

    def answer(route):
        texts = json.loads(route.request.post_data)["texts"]
        if "refuse" in texts:
            route.fulfill(status=422, json={"error": {"code": "x", "message": "Not this one."}})
        elif "row 70" in texts:
            route.fulfill(status=500, json={"error": {"code": "x", "message": "The model failed."}})
        else:
            shares = {"negative": 0.45, "positive": 0.55}
            one = {"prediction_id": "1", "prediction": "positive", "confidence": 0.55, "probabilities": shares}
            route.fulfill(json={"predictions": [{**one, "model_version": "7"} for _ in texts]})

    page.route("**/predict_batch", answer)
    drop(page, ("text\nrefuse\n" + "".join(f"row {n}\n" for n in range(80))).encode())
    rows = classified(page)

    expect(page.locator("#said")).to_contain_text("63건을 분석했습니다. 18건은 분석하지 못했습니다. The model failed.")
    expect(page.locator("#csv")).to_contain_text("63건은 신뢰도가 낮습니다")
    assert len(rows) == 81
    assert [rows[at]["reason"] for at in (0, 1, 63, 64, 80)] == [
        "Not this one.",
        "",
        "",
        "분석하지 못함",
        "분석하지 못함",
    ]


def test_a_run_can_be_stopped_and_what_is_done_is_kept(page: Page):
    page.route("**/predict_batch", lambda route: (page.wait_for_timeout(300), route.continue_()))
    drop(page, ("text\n" + "good film\n" * 640).encode())
    page.locator("#classify").click()
    expect(page.locator("#progress-count")).to_contain_text("/ 640")
    expect(page.locator("#csv")).to_have_attribute("aria-busy", "true")
    page.get_by_role("button", name="중지").click()

    expect(page.get_by_role("link", name="결과 다운로드")).to_be_visible()
    expect(page.locator("#said")).to_contain_text("분석하지 못했습니다")
